# SPDX-License-Identifier: Apache-2.0
"""Runs curl: one process a batch, over one connection to each host."""

import pathlib
import shutil
import subprocess
import tempfile

import common


def arguments(request, answer):
    out = ["--silent", "--show-error", "--max-time", "60", "--request", request.job.method]
    out += ["--data-binary", f"@{request.job.path}" if request.job.path else "", "--header", "Expect:"]
    out += ["--output", str(answer), "--write-out", "%{http_code}\n", request.url]
    chunked = {"Transfer-Encoding": "chunked"} if request.chunked else {}
    for name, value in {**request.headers, **chunked}.items():
        out += ["--header", f"{name}: {value}"]
    return out


with tempfile.TemporaryDirectory() as name:
    for batch in common.batches():
        command = [shutil.which("curl")]
        answers = [pathlib.Path(name) / str(i) for i in range(len(batch))]
        for request, answer in zip(batch, answers):
            answer.write_bytes(b"")
            command += (["--next"] if answer != answers[0] else []) + arguments(request, answer)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            codes = process.communicate()[0].split()
        for request, answer, code in zip(batch, answers, codes):
            request.done(int(code), answer.read_bytes(), process.pid)
