# SPDX-License-Identifier: Apache-2.0
"""The realtime client of openai-python, asynchronous: the synchronous one reads and writes one TLS connection in two
threads, which CPython before 3.13 does not lock, and then its handshake is lost now and then. Each exchange of a job is a session: {"id", "steps"}; "deflate" in the job offers
permessage-deflate. Steps: {"send": event}, {"audio": bytes, "times": how often}, {"silence": true}, {"wait": type of the
server's event, "times"}, {"leave": true} ends the session without a word."""

import asyncio
import base64
import json
import os

import openai

import common


def client_of(job):
    key = job["credential"]["value"]
    if job["flavour"] == "azure":
        return openai.AsyncAzureOpenAI(
            azure_endpoint=common.AZURE, api_version="2025-04-01-preview", api_key=key
        )
    if job["flavour"] == "azure-v1":
        return openai.AsyncOpenAI(api_key=key, base_url=common.AZURE + "/openai/v1/")
    return openai.AsyncOpenAI(api_key=key)


def sound(size, turn):
    return bytes((i * 31 + turn) % 251 + 1 for i in range(size))


async def wait(connection, kinds, times, out):
    while times:
        event = json.loads(await connection.recv_bytes())
        out["events"] += 1
        if event["type"].endswith(".delta"):
            out["deltas"] += 1
        if event["type"] in kinds:
            times -= 1


async def session(client, job, one):
    out = {"id": one["id"], "pid": os.getpid(), "events": 0, "deltas": 0, "error": None}
    options = {"max_size": 1 << 24, "compression": "deflate" if job.get("deflate") else None}
    try:
        async with client.realtime.connect(
            model=job["model"],
            extra_headers={"X-Directive": json.dumps({"id": one["id"]})},
            websocket_connection_options=options,
        ) as connection:
            for step in one["steps"]:
                if "send" in step:
                    await connection.send(step["send"])
                elif "audio" in step:
                    for turn in range(step.get("times", 1)):
                        data = base64.b64encode(sound(step["audio"], turn)).decode()
                        await connection.send({"type": "input_audio_buffer.append", "audio": data})
                elif "silence" in step:
                    data = base64.b64encode(bytes(480)).decode()
                    await connection.send({"type": "input_audio_buffer.append", "audio": data})
                elif "wait" in step:
                    kinds = step["wait"] if isinstance(step["wait"], list) else [step["wait"]]
                    await wait(connection, kinds, step.get("times", 1), out)
                elif "leave" in step:
                    connection._connection.transport.abort()
    except Exception as error:  # noqa: BLE001 whatever the SDK or its websockets package raises is the result
        out["error"] = f"{type(error).__name__}: {error}"
    return out


async def main():
    for job in common.jobs():
        async with client_of(job) as client:
            for one in job["exchanges"]:
                common.say(await session(client, job, one))
        common.say({"done": len(job["exchanges"])})


asyncio.run(main())
