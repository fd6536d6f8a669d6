# SPDX-License-Identifier: Apache-2.0
"""Any call of openai-python. A job's exchanges are calls: {"id", "call": "audio.transcriptions.create", "ids": what
stands in the path, "args": keywords, "directive", "stream"}; a value {"$file": {name, type, base64}} stands for a file,
in it or in a list. "http2": over HTTP/2. Results hold the value as JSON, or the hash of its bytes, or the number of
events of a stream."""

import base64
import hashlib
import json
import os

import openai

import common


def client_of(job):
    credential = job["credential"]
    more = {"timeout": 60, "max_retries": job.get("max_retries", 0)}
    if job.get("http2"):
        more["http_client"] = openai.DefaultHttpxClient(http2=True)
    if job["flavour"] == "azure":
        version = job.get("api_version", common.API_VERSION)
        return openai.AzureOpenAI(
            azure_endpoint=common.AZURE, api_version=version, api_key=credential["value"], **more
        )
    if job["flavour"] == "azure-v1":
        more["base_url"] = common.AZURE + "/openai/v1/"
    return openai.OpenAI(api_key=credential["value"], **more)


def made(value):
    """Files in place of their descriptions."""
    if isinstance(value, dict) and "$file" in value:
        file = value["$file"]
        return (file["name"], base64.b64decode(file["base64"]), file["type"])
    if isinstance(value, dict):
        return {key: made(one) for key, one in value.items()}
    if isinstance(value, list):
        return [made(one) for one in value]
    return value


def taken(got, directive):
    if directive.get("stream"):
        text, count = "", 0
        for event in got:
            count += 1
            if directive.get("stop_after") == count:
                got.close()
                break
            text += json.dumps(event.model_dump(mode="json", exclude_unset=True), sort_keys=True)
        return {"events": count, "events_sha256": common.sha256(text)}
    if isinstance(got, str):
        return {"sha256": common.sha256(got)}
    if hasattr(got, "read"):
        return {"sha256": hashlib.sha256(got.read()).hexdigest()}
    if got is None:
        return {}
    return {"value": got.model_dump(mode="json", exclude_unset=True, by_alias=True)}


def exchange(client, one):
    header = {"X-Directive": json.dumps({"id": one["id"], **one.get("directive", {})})}
    out = {"id": one["id"], "pid": os.getpid(), "status": 200, "error": None}
    try:
        call = client.with_options(default_headers=header)
        for name in one["call"].split("."):
            call = getattr(call, name)
        out.update(taken(call(*one.get("ids", []), **made(one.get("args", {}))), one))
    except openai.OpenAIError as error:
        out["status"] = getattr(error, "status_code", None) or (200 if one.get("stream") else None)
        out["error"] = f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 what the SDK raises of itself is a result too
        out["error"] = f"{type(error).__name__}: {error}"
    return out


def main():
    for job in common.jobs():
        with client_of(job) as client:
            for one in job["exchanges"]:
                common.say(exchange(client, one))
        common.say({"done": len(job["exchanges"])})


main()
