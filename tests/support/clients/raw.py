# SPDX-License-Identifier: Apache-2.0
"""A TLS client that sends what it is told, byte for byte. Reads one job from standard input: {"host",
"steps": [{"send": base64} | {"send_file": path} | {"pause": seconds} | {"gate": path} | {"answers": N} |
{"until": text} | {"end": true}]}. `gate` waits for a file. `answers` reads until N whole HTTP/1.1 answers have come
(`head`: to HEAD), `until` until the text has come, `end` until the server ends.
"server_name": false leaves the server name out of the handshake; "alpn": [name] offers protocols. Prints {"pid", "read_sha256", "read_bytes",
"answers"}."""

import base64
import hashlib
import json
import os
import socket
import ssl
import sys
import time


def answer_length(data, heads):
    """Length of the first whole answer in data, or None. heads: the request's method was HEAD."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = data[:end].decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    at = end + 4
    if status == 100:
        rest = answer_length(data[at:], heads)
        return None if rest is None else at + rest
    if heads or status in (204, 304):
        return at
    if fields.get("transfer-encoding") == "chunked":
        while True:
            line = data.find(b"\r\n", at)
            if line < 0:
                return None
            size = int(data[at:line], 16)
            at = line + 2 + size + 2
            if len(data) < at:
                return None
            if size == 0:
                return at
    at += int(fields.get("content-length", 0))
    return at if len(data) >= at else None


def main():
    job = json.load(sys.stdin)
    context = ssl.create_default_context()
    context.check_hostname = job.get("server_name", True)
    if "alpn" in job:
        context.set_alpn_protocols(job["alpn"])
    raw = socket.create_connection((job.get("address", job["host"]), 443), timeout=30)
    stream = context.wrap_socket(raw, server_hostname=job["host"] if context.check_hostname else None)
    everything, rest, answers = bytearray(), bytearray(), 0
    error = None
    try:
        for step in job["steps"]:
            if "send" in step:
                stream.sendall(base64.b64decode(step["send"]))
            elif "send_file" in step:
                with open(step["send_file"], "rb") as file:
                    stream.sendall(file.read())
            elif "pause" in step:
                time.sleep(step["pause"])
            elif "gate" in step:
                while not os.path.exists(step["gate"]):
                    time.sleep(0.01)
            elif "until" in step:
                while step["until"].encode() not in rest:
                    data = stream.recv(65536)
                    if not data:
                        raise ValueError(f"the server ended before {step['until']!r}")
                    rest += data
                    everything += data
                rest.clear()
            goal = answers + step.get("answers", 0)
            while answers < goal or "end" in step:
                size = None if "end" in step else answer_length(bytes(rest), step.get("head"))
                if size is not None:
                    del rest[:size]
                    answers += 1
                    continue
                data = stream.recv(65536)
                if not data:
                    break
                rest += data
                everything += data
    except (OSError, ValueError) as problem:
        error = str(problem)
    stream.close()
    print(
        json.dumps(
            {
                "pid": os.getpid(),
                "read_sha256": hashlib.sha256(everything).hexdigest(),
                "read_bytes": len(everything),
                "read_head": base64.b64encode(bytes(everything[:2000])).decode(),
                "answers": answers,
                "error": error,
            }
        )
    )


main()
