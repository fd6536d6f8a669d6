#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs: the same exchanges (C client and server over TLS, keep-alive) without an agent, with an
agent whose hosts do not include the one asked, and with one that records it; interleaved, so that all see the same machine.
Prints a table: microseconds an exchange (median of the rounds), ratio to no agent, agent CPU an exchange."""

import os
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import agent as agents  # noqa: E402
import drive  # noqa: E402
import sandbox as sandboxes  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
CONNECTIONS, EXCHANGES = 4, 500
SIZES = [(500, 500), (4096, 2048)]
HZ = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def load(sandbox, program, host, sizes):
    """Seconds that the exchanges took."""
    process = sandbox.spawn(
        [program, "client", "--host", host, "--truth", sandbox.path / "bench-truth",
         "--connections", CONNECTIONS, "--exchanges", EXCHANGES, "--request", sizes[0], "--response", sizes[1],
         "--seconds", 120],
        stdout=-1, text=True)
    out, _ = process.communicate(timeout=150)
    found = re.search(r"exchanges (\d+) failed-connections 0 seconds ([0-9.]+)", out)
    assert process.returncode == 0 and found, out
    return float(found[2])


def measure(sandbox, program, mode, sizes):
    """(microseconds an exchange, agent CPU microseconds an exchange)"""
    count = CONNECTIONS * EXCHANGES
    if mode == "no agent":
        return load(sandbox, program, sandboxes.OPENAI, sizes) / count * 1e6, 0.0
    host = sandboxes.OPENAI if mode == "recorded" else sandboxes.BLOCKED
    with agents.Agent(sandbox.path / "bench-agent") as agent:
        before = cpu_seconds(agent.process.pid)
        seconds = load(sandbox, program, host, sizes)
        if mode == "recorded":
            agent.take(2 * count, timeout=60)
        used = cpu_seconds(agent.process.pid) - before
        assert agents.dropped(agent.status()) == {}
        agent.stop()
    return seconds / count * 1e6, used / count * 1e6


def main():
    reason = sandboxes.why_not() or agents.why_not()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    modes = ["no agent", "another host", "recorded"]
    program = drive.BUILD / "loadgen"
    results = {}
    held = sandboxes.lock()
    with sandboxes.Sandbox() as sandbox:
        server = sandbox.spawn([program, "server", "--cert", sandbox.cert, "--key", sandbox.key,
                                "--seconds", 600], stdout=-1, text=True)
        server.stdout.readline()
        for _ in range(ROUNDS):
            for sizes in SIZES:
                for mode in modes:
                    results.setdefault((sizes, mode), []).append(measure(sandbox, program, mode, sizes))
        server.terminate()
        server.wait()
    held.close()
    print(f"{CONNECTIONS} connections, {EXCHANGES} exchanges each, {ROUNDS} rounds interleaved, medians")
    print(f"{'request/answer':<16}{'agent':<16}{'us/exchange':>12}{'ratio':>8}{'agent CPU us':>14}")
    for sizes in SIZES:
        base = statistics.median(t for t, _ in results[sizes, modes[0]])
        for mode in modes:
            time = statistics.median(t for t, _ in results[sizes, mode])
            cpu = statistics.median(c for _, c in results[sizes, mode])
            print(f"{sizes[0]}/{sizes[1]:<12}{mode:<16}{time:>12.1f}{time / base:>8.2f}{cpu:>14.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
