# SPDX-License-Identifier: Apache-2.0
"""CPython's asyncio by way of httpx: TLS over memory BIOs; three exchanges at once."""

import asyncio
import contextlib

import httpx

import common


async def pieces(request):
    for piece in request.pieces():
        yield piece


async def exchange(client, few, request):
    body = pieces(request) if request.chunked else request.body
    async with few:
        sending = client.stream(request.job.method, request.url, content=body, headers=request.headers)
        async with sending as answer:
            data = b"".join([piece async for piece in answer.aiter_raw()])
    request.done(answer.status_code, data)


async def run():
    few = asyncio.Semaphore(3)
    for batch in common.batches():
        async with httpx.AsyncClient(timeout=60) as client:
            await asyncio.gather(*(exchange(client, few, request) for request in batch))


with contextlib.suppress(BrokenPipeError):
    asyncio.run(run())
