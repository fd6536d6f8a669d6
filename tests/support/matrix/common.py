# SPDX-License-Identifier: Apache-2.0
"""What the matrix's Python clients share; the protocol is in clients.py."""

import collections
import hashlib
import json
import os
import sys

Job = collections.namedtuple("Job", "id method host target framing path header")
PIECE = 10_000


class Request:
    def __init__(self, line):
        self.job = Job(*line.split("\t"))
        self.url = f"https://{self.job.host}{self.job.target}"
        self.body = b""
        if self.job.path:
            with open(self.job.path, "rb") as file:
                self.body = file.read()
        self.headers = {"Content-Type": "application/json", "Api-Key": "0123456789abcdef" * 2}
        if self.job.header:
            name, value = self.job.header.split(": ", 1)
            self.headers[name] = value
        self.chunked = self.job.framing == "chunked"

    def pieces(self):
        return (self.body[at : at + PIECE] for at in range(0, len(self.body), PIECE))

    def done(self, status, body, pid=None):
        result = {
            "id": self.job.id,
            "pid": pid or os.getpid(),
            "status": status,
            "sent_sha256": hashlib.sha256(self.body).hexdigest(),
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        print(json.dumps(result), flush=True)


def batches():
    """Lists of requests; each is answered with a count when the next one is asked for."""
    batch = []
    for line in sys.stdin:
        if line.strip():
            batch.append(Request(line.rstrip("\n")))
            continue
        yield batch
        print(json.dumps({"done": len(batch)}), flush=True)
        batch = []
