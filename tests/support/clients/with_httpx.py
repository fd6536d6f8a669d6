# SPDX-License-Identifier: Apache-2.0
"""httpx, synchronous, one client (so connections are kept) for the life of the process."""

import httpx

import common


def exchange(client, job, directive):
    answer = common.Answer()
    body = common.body(job, directive)
    raw = b""
    with client.stream("POST", common.url(job), json=body, headers=common.headers(job)) as response:
        sent = response.request.content
        for piece in response.iter_raw():
            raw += piece
        status = response.status_code
    answer.raw(raw, job["stream"])
    return answer.result(directive, status, body_sha256=common.sha256(raw), sent_sha256=common.sha256(sent))


with httpx.Client(timeout=60) as client:
    for job in common.jobs():
        for directive in job["exchanges"]:
            common.say(exchange(client, job, directive))
        common.say({"done": len(job["exchanges"])})
