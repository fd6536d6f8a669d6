#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of a JSONTestSuite folder as cases for json_suite.c, with what Python's json says of each:

    case NAME
    text HEX
    must accept|refuse|either    by the file's name: y_, n_, i_
    flaws WORDS                  what agent/openai/json.h says of a value that is not all that the text says
    value JSON                   on one line; absent if Python refuses the text
    end

With --prefixes also each shorter beginning of each file, where Python decides what it must be."""

import argparse
import json
import math
import pathlib
import re
import sys

LONE = re.compile("[\ud800-\udfff]")
PREFIXES_OF = 512  # bytes; longer files are not cut


class Reader:
    """Python's json, with the changes to a value that agent/openai/json.h announces."""

    def __init__(self):
        self.flaws = set()

    def integer(self, text):
        value = int(text)
        if -(2**63) <= value < 2**63:
            return value
        self.flaws.add("big")
        return text

    def real(self, text):
        value = float(text)
        if math.isinf(value):
            self.flaws.add("big")
            return text
        return value

    def constant(self, text):
        raise ValueError(f"{text} is not JSON")

    def text(self, value):
        if LONE.search(value):
            self.flaws.add("surrogate")
        return LONE.sub("\ufffd", value)

    def object(self, pairs):
        out = {}
        for key, value in pairs:
            if "\0" in key:
                self.flaws.add("nul-key")
            key = self.text(key)
            if key in out:
                self.flaws.add("duplicate")
            out[key] = value
        return out

    def fixed(self, value):
        """Strings are the one kind without a hook."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.fixed(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fixed(item) for key, item in value.items()}
        return value

    def read(self, data):
        """ValueError, RecursionError: no JSON to Python."""
        value = json.loads(data.decode("utf-8-sig"), parse_int=self.integer, parse_float=self.real,
                           parse_constant=self.constant, object_pairs_hook=self.object)
        return self.fixed(value)


def write_case(out, name, data, must):
    reader = Reader()
    try:
        value = json.dumps(reader.read(data))
    except (ValueError, RecursionError):
        value = None
    if must is None:
        must = "refuse" if value is None else "accept"
    out.write(f"case {name}\ntext {data.hex()}\nmust {must}\n")
    if value is not None:
        out.write(f"flaws {' '.join(sorted(reader.flaws))}\nvalue {value}\n")
    out.write("end\n")


def main():
    sys.setrecursionlimit(10000)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--prefixes", action="store_true")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("output")
    args = parser.parse_args()
    files = sorted(path for path in args.folder.iterdir() if re.match(r"[yni]_.*\.json$", path.name))
    if not files:
        sys.exit(f"{args.folder} holds no cases")
    with open(args.output, "w", encoding="ascii") as out:
        for path in files:
            data = path.read_bytes()
            if not args.prefixes:
                write_case(out, path.name, data, {"y": "accept", "n": "refuse", "i": "either"}[path.name[0]])
            elif len(data) <= PREFIXES_OF:
                for n in range(len(data)):
                    write_case(out, f"{path.name}[:{n}]", data[:n], None)


if __name__ == "__main__":
    main()
