# SPDX-License-Identifier: Apache-2.0
"""What the Python clients share. A client reads jobs, one JSON object a line, from standard input until it
closes. For each exchange of a job it prints one result line, and then {"done": N}.

A job: flavour ("azure", "azure-v1", "openai"), stream, credential {kind, value}, text_file, model, extra
(members of the body), exchanges: a list of directives for the endpoint (see ../endpoint.py). With "question"
the text is sent as it is, without the directive."""

import hashlib
import json
import os
import sys
import time

AZURE = "https://contoso.openai.azure.com"
OPENAI = "https://api.openai.com"
API_VERSION = "2024-10-21"
DEPLOYMENT = "chat-prod"


def jobs():
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)


def say(value):
    print(json.dumps(value), flush=True)


def url(job):
    if job["flavour"] == "azure":
        return f"{AZURE}/openai/deployments/{DEPLOYMENT}/chat/completions?api-version={API_VERSION}"
    if job["flavour"] == "azure-v1":
        return f"{AZURE}/openai/v1/chat/completions"
    return f"{OPENAI}/v1/chat/completions"


def headers(job):
    credential = job["credential"]
    if credential["kind"] == "bearer":
        return {"Content-Type": "application/json", "Authorization": "Bearer " + credential["value"]}
    return {"Content-Type": "application/json", credential["kind"]: credential["value"]}


def messages(job, directive):
    with open(job["text_file"], encoding="utf-8", newline="") as file:
        text = file.read()
    if job.get("question"):
        return [{"role": "user", "content": text}]
    return [
        {"role": "system", "content": "Answer briefly. Antworte kurz. 短く答えてください。 🙂"},
        {"role": "user", "content": "[[" + json.dumps(directive) + "]] " + text},
    ]


def arguments(job, directive):
    """The members of the request body, as an SDK takes them too."""
    out = {"model": job["model"], "messages": messages(job, directive), **job.get("extra", {})}
    if job["stream"]:
        out["stream"] = True
    return out


def body(job, directive):
    out = arguments(job, directive)
    if job["flavour"] == "azure":
        del out["model"]
    return out


def sha256(data):
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class Answer:
    """Adds up an answer from plain JSON or from stream chunks."""

    def __init__(self):
        self.texts = {}
        self.tools = {}
        self.finish = {}
        self.out = {}

    def plain(self, value):
        for choice in value.get("choices") or []:
            index, message = choice["index"], choice["message"]
            self.texts[index] = message.get("content") or ""
            for i, call in enumerate(message.get("tool_calls") or []):
                self.tools[index, i] = [call["id"], call["function"]["name"], call["function"]["arguments"]]
            self.finish[index] = choice["finish_reason"]
        self.general(value)

    def general(self, value):
        for key in ("id", "model", "usage", "error"):
            if value.get(key):
                self.out[key] = value[key]

    def chunk(self, value):
        for choice in value.get("choices") or []:
            index, delta = choice["index"], choice.get("delta") or {}
            self.texts[index] = self.texts.get(index, "") + (delta.get("content") or "")
            for call in delta.get("tool_calls") or []:
                have = self.tools.setdefault((index, call["index"]), ["", "", ""])
                have[0] += call.get("id") or ""
                have[1] += call["function"].get("name") or ""
                have[2] += call["function"].get("arguments") or ""
            if choice.get("finish_reason"):
                self.finish[index] = choice["finish_reason"]
        self.general(value)

    def raw(self, data, stream):
        """The bytes of a whole answer."""
        if not stream or not data.startswith((b"data:", b":")):
            try:
                self.plain(json.loads(data))
            except (ValueError, KeyError, TypeError):
                self.out["error"] = "not JSON"
            return
        for event in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
            for line in event.split(b"\n"):
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    self.chunk(json.loads(line[6:]))

    def result(self, directive, status, pid=None, **more):
        return {
            "id": directive["id"],
            "pid": pid or os.getpid(),
            "status": status,
            "texts": [sha256(self.texts[i]) for i in sorted(self.texts)],
            "tools": [self.tools[key] for key in sorted(self.tools)],
            "finish": [self.finish.get(i) for i in sorted(self.texts)],
            "response_id": self.out.get("id"),
            "model": self.out.get("model"),
            "usage": self.out.get("usage"),
            "error": self.out.get("error"),
            "end": time.time(),
            **more,
        }
