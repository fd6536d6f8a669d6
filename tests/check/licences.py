#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that each source file names its licence (SPDX) near its top, and that text files are tidy."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNEL_SIDE = "GPL-2.0-only OR BSD-2-Clause"
USER_SIDE = "Apache-2.0"
SOURCES = {".c", ".h", ".py", ".sh", ".mjs", ".js"}


def tracked():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           check=True, capture_output=True).stdout
    return [n for n in names.decode().split("\0") if n and (ROOT / n).is_file()]


def licence_of(name):
    return KERNEL_SIDE if name.split("/")[0] in ("bpf", "include", "vmlinux") or name.endswith(".bpf.c") else USER_SIDE


def problems(name):
    path = ROOT / name
    if path.suffix not in SOURCES or "/corpus/" in name:
        return
    text = path.read_text()
    want = f"SPDX-License-Identifier: {licence_of(name)}"
    if want not in "\n".join(text.splitlines()[:3]):
        yield f"{name}: no line '{want}' at its top"
    if name.startswith("vmlinux/"):
        return
    for i, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield f"{name}:{i}: white space at the end of the line"


def main():
    found = [p for name in tracked() for p in problems(name)]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
