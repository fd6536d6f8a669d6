# SPDX-License-Identifier: Apache-2.0
"""openai-python as its users write it: OpenAI and AzureOpenAI, synchronous, or asynchronous with --async."""

import asyncio
import sys

import openai

import common


def client_of(job, asynchronous):
    credential = job["credential"]
    more = {"timeout": 60, "max_retries": job.get("max_retries", 0)}
    if job.get("http2"):
        own = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
        more["http_client"] = own(http2=True)
    if job["flavour"] == "azure":
        kind = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
        key = "azure_ad_token" if credential["kind"] == "bearer" else "api_key"
        return kind(
            azure_endpoint=common.AZURE, api_version=common.API_VERSION, **{key: credential["value"]}, **more
        )
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    if job["flavour"] == "azure-v1":
        more["base_url"] = common.AZURE + "/openai/v1/"
    return kind(api_key=credential["value"], **more)


def arguments(job, directive):
    out = common.arguments(job, directive)
    if job["flavour"] == "azure":
        out["model"] = common.DEPLOYMENT
    return out


def failed(answer, error):
    answer.out["error"] = f"{type(error).__name__}: {error}"
    return getattr(error, "status_code", None)


def exchange(client, job, directive):
    answer, status = common.Answer(), 200
    try:
        got = client.chat.completions.create(**arguments(job, directive))
        if job["stream"]:
            for chunk in got:
                answer.chunk(chunk.model_dump())
        else:
            answer.plain(got.model_dump())
    except openai.OpenAIError as error:
        status = failed(answer, error)
    return answer.result(directive, status)


async def exchange_async(client, job, directive):
    answer, status = common.Answer(), 200
    try:
        got = await client.chat.completions.create(**arguments(job, directive))
        if job["stream"]:
            async for chunk in got:
                answer.chunk(chunk.model_dump())
        else:
            answer.plain(got.model_dump())
    except openai.OpenAIError as error:
        status = failed(answer, error)
    return answer.result(directive, status)


def run():
    for job in common.jobs():
        with client_of(job, False) as client:
            for directive in job["exchanges"]:
                common.say(exchange(client, job, directive))
        common.say({"done": len(job["exchanges"])})


async def run_async():
    for job in common.jobs():
        async with client_of(job, True) as client:
            todo = list(job["exchanges"])
            together = job.get("together", 1)
            while todo:
                batch, todo = todo[:together], todo[together:]
                for result in await asyncio.gather(*(exchange_async(client, job, one) for one in batch)):
                    common.say(result)
        common.say({"done": len(job["exchanges"])})


if "--async" in sys.argv:
    asyncio.run(run_async())
else:
    run()
