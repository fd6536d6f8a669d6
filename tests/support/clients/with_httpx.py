# SPDX-License-Identifier: Apache-2.0
"""httpx, synchronous, one client (so connections are kept) for the life of the process; with "http2" in the job another
one. Answers are taken as httpx decodes them. A directive's `cancel_after` leaves an answer after that many bytes;
"compress" in the job sends requests gzipped."""

import gzip
import json

import httpx

import common


def exchange(client, job, directive):
    answer = common.Answer()
    data = json.dumps(common.body(job, directive)).encode()
    headers = common.headers(job)
    if job.get("compress"):
        headers["Content-Encoding"] = "gzip"
    sent = gzip.compress(data) if job.get("compress") else data
    raw, status, more = b"", None, {}
    stop = directive.get("cancel_after")
    try:
        with client.stream("POST", common.url(job), content=sent, headers=headers) as response:
            status, more["http"] = response.status_code, response.http_version
            for piece in response.iter_bytes():
                raw += piece
                if stop is not None and len(raw) >= stop:
                    break
    except httpx.HTTPError as error:
        answer.out["error"] = f"{type(error).__name__}: {error}"
    if stop is None and "error" not in answer.out:
        try:
            answer.raw(raw, job["stream"])
        except ValueError as error:
            answer.out["error"] = f"not what was asked for: {error}"
    return answer.result(
        directive,
        status,
        body_sha256=common.sha256(raw),
        sent_sha256=common.sha256(data),
        read=len(raw),
        **more,
    )


with httpx.Client(timeout=60) as one, httpx.Client(timeout=60, http2=True) as two:
    for job in common.jobs():
        for directive in job["exchanges"]:
            common.say(exchange(two if job.get("http2") else one, job, directive))
        common.say({"done": len(job["exchanges"])})
