#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs. The same exchanges (C client and server over TLS, keep-alive) in four ways, round by
round, so that all see the same machine:

    none       no probes
    floor      empty programs on the agent's probe points (bench/floor.c)
    recorded   oaitap, AI traffic
    not AI     oaitap, a server name that is not monitored

Prints a table and writes all numbers to bench.json in the build folder. ROUNDS says how many rounds."""

import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import agent as agents  # noqa: E402
import drive  # noqa: E402
import sandbox as sandboxes  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
ONLY = os.environ.get("ROWS", "")  # part of a row's name
HZ = os.sysconf("SC_CLK_TCK")
MODES = ("none", "floor", "recorded", "not AI")


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of exchange."""

    name: str
    connections: int
    exchanges: int  # of each connection
    request: int
    response: int
    chunks: int = 0

    @property
    def total(self):
        return self.connections * self.exchanges


ROWS = [
    Row("500 B/500 B", 1, 1500, 500, 500),
    Row("4 KB/2 KB", 1, 1500, 4096, 2048),
    Row("4 KB/2 KB, 4 connections", 4, 400, 4096, 2048),
    Row("500 B/stream of 500", 1, 15, 500, 10000, 500),
]


def cpu_seconds(pid):
    """Of the whole process, by its CPU clock: clock_getcpuclockid(3), which Python has not."""
    return time.clock_gettime(~pid << 3 | 2)


def thread_seconds(pid):
    """{thread: seconds}, by name, or by number for those that have the process's name."""
    found = {}
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda path: int(path.name)):
        text = (task / "stat").read_text()
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text.rpartition(")")[2].split()
        key = name if name not in found else f"{name}-{len(found)}"
        found[key] = (int(fields[11]) + int(fields[12])) / HZ
    return found


def peak_reset(pid):
    """VmHWM begins anew (proc(5), clear_refs)."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def libssl(program):
    """The file of libssl that a program uses."""
    out = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return os.path.realpath(re.search(r"libssl\S* => (\S+)", out)[1])


class Bench:
    """One sandbox with the load generator's server."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.program = drive.BUILD / "loadgen"
        self.server = sandbox.spawn(
            [self.program, "server", "--cert", sandbox.cert, "--key", sandbox.key, "--seconds", 3600],
            stdout=subprocess.PIPE,
        )
        assert self.server.stdout.readline() == b"ready\n"

    def load(self, row, host):
        """{us: wall-clock time of an exchange, target-us: CPU of client and server}"""
        command = [self.program, "client", "--host", host, "--truth", self.sandbox.path / "bench-truth"]
        command += ["--connections", row.connections, "--exchanges", row.exchanges]
        command += ["--request", row.request, "--response", row.response, "--seconds", 120]
        command += ["--chunks", row.chunks] if row.chunks else []
        before = cpu_seconds(self.server.pid)
        done = self.sandbox.run(command, timeout=150)
        server = cpu_seconds(self.server.pid) - before
        found = re.search(
            rb"exchanges (\d+) failed-connections 0 seconds ([0-9.]+) cpu-seconds ([0-9.]+)", done.stdout
        )
        assert done.returncode == 0 and found and int(found[1]) == row.total, done
        return {
            "us": float(found[2]) / row.total * 1e6,
            "target-us": (float(found[3]) + server) / row.total * 1e6,
        }

    def watched(self, row, agent, mode):
        """load() with what the agent used and lost."""
        pid = agent.process.pid
        stored = agent.status()["sinks"]["store"]["written"]
        peak_reset(pid)
        cpu, threads = cpu_seconds(pid), thread_seconds(pid)
        result = self.load(row, sandboxes.OPENAI if mode == "recorded" else sandboxes.BLOCKED)
        wanted = 2 * row.total if mode == "recorded" else 0
        deadline = time.monotonic() + 60
        # Few looks, since they are the agent's work as well.
        while (written := agent.status()["sinks"]["store"]["written"] - stored) < wanted:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        result["agent-us"] = (cpu_seconds(pid) - cpu) / row.total * 1e6
        result["threads-us"] = {
            name: (used - threads.get(name, 0)) / row.total * 1e6
            for name, used in thread_seconds(pid).items()
        }
        result["agent-peak-bytes"] = agent.memory("VmHWM")
        result["events-missing"] = wanted - written
        result["dropped"] = agents.dropped(agent.status())
        return result

    @contextlib.contextmanager
    def floor(self):
        """Empty programs on the libssl of the load generator."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", drive.BUILD / "bench" / "floor", libssl(self.program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            found = process.stdout.readline().split()
            assert found[:1] == [b"ready"], "the floor's programs could not be attached"
            yield int(found[1]), found[2].decode()
        finally:
            process.stdin.close()
            process.wait(30)
            process.stdout.close()


def one_round(bench, rows, turn, results):
    """Each mode once, all rows in each; the order of the modes changes from round to round."""
    attached = None
    ways = ["none", "floor", "oaitap"]
    for way in ways[turn % 3 :] + ways[: turn % 3]:
        if way == "none":
            for row in rows:
                results[row, "none"].append(bench.load(row, sandboxes.OPENAI))
        elif way == "floor":
            with bench.floor() as attached:
                for row in rows:
                    results[row, "floor"].append(bench.load(row, sandboxes.OPENAI))
        else:
            with agents.Agent(bench.sandbox.path / f"bench-agent-{turn}", output="none") as agent:
                for row in rows:
                    for mode in ("recorded", "not AI"):
                        results[row, mode].append(bench.watched(row, agent, mode))
    return attached


def median(results, key):
    values = [result[key] for result in results if key in result]
    return statistics.median(values) if values else None


def ratio(results, base):
    """Median of the rounds' ratios: neighbours in time see the same machine."""
    return statistics.median(a["us"] / b["us"] for a, b in zip(results, base))


