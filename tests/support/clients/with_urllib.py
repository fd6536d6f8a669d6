# SPDX-License-Identifier: Apache-2.0
"""CPython's urllib."""

import json
import urllib.error
import urllib.request

import common


def exchange(job, directive):
    answer = common.Answer()
    data = json.dumps(common.body(job, directive)).encode()
    request = urllib.request.Request(common.url(job), data, common.headers(job), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            raw, status = response.read(), response.status
    except urllib.error.HTTPError as error:
        raw, status = error.read(), error.code
    answer.raw(raw, job["stream"])
    return answer.result(directive, status, body_sha256=common.sha256(raw), sent_sha256=common.sha256(data))


for job in common.jobs():
    for directive in job["exchanges"]:
        common.say(exchange(job, directive))
    common.say({"done": len(job["exchanges"])})
