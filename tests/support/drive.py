# SPDX-License-Identifier: Apache-2.0
"""Runs the clients of clients/ in a sandbox: one process takes any number of jobs."""

import base64
import itertools
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading

import answers
import credentials

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE / "clients"
BUILD = pathlib.Path(os.environ.get("OAITAP_BUILD", HERE.parents[1] / "build")).resolve()
NODE_FOLDER = pathlib.Path(os.environ.get("OAITAP_NODE", BUILD / "node")).resolve()

PYTHON = [sys.executable, "-B"]
COMMANDS = {
    "curl": [*PYTHON, CLIENTS / "with_curl.py"],
    "urllib": [*PYTHON, CLIENTS / "with_urllib.py"],
    "httpx": [*PYTHON, CLIENTS / "with_httpx.py"],
    "openai-python": [*PYTHON, CLIENTS / "with_openai.py"],
    "openai-python-async": [*PYTHON, CLIENTS / "with_openai.py", "--async"],
    "sdk-python": [*PYTHON, CLIENTS / "with_sdk.py"],
    "sdk-node": [shutil.which("node") or "node", CLIENTS / "with_sdk.mjs"],
    "realtime-python": [*PYTHON, CLIENTS / "with_realtime.py"],
    "realtime-node": [shutil.which("node") or "node", CLIENTS / "with_realtime.mjs"],
    "http2-node": [shutil.which("node") or "node", CLIENTS / "with_http2.mjs"],
    "fetch": [shutil.which("node") or "node", CLIENTS / "with_fetch.mjs"],
    "openai-node": [shutil.which("node") or "node", CLIENTS / "with_openai.mjs"],
}
# Which process the events should name.
COMM = {
    "curl": "curl",
    **dict.fromkeys(("fetch", "openai-node", "sdk-node", "http2-node", "realtime-node"), "node"),
}
# Those that ask chats; the others take calls, or speak one protocol only.
CHATS = ("curl", "urllib", "httpx", "openai-python", "openai-python-async", "fetch", "openai-node")

# An SDK takes two minutes to be imported on an emulated machine.
PATIENCE = int(os.environ.get("OAITAP_PATIENCE", "120"))

_numbers = itertools.count(1)
_run = os.urandom(4).hex()


def new_id():
    """Names one exchange, in the request, in the answer and in the record."""
    return f"x-{_run}-{next(_numbers)}"


class Texts:
    """Message texts of given sizes, as files that a client reads."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.made = {}

    def file(self, size):
        if size not in self.made:
            path = self.folder / f"text-{size}"
            path.write_text(answers.text("request", size), encoding="utf-8", newline="")
            self.made[size] = path
        return str(self.made[size])


def credential(flavour):
    if flavour == "openai":
        return {"kind": "bearer", "value": credentials.openai_key()}
    return {"kind": "api-key", "value": credentials.azure_key()}


class Client:
    """One client process. submit() and read() may interleave; run() is both."""

    def __init__(self, sandbox, name, env=None):
        self.sandbox = sandbox
        self.name = name
        self.log = (sandbox.path / f"client-{name}-{next(_numbers)}.log").open("w+b")
        self.process = sandbox.spawn(
            COMMANDS[name],
            {"OAITAP_NODE": str(NODE_FOLDER), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(b"")

    def submit(self, texts, flavour="azure", stream=False, size=1000, exchanges=({},), **more):
        """Starts a job. exchanges: directives, given ids if they have none. The directives."""
        exchanges = [{"id": new_id(), **one} for one in exchanges]
        job = {
            "flavour": flavour,
            "stream": stream,
            "text_file": texts.file(size),
            "model": "gpt-4o-mini",
            "credential": credential(flavour),
            "exchanges": exchanges,
            **more,
        }
        return self.give(job)

    def submit_calls(self, calls, flavour="openai", **more):
        """The same for with_sdk.*: each exchange is a call."""
        calls = [{"id": new_id(), **one} for one in calls]
        return self.give({"flavour": flavour, "credential": credential(flavour), "exchanges": calls, **more})

    def give(self, job):
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        return job["exchanges"]

    def read(self, timeout=PATIENCE):
        """The results of one job, in order of arrival."""
        results = []
        while True:
            try:
                line = self.lines.get(timeout=timeout)
            except queue.Empty:
                raise TimeoutError(f"{self.name}: no result within {timeout} s; {self.errors()}") from None
            if not line:
                raise RuntimeError(f"{self.name}: ended with {self.process.wait()}; {self.errors()}")
            result = json.loads(line)
            if "done" in result:
                return results
            results.append(result)

    def run(self, texts, timeout=PATIENCE, **job):
        self.submit(texts, **job)
        return self.read(timeout)

    def run_calls(self, calls, timeout=PATIENCE, **job):
        self.submit_calls(calls, **job)
        return self.read(timeout)

    def errors(self):
        self.log.seek(0)
        return "its messages: " + self.log.read()[-2000:].decode(errors="replace")

    def close(self):
        """Ends the process by closing its input; its exit code."""
        self.process.stdin.close()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def message(method, target, host, headers=None, body=b""):
    """The bytes of a request, with a length if it has a body."""
    fields = {"Host": host, **(headers or {})}
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name in fields):
        fields["Content-Length"] = str(len(body))
    head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def chat_body(directive=None, **members):
    """A chat completion's request body; the directive has an id."""
    directive = {"id": new_id(), **(directive or {})}
    text = answers.directive(directive) + "Grüße 😀"
    return json.dumps(
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **members}
    ).encode()


def send(data):
    return {"send": base64.b64encode(data).decode()}


def raw(sandbox, host, steps, timeout=PATIENCE, **job):
    """Runs clients/raw.py once; its result."""
    job = {"host": host, "steps": steps, **job}
    done = sandbox.run([*PYTHON, CLIENTS / "raw.py"], timeout, input=json.dumps(job).encode())
    if done.returncode != 0:
        raise RuntimeError(f"raw client: {done.stderr.decode()}")
    return json.loads(done.stdout)
