#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance programs on what was fetched and recorded, and prints a table: source, version, cases, passed. A
source that is not there is skipped with the reason, or fails with OAITAP_CONFORMANCE_REQUIRED=1."""

import argparse
import dataclasses
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 600
SHOWN = 20  # failures of one source


@dataclasses.dataclass
class Source:
    what: str
    name: str
    program: str
    data: str
    needs: tuple  # whose .why counts
    version: object  # () -> text


def crate(name):
    text = (HERE / "crates/Cargo.toml").read_text()
    return f"{name} {re.search(rf'^{name} = .=(.*).$', text, re.MULTILINE)[1]}"


def pinned(name):
    text = (HERE / "requirements.txt").read_text()
    return f"{name} {re.search(rf'^{name}==([0-9.]+)', text, re.MULTILINE)[1]}"


def packages(*names):
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def sources(data):
    def recorded(name, program, what="HTTP/2", *needs):
        return Source(what, name, "tests/conformance/http2_cases", f"{program}.cases", (*needs, "recorded", program),
                      lambda: (data / f"{program}.version").read_text())

    websocket = "tests/unit/http/websocket_cases_test"
    json = "tests/conformance/json_suite"
    return [
        Source("HPACK", "hpack-test-case", "tests/conformance/hpack_stories", "crates/httlib-hpack/fixtures", ("crates",),
               lambda: crate("httlib-hpack")),
        Source("JSON", "JSONTestSuite", json, "json.cases", ("crates", "json"), lambda: crate("justjson")),
        Source("JSON", "JSONTestSuite, cut", json, "json-prefixes.cases", ("crates", "json"), lambda: crate("justjson")),
        Source("WebSocket", "wsproto, websockets", websocket, "websocket.cases", ("websocket",),
               lambda: packages("wsproto", "websockets")),
        Source("WebSocket", "Autobahn test suite", websocket, "autobahn.cases", ("kosoku", "autobahn"),
               lambda: pinned("kosoku")),
        Source("HTTP/2", "h2", "tests/conformance/http2_cases", "h2.cases", ("h2",), lambda: packages("h2")),
        recorded("curl", "curl"),
        recorded("Node's http2", "node"),
        recorded("Go's http2", "go", "HTTP/2", "golang"),
        recorded("nghttpx", "nghttpx"),
        recorded("h2spec", "h2spec", "HTTP/2, broken", "golang"),
    ]


def reason(source, data):
    """Why it is not there, or None."""
    for name in source.needs:
        why = data / f"{name}.why"
        if why.exists():
            return " ".join(why.read_text().split()) or "no reason is known"
    return None if (data / source.data).exists() else "it was not made"


def run(source, programs, data):
    """Cases, passed, and the lines that say what failed."""
    out = subprocess.run([programs / source.program, data / source.data], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT, check=False)
    # For reading: what is left open by JSONTestSuite stands there.
    (data / f"{pathlib.Path(source.data).stem}.out").write_text(out.stdout)
    total = re.search(r"^total (\d+) (\d+)$", out.stdout, re.MULTILINE)
    cases, passed = map(int, total.groups()) if total else (0, 0)
    lines = out.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("not ok", "ERROR:"))]
    if out.returncode == 0 and 0 < cases == passed:
        return cases, passed, []
    # A crash has no total.
    return max(cases, passed + 1), passed, failed or [f"exit status {out.returncode}", *lines[-SHOWN:]]


def row(what, name, version, cases, passed):
    print(f"{what:15} {name:20} {version:34} {cases:>7} {passed:>7}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("data", type=pathlib.Path)
    args = parser.parse_args()
    required = os.environ.get("OAITAP_CONFORMANCE_REQUIRED") == "1"
    began = time.monotonic()
    good, bad, skipped = 0, 0, 0
    row("", "source", "version", "cases", "passed")
    for source in sources(args.data):
        why = reason(source, args.data)
        if why:
            skipped += 1
            row(source.what, source.name, "-", "-", "-")
            print(f"    skipped: {why}")
            continue
        cases, passed, failures = run(source, args.programs, args.data)
        good, bad = good + passed, bad + cases - passed
        row(source.what, source.name, source.version(), cases, passed)
        for line in failures[:SHOWN]:
            print(f"    {line[:300]}")
    absent = args.data / "servers.why"
    if absent.exists():
        skipped += 1
        print(f"    skipped: conversations with {absent.read_text()}")
    if skipped and required:
        print("what is skipped is a failure here: OAITAP_CONFORMANCE_REQUIRED=1")
    print(f"in {time.monotonic() - began:.0f} s")
    print(f"conformance: {good} passed, {bad} failed, {skipped} skipped")
    return 1 if bad or not good or (skipped and required) else 0


if __name__ == "__main__":
    sys.exit(main())