def summary(row, mode, results):
    """What the table shows of one row and mode."""
    mine = results[row, mode]
    times = [result["us"] for result in mine]
    return {
        "row": row.name,
        "mode": mode,
        "us": statistics.median(times),
        "us-least": min(times),
        "us-most": max(times),
        "ratio-to-none": ratio(mine, results[row, "none"]),
        "ratio-to-floor": ratio(mine, results[row, "floor"]),
        "target-us": median(mine, "target-us"),
        "agent-us": median(mine, "agent-us"),
        "threads-us": {
            name: statistics.median(result["threads-us"].get(name, 0) for result in mine)
            for name in mine[-1].get("threads-us", {})
        },
        "agent-peak-bytes": max((r["agent-peak-bytes"] for r in mine if "agent-peak-bytes" in r), default=None),
        "events-missing": sum(result.get("events-missing", 0) for result in mine),
        "dropped": sum(sum(result.get("dropped", {}).values()) for result in mine),
    }


def cell(value, form):
    return format(value, form) if value is not None else "-"


def print_table(lines):
    print(
        f"{'exchange':<26}{'way':<10}{'us':>9}{'least':>9}{'most':>9}{'x none':>8}{'x floor':>8}"
        f"{'target us':>11}{'agent us':>10}{'peak MiB':>10}{'lost':>6}"
    )
    for line in lines:
        peak = line["agent-peak-bytes"]
        print(
            f"{line['row']:<26}{line['mode']:<10}{line['us']:>9.1f}{line['us-least']:>9.1f}"
            f"{line['us-most']:>9.1f}{line['ratio-to-none']:>8.2f}{line['ratio-to-floor']:>8.2f}"
            f"{line['target-us']:>11.1f}{cell(line['agent-us'], '.1f'):>10}"
            f"{cell(peak / 2**20 if peak else None, '.1f'):>10}{line['events-missing'] + line['dropped']:>6}"
        )
    print("\nagent CPU by thread, us an exchange")
    for line in lines:
        if line["mode"] == "recorded":
            parts = (f"{name} {used:.1f}" for name, used in line["threads-us"].items() if used >= 0.05)
            print(f"{line['row']:<26}{', '.join(parts)}")


def main():
    reason = sandboxes.why_not() or agents.why_not()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    rows = [row for row in ROWS if ONLY in row.name]
    results = {(row, mode): [] for row in rows for mode in MODES}
    attached = None
    for turn in range(ROUNDS):
        held = sandboxes.lock()
        with held, sandboxes.Sandbox() as sandbox:
            attached = one_round(Bench(sandbox), rows, turn, results)
        print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr, flush=True)
    lines = [summary(row, mode, results) for row in rows for mode in MODES]
    print(
        f"Linux {platform.release()}, {os.cpu_count()} CPUs, {ROUNDS} rounds; floor: {attached[0]} functions "
        f"by {attached[1]}; medians"
    )
    print_table(lines)
    document = {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "rounds": ROUNDS,
        "floor": {"functions": attached[0], "by": attached[1]},
        "rows": [dataclasses.asdict(row) for row in rows],
        "summary": lines,
        "measurements": [
            {"row": row.name, "mode": mode, "round": number, **result}
            for (row, mode), found in results.items()
            for number, result in enumerate(found)
        ],
    }
    (drive.BUILD / "bench.json").write_text(json.dumps(document, indent="\t") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
