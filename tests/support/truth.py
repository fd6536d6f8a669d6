# SPDX-License-Identifier: Apache-2.0
"""The endpoint's process and its record; and what two events must say, given the record of their exchange."""

import json
import os
import re
import subprocess
import sys
import time

import answers
import truth_parts
from sandbox import end

DEPLOYMENT = "chat-prod"


class Endpoint:
    """The stand-in, running in a sandbox. records() gives what it has written, by the directives' ids."""

    def __init__(self, sandbox, address="127.0.0.1", more=()):
        self.path = sandbox.path / f"truth-{address}.jsonl"
        self.path.touch()
        self.log = (sandbox.path / f"endpoint-{address}.log").open("w+b")
        self.position = 0
        self.process = sandbox.spawn(
            [
                sys.executable,
                "-B",
                os.path.join(os.path.dirname(__file__), "endpoint.py"),
                "--address",
                address,
                "--cert",
                sandbox.cert,
                "--key",
                sandbox.key,
                "--truth",
                self.path,
                *more,
            ],
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the endpoint did not start: {self.messages()}")

    def messages(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def take(self, count, timeout=30):
        """The next `count` records, in the order in which the exchanges ended."""
        records = []
        deadline = time.monotonic() + timeout
        while len(records) < count:
            with self.path.open("rb") as file:
                file.seek(self.position)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.position += len(line)
                    records.append(json.loads(line))
                    if len(records) == count:
                        break
            if len(records) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"{len(records)} of {count} exchanges reached the endpoint; {self.messages()}"
                    )
                time.sleep(0.02)
        return records

    def rest(self):
        """Records not taken yet."""
        with self.path.open("rb") as file:
            file.seek(self.position)
            data = file.read()
        self.position += len(data)
        return [json.loads(line) for line in data.splitlines()]

    def close(self):
        code = end(self.process)
        self.process.stdout.close()
        self.log.close()
        return code


def operation_of(record):
    """No published operation is asked with HEAD, whatever the endpoint answers."""
    return "Unknown" if record["method"] == "HEAD" else record["operation"]


def by_id(records):
    return {record["id"]: record for record in records}


def pair(events):
    """Events by message-id: {message-id: {"Request": event, "Response": event}}, each at most once."""
    pairs = {}
    for event in events:
        slot = pairs.setdefault(event["message-id"], {})
        kind = event["event-type"]
        assert kind not in slot, f"two {kind} events with message-id {event['message-id']}"
        slot[kind] = event
    return pairs


ID = re.compile(r"\"id\": ?\"(x-[^\"]+)\"")


def request_id(event):
    """The directive's id in a Request event, or None."""
    for message in reversed(event.get("messages") or []):
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        match = ID.search(content or "")
        if match:
            return match.group(1)
    return None


def names_by_answer(records):
    """Ids of exchanges by the request id that their answer states."""
    return {
        record["response_headers"]["x-request-id"]: record["id"]
        for record in records
        if "x-request-id" in record.get("response_headers", {})
    }


def name_of(slot, names):
    """Which exchange two events are about: what the answer's header says, else what the request holds."""
    stated = slot.get("Response", {}).get("headers", {}).get("x-request-id")
    if stated in names:
        return names[stated]
    return request_id(slot["Request"]) if "Request" in slot else None


class Differences(list):
    def equal(self, what, got, want):
        if got != want or type(got) is not type(want):
            self.append(f"{what}: event says {short(got)}, truth is {short(want)}")


def short(value):
    text = repr(value)
    return text if len(text) < 160 else f"{text[:100]}…({len(text)} characters)…{text[-40:]}"


def path_of(record):
    return record["target"].split("?")[0]


def is_chat(record):
    return record.get("kind") == "chat"


def deployment_of(record):
    """Azure classic names the deployment in the path, Azure v1 by the model, where a model is asked: that of a job or an
    assistant is only named."""
    if "/deployments/" in record["target"]:
        return record["target"].split("/deployments/")[1].split("/")[0]
    if record.get("kind") in ("object", "file", "key"):
        return None
    return record.get("model") if record["target"].startswith("/openai/v1/") else None


# Events that state the addresses of their connection, of all that were compared.
addresses = {"stated": 0, "events": 0}


def compare_addresses(out, connection, record):
    """Not stated is allowed, wrong is not. Behind a proxy the endpoint does not know them."""
    if record.get("proxied"):
        return
    addresses["events"] += 1
    if "local" not in connection and "remote" not in connection:
        return
    addresses["stated"] += 1
    out.equal("connection.local", connection.get("local"), f"{record['peer_address']}:{record['peer_port']}")
    out.equal("connection.remote", connection.get("remote"), record["address"])


def compare_common(out, event, record, client):
    out.equal("schema", event["schema"], "oaitap/1")
    out.equal("backend", event["backend"], record["host"].removesuffix(":443"))
    out.equal("operation", event["operation"], operation_of(record))
    if "stream" in record and operation_of(record) != "Unknown":
        out.equal("stream", event["stream"], record["stream"])
    if operation_of(record) != "Unknown":
        out.equal("deployment-id", event.get("deployment-id"), deployment_of(record))
    version = re.search(r"api-version=([^&]+)", record["target"])
    out.equal("api-version", event.get("api-version"), version.group(1) if version else None)
    out.equal("connection.sni", event["connection"].get("sni"), record["sni"])
    compare_addresses(out, event["connection"], record)
    out.equal("connection.role", event["connection"]["role"], "client")
    out.equal("connection.protocol", event["connection"]["protocol"], record["protocol"])
    out.equal("connection.stream-id", event["connection"].get("stream-id"), record.get("stream_id"))
    out.equal("attempt", event["attempt"], int(record["retry"] or 0))
    if client:
        out.equal("process.pid", event["process"]["pid"], client["pid"])
        if client.get("comm"):
            out.equal("process.comm", event["process"]["comm"], client["comm"])


def compare_request(event, record, client=None):
    """What a Request event says against the record. A list of differences."""
    out = Differences()
    compare_common(out, event, record, client)
    out.equal("method", event["method"], record["method"])
    out.equal("path", event["path"], path_of(record))
    out.equal("body-bytes", event["body-bytes"], record["request_body_len"])
    if record["request_body_len"] or "body-sha256" in event:
        out.equal("body-sha256", event["body-sha256"], record["request_body_sha256"])
    out.equal("content-type", event.get("content-type"), record["content_type"])
    out.equal("capture.complete", event["capture"]["complete"], True)
    if is_chat(record) and "messages_sha256" in record:
        out.equal("model", event.get("model"), record["model"])
        out.equal("messages", answers.sha256(answers.canonical(event["messages"])), record["messages_sha256"])
        if "messages" in record:
            out.equal("messages", event["messages"], record["messages"])
        out.equal("tools", event.get("tools"), record.get("tools"))
        out.equal("parameters", event.get("parameters") or {}, record["parameters"])
    elif operation_of(record) != "Unknown" and ("request_json" in record or "parts" in record):
        out.equal("model", event.get("model"), record["model"])
        truth_parts.compare_asked(out, event, record)
    return out


def compare_response(event, record, client=None):
    """What a Response event says against the record. A list of differences."""
    out = Differences()
    compare_common(out, event, record, client)
    out.equal("status", event["status"], record["status"])
    # A client that leaves after an error in a stream does not read the stream's end.
    left = record.get("left") and not event["capture"]["complete"]
    if not left:
        out.equal("body-bytes", event["body-bytes"], record["response_body_len"])
        out.equal("capture.complete", event["capture"]["complete"], record["response_complete"])
    # Of a body that was cut off there may be no hash, but not a wrong one.
    if "body-sha256" in event or (record["response_complete"] and not left):
        out.equal("body-sha256", event["body-sha256"], record["response_body_sha256"])
    sent = {name.lower(): value for name, value in record["response_headers"].items()}
    kept = event["headers"]
    for name in (
        "x-request-id",
        "apim-request-id",
        "x-ms-region",
        "openai-processing-ms",
        "x-ratelimit-remaining-tokens",
    ):
        out.equal(f"headers.{name}", kept.get(name), sent.get(name))
    out.equal("headers.set-cookie", kept.get("set-cookie"), None)
    out.equal("modeltime", float(event["modeltime"]), float(sent["openai-processing-ms"]))
    out.equal("content-type", event.get("content-type"), record["response_content_type"])
    if "choices_sha256" in record and record["response_complete"]:
        compare_answer(out, event, record)
    elif "plain_sha256" in record and record["response_complete"]:
        truth_parts.compare_answered(out, event, record)
    if not record["response_complete"]:
        out.equal("outcome", event["outcome"], "interrupted")
    if isinstance(record.get("error"), dict):
        error = record["error"].get("error", record["error"])
        out.equal("error.message", event["error"].get("message"), error["message"])
        if "error" in record["error"]:
            out.equal("error.code", event["error"].get("code"), error["code"])
            out.equal("error.type", event["error"].get("type"), error.get("type"))
    if record["status"] >= 400:
        late = "timeout" if record["status"] in (408, 504) else "http-error"
        filtered = "content_filter" in str(record.get("error"))
        out.equal("outcome", event["outcome"], "filtered" if filtered else late)
    return out


def compare_answer(out, event, record):
    """The answer itself: choices, model, tokens."""
    out.equal("response-id", event["response-id"], record["response_id"])
    out.equal("model", event["model"], record["answer_model"])
    broken = record["stream"] and "error" in record
    if broken:
        out.equal("outcome", event["outcome"], "stream-error")
    else:
        filtered = "content_filter" in record["finish_reasons"]
        out.equal("outcome", event["outcome"], "filtered" if filtered else "ok")
        out.equal("finish-reason", event["finish-reason"], record["finish_reasons"])
        texts = [choice["message"].get("content") or "" for choice in event["choices"]]
        if not record["tool_calls"]:
            want = [one["sha256"] for one in record["answer_texts"]]
            out.equal("choices: texts", [answers.sha256(text) for text in texts], want)
        out.equal("choices: order", [choice["index"] for choice in event["choices"]], list(range(len(texts))))
        roles = [choice["message"]["role"] for choice in event["choices"]]
        out.equal("choices: roles", roles, ["assistant"] * len(record["finish_reasons"]))
        if not record["stream"]:
            out.equal(
                "choices", answers.sha256(answers.canonical(event["choices"])), record["choices_sha256"]
            )
        if record["tool_calls"]:
            got = [[essence(call) for call in choice["message"]["tool_calls"]] for choice in event["choices"]]
            out.equal(
                "choices: tool calls",
                got,
                [[essence(call) for call in calls] for calls in record["tool_calls"]],
            )
    usage = record["usage"]
    out.equal("usage", event.get("usage"), usage)
    out.equal("usage-source", event["usage-source"], "reported" if usage else "none")
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        out.equal(key, event.get(key), usage[key] if usage else None)


def essence(call):
    return [call["id"], call["type"], call["function"]["name"], call["function"]["arguments"]]


def compare_exchange(slot, record, client=None):
    """Both events of one exchange against its record: a list of differences."""
    out = []
    for kind, compare in (("Request", compare_request), ("Response", compare_response)):
        if kind not in slot:
            out.append(f"no {kind} event")
            continue
        try:
            out += [f"{kind}: {line}" for line in compare(slot[kind], record, client)]
        except (KeyError, TypeError) as problem:
            out.append(f"{kind}: {type(problem).__name__} {problem} in {short(slot[kind])}")
    return out


def compare_all(events, records, clients=()):
    """Events against records: exactly two an exchange and none more. A list of differences."""
    out = []
    clients = {client["id"]: client for client in clients}
    names = names_by_answer(records)
    records = by_id(records)
    seen = set()
    for message_id, slot in pair(events).items():
        name = name_of(slot, names)
        if name not in records:
            out.append(f"events of no known exchange: {message_id} {sorted(slot)} id {name}")
            continue
        if name in seen:
            out.append(f"{name}: events twice")
        seen.add(name)
        out += [f"{name}: {line}" for line in compare_exchange(slot, records[name], clients.get(name))]
    out += [f"{name}: no events" for name in records if name not in seen]
    return out


def compare_client(result, record):
    """The client's own view against the record: the stand-in and the client agree. A list of differences."""
    out = Differences()
    out.equal("status", result["status"], record["status"])
    if "body_sha256" in result:
        out.equal("answer's bytes", result["body_sha256"], record["response_body_sha256"])
        out.equal("request's bytes", result["sent_sha256"], record["request_body_sha256"])
    if record["status"] != 200 or "answer_texts" not in record:
        return out
    if "error" in record:
        out.equal("error", bool(result["error"]), True)
        return out
    if record["tool_calls"]:
        want = [essence(call) for calls in record["tool_calls"] for call in calls]
        out.equal("tool calls", result["tools"], [[call[0], *call[2:]] for call in want])
    else:
        out.equal("texts", result["texts"], [one["sha256"] for one in record["answer_texts"]])
    out.equal("finish", result["finish"], record["finish_reasons"])
    out.equal("model", result["model"], record["answer_model"])
    out.equal("response id", result["response_id"], record["response_id"])
    if record["usage"]:
        out.equal("tokens", (result["usage"] or {}).get("total_tokens"), record["usage"]["total_tokens"])
    out.equal("error", result["error"], None)
    return out
