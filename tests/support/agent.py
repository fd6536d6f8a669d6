# SPDX-License-Identifier: Apache-2.0
"""The agent under test: starts it on this host, reads its events as they come, validates each against the
schema."""

import fcntl
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

import jsonschema_rs

from drive import BUILD
from sandbox import end

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("OAITAP", BUILD / "oaitap")).resolve()
WAIT = float(os.environ.get("OAITAP_WAIT", "30"))  # seconds, for events that must come
PIPE_SIZE = 1 << 20
SCHEMA = ROOT / "docs" / "event.schema.json"


def why_not():
    """Why the agent cannot be run here, or None."""
    if not BINARY.exists():
        return f"{BINARY} is not built"
    return None


def load_event(line):
    """One line of output; a key that stands twice, NaN and trailing bytes are errors."""

    def members(pairs):
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("a key stands twice")
        return value

    def constant(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(line.decode("utf-8"), object_pairs_hook=members, parse_constant=constant)


def flat(value, name=""):
    """All numbers of nested objects, by dotted names."""
    if isinstance(value, dict):
        return {key: number for part in value for key, number in flat(value[part], f"{name}.{part}").items()}
    return {name.lstrip("."): value} if isinstance(value, (int, float)) else {}


def dropped(status):
    """What was dropped, by reason; empty if nothing was."""
    assert "ring-full" in status["dropped"], status
    return {name: number for name, number in flat(status["dropped"]).items() if number}


def load_lines(text):
    """Events of a command's output. Not splitlines(): that splits at characters that may stand in JSON, too."""
    return [load_event(line.encode()) for line in text.removesuffix("\n").split("\n") if line]


class Agent:
    """`folder` holds its configuration, store, key, socket and log. keep_raw keeps the output as it was
    written."""

    def __init__(
        self,
        folder,
        output="json",
        store=None,
        capture=None,
        wrapper=(),
        flags=(),
        keep_raw=False,
        wait=True,
        identity=None,
    ):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.store = pathlib.Path(store or self.folder / "oaitap.db")
        self.socket = self.folder / "status.sock"
        self.key = self.folder / "host.key"
        self.config = self.folder / "oaitap.yaml"
        self.log_path = self.folder / "agent.log"
        self.output_path = self.folder / "agent.out"
        capture = {"max_body": "4MiB", "max_call": "16MiB", "ring_size": "16MiB", **(capture or {})}
        lines = ['hosts: ["*.openai.azure.com", "api.openai.com"]', "capture:"]
        lines += [f"  {name}: {value}" for name, value in capture.items()]
        lines += ["store:", f"  path: {self.store}", "identity:", f"  key_path: {self.key}"]
        lines += [f"  {name}: {value}" for name, value in (identity or {}).items()]
        lines += ["status:", f"  socket: {self.socket}"]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
        self.output = output
        self.keep_raw = keep_raw
        self.raw = bytearray()
        self.events = []
        self.problems = []
        self.total = 0
        self.changed = threading.Condition()
        self.log = self.log_path.open("w+b")
        command = [
            *wrapper,
            str(BINARY),
            "run",
            "-c",
            str(self.config),
            "--output",
            output,
            "--store",
            str(self.store),
            *flags,
            *os.environ.get("OAITAP_FLAGS", "").split(),
        ]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            stderr=self.log,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"},
        )
        fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.lines = queue.SimpleQueue()
        self.parsing = (
            threading.Event()
        )  # cleared: output is taken but not looked at, so it costs next to nothing
        self.parsing.set()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._parse)]
        for thread in self.threads:
            thread.start()
        if wait:
            self.wait_ready()

    def _read(self):
        """Takes the output as fast as it comes: the agent must not be held up by what we do with it."""
        rest = b""
        while data := os.read(self.process.stdout.fileno(), PIPE_SIZE):
            now = time.time()
            *lines, rest = (rest + data).split(b"\n")
            self.lines.put((now, lines))
        self.lines.put((time.time(), [rest] if rest else []))
        self.lines.put(None)

    def _parse(self):
        while item := self.lines.get():
            self.parsing.wait()
            for line in item[1]:
                self._take_line(item[0], line)

    def _take_line(self, now, line):
        if self.output != "json":
            self.raw += line + b"\n"
            return
        problem, event = None, None
        try:
            event = load_event(line)
            errors = [
                f"{list(e.instance_path)}: {e.message[:300]}" for e in self.validator.iter_errors(event)
            ]
            problem = "; ".join(errors[:3]) or None
        except (ValueError, RecursionError) as error:
            problem = f"not an event: {error}: {line[:200]!r}"
        with self.changed:
            if self.keep_raw:
                self.raw += line + b"\n"
            if problem:
                self.problems.append(problem)
            if event is not None:
                self.total += 1
                self.events.append((now, event))
            self.changed.notify_all()

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout
        while "ready" not in self.messages().splitlines():
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"the agent ended with {self.process.returncode}: {self.messages()[-3000:]}"
                )
            if time.monotonic() > deadline:
                self.process.kill()
                raise TimeoutError(f"the agent was not ready within {timeout} s: {self.messages()[-3000:]}")
            time.sleep(0.02)

    def messages(self):
        """What it has written to standard error."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait(self, count, timeout=WAIT):
        """Waits until `count` events are there; True if they are."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.events) < count:
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.threads[1].is_alive()):
                    return False
                self.changed.wait(min(left, 0.5))
        return True

    def take(self, count, timeout=WAIT, settle=0.15):
        """Exactly `count` events, all valid: waits for them, and a little more for any that should not be."""
        enough = self.wait(count, timeout)
        time.sleep(settle)
        with self.changed:
            events = [event for _, event in self.events]
            self.arrivals = [arrival for arrival, _ in self.events]
            self.events = []
            problems, self.problems = self.problems, []
        assert not problems, f"{len(problems)} invalid events, first: {problems[0]}"
        assert self.process.poll() is None, (
            f"the agent ended with {self.process.returncode}: {self.messages()[-2000:]}"
        )
        kinds = sorted((event["message-id"], event["event-type"]) for event in events)
        assert enough and len(events) == count, f"{len(events)} events instead of {count}: {kinds[:20]}"
        return events

    def drain(self, settle=0.5):
        """All events that are there after a pause, valid or not counted."""
        time.sleep(settle)
        with self.changed:
            events = [event for _, event in self.events]
            self.events = []
            problems, self.problems = self.problems, []
        assert not problems, f"{len(problems)} invalid events, first: {problems[0]}"
        return events

    def command(self, *args, timeout=30, **options):
        """Runs another command of the program on the same configuration."""
        return subprocess.run(
            [str(BINARY), *map(str, args)], capture_output=True, timeout=timeout, text=True, **options
        )

    def status(self):
        done = self.command("status", "--json", "--socket", self.socket)
        assert done.returncode == 0, f"status: {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def memory(self, what="VmRSS"):
        """Resident memory in bytes; VmHWM: its highest value so far."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {what}: the agent is gone")

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._finish()

    def stop(self, timeout=20):
        """SIGTERM; its exit code."""
        code = end(self.process, timeout)
        self._finish()
        return code

    def _finish(self):
        for thread in self.threads:
            thread.join(60)
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.alive():
            self.stop()
