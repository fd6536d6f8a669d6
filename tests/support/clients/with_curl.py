# SPDX-License-Identifier: Apache-2.0
"""Runs the real curl: one process makes two exchanges, over one connection if it can."""

import json
import pathlib
import shutil
import subprocess
import tempfile

import common


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
            *{"1.1": ["--http1.1"], "2": ["--http2"], "default": []}[job.get("http", "1.1")],
            *(["--compressed"] if job.get("compressed") else []),
        ]
        command += [
            "--output",
            str(folder / f"answer{i}"),
            "--write-out",
            "%{http_code} %{http_version} %{errormsg}\n",
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
        for start in range(0, len(todo), 2):
            run(job, todo[start : start + 2], pathlib.Path(name))
        common.say({"done": len(todo)})
