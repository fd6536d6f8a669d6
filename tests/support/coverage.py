#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Line coverage of agent/STAGE by file, from the counts that gcov finds in a build folder. Fails if the sum of one of
the stages in --floor is below --minimum percent. --lines shows what was not reached."""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def counts(build, stage):
    """Path below agent/ -> line -> how often it ran. A header's lines count once, whoever includes it."""
    files = collections.defaultdict(lambda: collections.defaultdict(int))
    for path in sorted((ROOT / "agent" / stage).glob("*.c")):
        notes = build / "agent" / stage / (path.stem + ".gcno")
        out = subprocess.run(["gcov", "--json-format", "--stdout", notes.resolve()], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE).stdout
        for text in out.splitlines():
            for file in json.loads(text)["files"]:
                name = file["file"]
                if name.startswith(f"agent/{stage}/"):
                    for line in file["lines"]:
                        files[name[len("agent/"):]][line["line_number"]] += line["count"]
    return files


def row(name, hit, lines):
    print(f"{name:36} {hit:6} {lines:6} {100 * hit / lines:6.1f} %")


def report(files, show):
    """The sum of hit lines and of lines."""
    hit = lines = 0
    for name, by_line in sorted(files.items()):
        here = sum(1 for count in by_line.values() if count)
        row(name, here, len(by_line))
        hit, lines = hit + here, lines + len(by_line)
        if show:
            text = (ROOT / "agent" / name).read_text().splitlines()
            for number in sorted(n for n, count in by_line.items() if not count):
                print(f"    {number:5} {text[number - 1]}")
    return hit, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minimum", type=float, default=0, metavar="PERCENT")
    parser.add_argument("--floor", default="", help="stages that the minimum holds for")
    parser.add_argument("--lines", action="store_true", help="show the lines that were not reached")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("stages", nargs="+")
    args = parser.parse_args()
    low, sums = [], []
    print(f"{'file':36} {'hit':>6} {'lines':>6}   share")
    for stage in args.stages:
        hit, lines = report(counts(args.build, stage), args.lines)
        sums.append((stage, hit, lines))
        if stage in args.floor.split() and 100 * hit < args.minimum * lines:
            low.append(stage)
    for stage, hit, lines in sums:
        row(f"agent/{stage}", hit, lines)
    if low:
        print(f"coverage: below {args.minimum:g} %: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
