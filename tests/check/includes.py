#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the include order of the stages (docs/architecture.md): a stage includes base/, itself, and the output
type of the stage before it. What joins them is agent/*.c alone."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder of agent/ -> folders, or single headers, that it may include besides base/ and itself.
ALLOWED = {
    "base": [],
    "config": [],
    "probe": ["include", "bpf/oaitap.skel.h"],
    "ring": ["include"],
    "stream": ["include", "ring/record.h"],
    "coverage": ["include", "ring/record.h"],
    "http": ["stream/chunk.h"],
    # SSE framing of a body belongs to http; openai drives it over the body of a whole message.
    "openai": ["http/message.h", "http/sse.h"],
    "identity": [],
    "enforce": ["include", "bpf/block.skel.h"],
    # The operator's wishes come from the configuration, as checked values.
    "policy": ["openai/exchange.h", "identity/identity.h", "http/message.h", "config/config_policy.h"],
    "event": ["openai/exchange.h", "identity/identity.h", "http/message.h", "policy/report.h"],
    "sink": ["event/event.h"],
    # Commands stand beside the pipeline: they read what it has stored, and look at the host as the probes do.
    "ops": ["config", "sink", "probe", "policy", "enforce", "identity"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def permitted(stage, header):
    folder = header.split("/")[0] if "/" in header else stage
    return folder in ("base", stage) or any(header == a or folder == a for a in ALLOWED[stage])


def main():
    bad = []
    for path in sorted((ROOT / "agent").glob("*/*.[ch]")):
        stage = path.parent.name
        if stage not in ALLOWED:
            bad.append(f"{path.relative_to(ROOT)}: folder {stage} is not in the table of tests/check/includes.py")
            continue
        for header in INCLUDE.findall(path.read_text()):
            if not permitted(stage, header):
                bad.append(f"{path.relative_to(ROOT)}: may not include {header}")
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
