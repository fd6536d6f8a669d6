# SPDX-License-Identifier: Apache-2.0
"""Runs the real curl: one process makes two exchanges, over one connection if it can."""

import base64
import json
import pathlib
import random
import shutil
import subprocess
import tempfile

import common


VERSIONS = {"1.1": ["--http1.1"], "2": ["--http2"], "default": []}
REPORT = "%{http_code} %{http_version} %{errormsg}\n"


def ask(job, asks, folder):
    """Plain requests, {"id", "method", "url", "data": base64, "form": [[name, value] | [name, file's name, size,
    type]]}, one after the other over one connection."""
    command = [shutil.which("curl")]
    for i, one in enumerate(asks):
        command += ["--next"] if i else []
        command += [*VERSIONS[job["http"]], "--silent", "--show-error", "--max-time", "60"]
        command += ["--request", one["method"], "--output", str(folder / f"answer{i}"), "--write-out", REPORT]
        command += ["--header", "X-Directive: " + json.dumps({"id": one["id"], **one.get("directive", {})})]
        command += ["--header", "Authorization: Bearer " + job["credential"]["value"]]
        if "data" in one:
            (folder / f"body{i}").write_bytes(base64.b64decode(one["data"]))
            command += ["--header", "Content-Type: application/json", "--data-binary", f"@{folder}/body{i}"]
        for name, value, *more in one.get("form", []):
            if more:
                path = folder / f"part{i}"
                path.write_bytes(random.Random(value).randbytes(more[0]))
                value = f'@{path};filename="{value}";type={more[1]}'
            command += ["--form", f"{name}={value}"]
        command.append(one["url"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = process.communicate()[0].splitlines()
    for i, one in enumerate(asks):
        status, version, message = (lines[i] + " ").split(" ", 2)
        path = folder / f"answer{i}"
        raw = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        common.say(
            {
                "id": one["id"],
                "pid": process.pid,
                "status": int(status),
                "http": version,
                "sha256": common.sha256(raw),
                "error": message.strip() or None,
            }
        )


def run(job, directives, folder):
    command = [shutil.which("curl")]
    sent = []
    for i, directive in enumerate(directives):
        data = json.dumps(common.body(job, directive), ensure_ascii=False).encode()
        sent.append(common.sha256(data))
        (folder / f"body{i}").write_bytes(data)
        command += ["--next"] if i else []
        command += [
            "--silent",
            "--show-error",
            "--no-buffer",
            "--max-time",
            "60",
            "--data-binary",
            f"@{folder}/body{i}",
            *VERSIONS[job.get("http", "1.1")],
            *(["--compressed"] if job.get("compressed") else []),
            *(["--tr-encoding"] if job.get("tr_encoding") else []),
            *(["--connect-to", f"::{job['address']}:443"] if job.get("address") else []),
        ]
        command += [
            "--output",
            str(folder / f"answer{i}"),
            "--write-out",
            REPORT,
        ]
        for name, value in common.headers(job).items():
            command += ["--header", f"{name}: {value}"]
        command.append(common.url(job))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = process.communicate()[0].splitlines()
    for i, directive in enumerate(directives):
        status, version, message = (lines[i] + " ").split(" ", 2)
        path = folder / f"answer{i}"
        raw = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        answer = common.Answer()
        answer.raw(raw, job["stream"])
        if message.strip():
            answer.out["error"] = message.strip()
        common.say(
            answer.result(
                directive,
                int(status),
                process.pid,
                body_sha256=common.sha256(raw),
                sent_sha256=sent[i],
                http=version,
            )
        )


with tempfile.TemporaryDirectory() as name:
    for job in common.jobs():
        todo = job["exchanges"]
        if job.get("asks"):
            ask(job, todo, pathlib.Path(name))
            common.say({"done": len(todo)})
            continue
        for start in range(0, len(todo), 2):
            run(job, todo[start : start + 2], pathlib.Path(name))
        common.say({"done": len(todo)})
