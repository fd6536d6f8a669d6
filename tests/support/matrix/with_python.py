# SPDX-License-Identifier: Apache-2.0
"""CPython's http.client."""

import http.client

import common

for batch in common.batches():
    connections = {}
    for request in batch:
        host = request.job.host
        if host not in connections:
            connections[host] = http.client.HTTPSConnection(host, timeout=60)
        body = request.pieces() if request.chunked else request.body
        headers = {**request.headers, **({"Transfer-Encoding": "chunked"} if request.chunked else {})}
        connections[host].request(
            request.job.method, request.job.target, body, headers, encode_chunked=request.chunked
        )
        answer = connections[host].getresponse()
        request.done(answer.status, answer.read())
    for connection in connections.values():
        connection.close()
