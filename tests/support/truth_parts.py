# SPDX-License-Identifier: Apache-2.0
"""What events say of the bodies of operations other than chats, put together again and compared with what was sent:
in whichever of its keys an event gives a member, none may be missing and none may be different."""

import json

import answers

# Keys of an event that hold members of the request's body under their own names.
ASKED = ("model", "messages", "prompt", "input", "instructions", "tools")
ANSWERED = ("model", "choices", "output", "data", "text", "usage")


def plain(value):
    """Numbers as JSON compares them: 1.0 and 1 are the same."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def asked(event):
    """The request's body as the event has it."""
    if isinstance(event.get("body"), dict):
        return event["body"]
    out = dict(event.get("parameters") or {})
    out.update({key: event[key] for key in ASKED if key in event})
    if event["stream"] and "stream_format" not in out:
        out["stream"] = True
    return out


def compare_asked(out, event, record):
    if "parts" in record:
        compare_form(out, event, record)
        return
    got, want = asked(event), dict(record["request_json"])
    if want.get("stream") is False and "stream" not in got:
        del want["stream"]
    for key in sorted({*got, *want}):
        if key == "model" and key not in want:
            continue
        out.equal(f"asked: {key}", plain(got.get(key)), plain(want.get(key)))


def compare_form(out, event, record):
    """Files by name, size and hash; fields by value, those that stand several times as a list."""
    files = [
        [part["name"], part["filename"], part["type"], part["bytes"], part["sha256"]]
        for part in record["parts"]
        if "filename" in part
    ]
    got = [
        [one.get(key) for key in ("name", "file-name", "content-type", "bytes", "sha256")]
        for one in event.get("files") or []
    ]
    out.equal("files", got, files)
    fields = {}
    for part in record["parts"]:
        if "value" in part and part["name"] != "stream":
            fields.setdefault(part["name"].removesuffix("[]"), []).append(part["value"])
    have = asked(event)
    for name, values in fields.items():
        found = have.get(name)
        found = found if isinstance(found, list) else [found]
        texts = [one if isinstance(one, str) else json.dumps(one) for one in found]
        out.equal(f"fields: {name}", texts, values)


def answered(event):
    """The answer's body as the event has it."""
    if isinstance(event.get("body"), dict):
        return event["body"]
    out = dict(event.get("response") or {})
    out.update({key: event[key] for key in ANSWERED if key in event})
    if "response-id" in event:
        out["id"] = event["response-id"]
    return out


def strings(value):
    """All strings in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def compare_answered(out, event, record):
    broken = record.get("stream") and "error" in record
    out.equal("outcome", event["outcome"], record.get("outcome", "stream-error" if broken else "ok"))
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        out.equal(key, event.get(key), record["tokens"].get(key))
    out.equal("usage-source", event["usage-source"], "reported" if record["tokens"] else "none")
    if broken:
        return
    out.equal("usage", event.get("usage"), record["usage"])
    if "answer_model" in record and record["kind"] != "object":
        out.equal("model", event.get("model"), record["answer_model"])
    if "response_id" in record and record["kind"] != "object":
        out.equal("response-id", event.get("response-id"), record["response_id"])
    if "finish_reasons" in record:
        out.equal("finish-reason", event.get("finish-reason"), record["finish_reasons"])
    if record["method"] == "HEAD" or record["status"] in (204, 304):
        return
    got = answered(event)
    for key, want in record["plain_sha256"].items():
        if key == "usage":
            continue
        if key not in got:
            if record["plain"].get(key) is not None:
                out.append(f"answered: {key}: event does not say it")
        elif answers.sha256(answers.canonical(plain(got[key]))) != plain_sha256(record, key, want):
            out.append(
                f"answered: {key}: event says {got[key]!r:.200}, truth is {record['plain'].get(key)!r:.200}"
            )
    said = (
        {answers.sha256(one) for one in strings(event)}
        if record["texts"] or "secret_sha256" in record
        else set()
    )
    if record.get("secret_sha256") in said:
        out.append("a credential stands in the event")
    for text in record["texts"]:
        out.equal("the answer's text is in the event", text in said, True)
    if "file" in record:
        files = [[one.get("bytes"), one.get("sha256")] for one in event.get("files") or []]
        out.equal("files", files, [[record["file"]["bytes"], record["file"]["sha256"]]])


def plain_sha256(record, key, default):
    if key in record.get("plain", {}):
        return answers.sha256(answers.canonical(plain(record["plain"][key])))
    return default


def compare_call(result, record):
    """What an SDK's user got against the record. A list of differences."""
    out = []
    if result["status"] != record["status"]:
        out.append(
            f"status: client says {result['status']}, truth is {record['status']}: {result.get('error')}"
        )
        return out
    if record["status"] >= 400 or ("error" in record and record.get("stream")):
        # The error event of a response is an event like others to the SDKs.
        if not result["error"] and (record["status"] >= 400 or "error" in record["error"]):
            out.append("client saw no error")
        return out
    if result["error"]:
        out.append(f"client's error: {result['error']}")
    if result.get("sha256"):
        want = record["response_body_sha256"]
        if result["sha256"] != want:
            out.append(f"bytes: client has {result['sha256']}, truth is {want}")
    value = result.get("value")
    if isinstance(value, dict) and not record.get("stream"):
        for key, want in record.get("plain", {}).items():
            if key == "data" and record["kind"] == "embedding" and not result.get("exact"):
                continue
            if plain(value.get(key)) != plain(want):
                out.append(f"{key}: client has {value.get(key)!r:.120}, truth is {want!r:.120}")
    if record.get("stream") and result.get("events") not in (None, record["chunks"]):
        out.append(f"events: client has {result['events']}, truth is {record['chunks']}")
    return out
