# SPDX-License-Identifier: Apache-2.0
"""The comparison that all other tests rest on notices every wrong value. Events are built here from the bytes
that a raw client sent and got; no agent takes part."""

import base64
import copy
import json

import pytest

import answers
import drive
import truth
from sandbox import OPENAI


@pytest.fixture(scope="module")
def exchange(sandbox, endpoint):
    """One exchange: its record, and the two events that a perfect observer would write of it."""
    endpoint.rest()
    body = drive.chat_body({"answer_bytes": 40}, temperature=0.5)
    request = drive.message(
        "POST", "/v1/chat/completions", OPENAI, {"Content-Type": "application/json"}, body
    )
    result = drive.raw(sandbox, OPENAI, [drive.send(request), {"answers": 1}])
    (record,) = endpoint.take(1)
    head, answer = base64.b64decode(result["read_head"]).split(b"\r\n\r\n", 1)
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    answer, asked = json.loads(answer), json.loads(body)
    common = {
        "schema": "oaitap/1",
        "message-id": "m",
        "backend": OPENAI,
        "operation": "createChatCompletion",
        "connection": {"sni": OPENAI, "role": "client", "protocol": "http/1.1"},
        "stream": False,
        "attempt": 0,
        "process": {"pid": result["pid"], "comm": "python"},
        "capture": {"complete": True, "missing-bytes": 0},
    }
    first = {
        **common,
        "event-type": "Request",
        "method": "POST",
        "path": "/v1/chat/completions",
        "model": asked["model"],
        "messages": asked["messages"],
        "parameters": {"temperature": 0.5},
        "content-type": "application/json",
        "body-bytes": len(body),
        "body-sha256": record["request_body_sha256"],
    }
    second = {
        **common,
        "event-type": "Response",
        "status": 200,
        "content-type": "application/json",
        "headers": {name.lower(): value for name, value in fields.items() if name != "Set-Cookie"},
        "body-bytes": record["response_body_len"],
        "body-sha256": record["response_body_sha256"],
        "response-id": answer["id"],
        "model": answer["model"],
        "choices": answer["choices"],
        "finish-reason": ["stop"],
        "usage": answer["usage"],
        "usage-source": "reported",
        "outcome": "ok",
        "modeltime": float(fields["openai-processing-ms"]),
        **{key: answer["usage"][key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")},
    }
    return record, {"id": record["id"], "pid": result["pid"], "comm": "python"}, [first, second]


def leaves(value, path=()):
    """Paths of all single values."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))
    else:
        yield path


def other(value):
    if isinstance(value, bool) or value is None:
        return not value
    return value + 1 if isinstance(value, (int, float)) else value + "x"


COMPARED_HEADERS = {"x-request-id", "openai-processing-ms", "x-ratelimit-remaining-tokens"}


def test_right_events_pass(exchange):
    record, client, events = exchange
    assert truth.compare_all(events, [record], [client]) == []


def test_every_changed_value_is_noticed(exchange):
    record, client, events = exchange
    changed = 0
    for number in (0, 1):
        for path in leaves(events[number]):
            if path[0] in ("event-type", "message-id") or path == ("capture", "missing-bytes"):
                continue
            if path[0] == "headers" and path[1] not in COMPARED_HEADERS:
                continue
            wrong = copy.deepcopy(events)
            place = wrong[number]
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other(place[path[-1]])
            assert truth.compare_all(wrong, [record], [client]), f"{wrong[number]['event-type']} {path}"
            changed += 1
    assert changed > 50


def test_every_missing_member_is_noticed(exchange):
    record, client, events = exchange
    for number in (0, 1):
        for key in events[number]:
            if key in ("event-type", "message-id"):
                continue
            wrong = copy.deepcopy(events)
            del wrong[number][key]
            assert truth.compare_all(wrong, [record], [client]), f"{events[number]['event-type']} {key}"


def test_one_event_less_or_more_is_noticed(exchange):
    record, client, (first, second) = exchange
    assert truth.compare_all([first], [record])
    assert truth.compare_all([second], [record])
    assert truth.compare_all([], [record])
    again = {**first, "message-id": "n"}
    assert truth.compare_all([first, second, again, {**second, "message-id": "n"}], [record])
    assert truth.compare_all([first, second, {**second, "message-id": "n"}], [record])
    with pytest.raises(AssertionError):
        truth.compare_all([first, second, second], [record])


@pytest.fixture(scope="module")
def response(sandbox, endpoint):
    """The same of a response: what events say of operations other than chats."""
    endpoint.rest()
    text = answers.directive({"id": drive.new_id(), "answer_bytes": 60}) + "Grüße 😀"
    asked = {"model": "gpt-4o", "input": text, "instructions": "Kurz.", "metadata": {"a": "b"}}
    body = json.dumps(asked).encode()
    request = drive.message("POST", "/v1/responses", OPENAI, {"Content-Type": "application/json"}, body)
    result = drive.raw(sandbox, OPENAI, [drive.send(request), {"answers": 1}])
    (record,) = endpoint.take(1)
    sent = {name.lower(): value for name, value in record["response_headers"].items() if name != "Set-Cookie"}
    answer = dict(record["plain"])
    common = {
        "schema": "oaitap/1",
        "message-id": "m",
        "backend": OPENAI,
        "operation": "createResponse",
        "connection": {"sni": OPENAI, "role": "client", "protocol": "http/1.1"},
        "stream": False,
        "attempt": 0,
        "process": {"pid": result["pid"]},
        "capture": {"complete": True, "missing-bytes": 0},
        "content-type": "application/json",
    }
    first = {
        **common,
        "event-type": "Request",
        "method": "POST",
        "path": "/v1/responses",
        "model": asked["model"],
        "input": asked["input"],
        "instructions": asked["instructions"],
        "parameters": {"metadata": asked["metadata"]},
        "body-bytes": len(body),
        "body-sha256": record["request_body_sha256"],
    }
    second = {
        **common,
        "event-type": "Response",
        "status": 200,
        "headers": {name: sent[name] for name in COMPARED_HEADERS},
        "body-bytes": record["response_body_len"],
        "body-sha256": record["response_body_sha256"],
        "response-id": answer.pop("id"),
        "model": answer.pop("model"),
        "output": answer.pop("output"),
        "usage": answer["usage"],
        "usage-source": "reported",
        "prompt_tokens": answer["usage"]["input_tokens"],
        "completion_tokens": answer["usage"]["output_tokens"],
        "total_tokens": answer.pop("usage")["total_tokens"],
        "response": answer,
        "outcome": "ok",
        "modeltime": float(sent["openai-processing-ms"]),
    }
    return record, {"id": record["id"], "pid": result["pid"]}, [first, second]


def test_right_events_of_a_response_pass(response):
    record, client, events = response
    assert truth.compare_all(events, [record], [client]) == []


def test_every_changed_or_missing_value_of_a_response_is_noticed(response):
    record, client, events = response
    for number, event in enumerate(events):
        for path in leaves(event):
            if path[0] in ("event-type", "message-id") or path == ("capture", "missing-bytes"):
                continue
            wrong = copy.deepcopy(events)
            place = wrong[number]
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other(place[path[-1]])
            assert truth.compare_all(wrong, [record], [client]), f"{event['event-type']} {path}"
        for key in event:
            wrong = copy.deepcopy(events)
            del wrong[number][key]
            if key not in ("event-type", "message-id"):
                assert truth.compare_all(wrong, [record], [client]), f"{event['event-type']} {key}"
