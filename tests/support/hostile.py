# SPDX-License-Identifier: Apache-2.0
"""Answers of a server that means harm: no HTTP/1.1, or no JSON, or too much of either."""

import random


async def hostile_raw(exchange, raw, keep=False):
    """Bytes as they are, then the end of the connection."""
    exchange.record["raw_answer_bytes"] = len(raw)
    for start in range(0, len(raw), 65536):
        await exchange.wire.write(raw[start : start + 65536])
    if not keep:
        exchange.wire.keep = False


STATUS_LINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def hostile_header(exchange, headers):
    raw = STATUS_LINE + b"x-long: " + b"A" * (1 << 20) + b"\r\nContent-Length: 2\r\n\r\n{}"
    await hostile_raw(exchange, raw)


async def hostile_many_headers(exchange, headers):
    raw = (
        STATUS_LINE
        + b"".join(b"x-%d: %d\r\n" % (i, i) for i in range(20000))
        + b"Content-Length: 2\r\n\r\n{}"
    )
    await hostile_raw(exchange, raw)


async def hostile_chunk_size(exchange, headers):
    raw = STATUS_LINE + b"Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n" + b"x" * 5000
    await hostile_raw(exchange, raw)


async def hostile_content_length(exchange, headers):
    raw = STATUS_LINE + b'Content-Length: 18446744073709551617\r\n\r\n{"a":1}'
    await hostile_raw(exchange, raw)


async def hostile_sse_line(exchange, headers):
    """One line of a stream of 100 MB."""
    await exchange.head(200, headers, "chunked", content_type="text/event-stream")
    await exchange.body(b'data: {"choices":[{"index":0,"delta":{"content":"')
    block = b"x" * 65536
    for _ in range(100 * (1 << 20) // len(block)):
        await exchange.body(block)
    await exchange.body(b'"}}]}\n\ndata: [DONE]\n\n')
    await exchange.end()


async def hostile_truncated_json(exchange, headers):
    raw = b'{"id":"chatcmpl-x","choices":[{"index":0,"message":{"role":"assist'
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_invalid_utf8(exchange, headers):
    raw = b'{"id":"chatcmpl-\xff\xfe","model":"\xc0\xaf\xed\xa0\x80","choices":[]}'
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_nul(exchange, headers):
    choices = b'[{"index":0,"message":{"content":"x\\u0000y"}}]'
    raw = b'{"id":"a\\u0000b","model":"m\x00","choices":' + choices + b"}\x00\x00"
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_deep(exchange, headers):
    raw = b'{"choices":' + b"[" * 200_000
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_random(exchange, headers):
    await hostile_raw(exchange, random.Random("random").randbytes(200_000))


HOSTILE = {
    "hostile-header": hostile_header,
    "hostile-many-headers": hostile_many_headers,
    "hostile-chunk-size": hostile_chunk_size,
    "hostile-content-length": hostile_content_length,
    "hostile-sse-line": hostile_sse_line,
    "hostile-truncated-json": hostile_truncated_json,
    "hostile-invalid-utf8": hostile_invalid_utf8,
    "hostile-nul": hostile_nul,
    "hostile-deep": hostile_deep,
    "hostile-random": hostile_random,
}
