# SPDX-License-Identifier: Apache-2.0
"""What the API and HTTP can do: each case's two events equal the truth."""

import datetime
import json

import pytest
from conftest import check

import agent as agents
import answers
import drive
import truth
from sandbox import AZURE, OPENAI

USAGE = {"stream_options": {"include_usage": True}}
TOOLS = {
    "tools": [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("weather", "größe")
    ]
}
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
FLAVOURS = pytest.mark.parametrize("flavour", ["azure", "azure-v1", "openai"])


@STREAMS
@FLAVOURS
@pytest.mark.parametrize("name", ["openai-python", "openai-node"])
def test_tool_calls(exchange, name, flavour, stream):
    ((slot, record, _),) = exchange(name, flavour=flavour, stream=stream, extra=TOOLS)
    assert len(record["tool_calls"][0]) == 2
    assert slot["Request"]["tools"] == TOOLS["tools"]
    assert slot["Response"]["finish-reason"] == ["tool_calls"]


@STREAMS
@FLAVOURS
def test_several_choices(exchange, flavour, stream):
    ((slot, _, _),) = exchange(
        "httpx", flavour=flavour, stream=stream, exchanges=[{"answer_bytes": 4000}], extra={"n": 4}
    )
    assert [choice["index"] for choice in slot["Response"]["choices"]] == [0, 1, 2, 3]


@STREAMS
def test_several_choices_with_tools(exchange, stream):
    exchange("openai-python", flavour="azure", stream=stream, extra={"n": 3, **TOOLS})


@FLAVOURS
def test_usage_only_when_asked(exchange, flavour):
    without, with_usage = (
        exchange("openai-python", flavour=flavour, stream=True, extra=extra)[0][0]["Response"]
        for extra in ({}, USAGE)
    )
    assert without["usage-source"] == "none" and "total_tokens" not in without
    assert with_usage["usage-source"] == "reported" and with_usage["total_tokens"] > 0


@pytest.mark.parametrize("name", ["openai-python", "openai-python-async", "openai-node"])
def test_azure_asynchronous_filter(exchange, name):
    """Chunks without id, model or delta, some after the finish reason."""
    directive = {"answer_bytes": 3000, "async_filter": True}
    ((slot, record, _),) = exchange(name, flavour="azure", stream=True, exchanges=[directive], extra=USAGE)
    assert slot["Response"]["response-id"] == record["response_id"]


@STREAMS
def test_azure_content_filter_is_kept(exchange, stream):
    ((slot, _, _),) = exchange("httpx", flavour="azure", stream=stream)
    prompt = slot["Response"]["content-filter"]["prompt"]
    assert prompt == answers.prompt_filter()


@STREAMS
def test_filtered_answer(exchange, stream):
    ((slot, _, _),) = exchange("httpx", flavour="azure", stream=stream, exchanges=[{"filtered": True}])
    assert slot["Response"]["outcome"] == "filtered"
    assert slot["Response"]["finish-reason"] == ["content_filter"]


@STREAMS
@pytest.mark.parametrize("scenario", [name for name in answers.ERRORS])
def test_errors(exchange, scenario, stream):
    flavour = "openai" if scenario in ("error-401-openai", "error-500") else "azure"
    ((slot, _, _),) = exchange("urllib", flavour=flavour, stream=stream, exchanges=[{"scenario": scenario}])
    assert slot["Response"]["status"] == answers.ERRORS[scenario][0]
    if scenario == "error-429":
        assert slot["Response"]["headers"]["retry-after"] == "1"


@pytest.mark.parametrize("name", ["httpx", "fetch"])
def test_error_inside_the_stream(exchange, name):
    directive = {"scenario": "stream-error", "answer_bytes": 3000}
    ((slot, _, _),) = exchange(name, flavour="openai", stream=True, exchanges=[directive])
    assert slot["Response"]["outcome"] == "stream-error"
    assert slot["Response"]["error"]["code"] == "stream_failed"


def test_api_version_missing(raw):
    body = drive.chat_body()
    request = drive.message(
        "POST", "/openai/deployments/chat-prod/chat/completions", AZURE, {"api-key": "k" * 32}, body
    )
    _, events, (record,) = raw(AZURE, [drive.send(request), {"answers": 1}])
    assert record["status"] == 404
    assert truth.compare_all(events, [record]) == []


@pytest.mark.parametrize("name", ["openai-python", "openai-node"])
def test_retries(agent, sandbox, endpoint, texts, quiet, name):
    """Each try is an exchange of its own, and says which try it was."""
    with drive.Client(sandbox, name) as client:
        (result,) = client.run(texts, flavour="openai", exchanges=[{"fail_first": 2}], max_retries=2)
    records = endpoint.take(3)
    slots = list(truth.pair(agent.take(6)).values())
    slots.sort(key=lambda slot: slot["Request"]["attempt"])
    for slot, record in zip(slots, records):
        assert truth.compare_request(slot["Request"], record, result) == []
        # The SDKs do not always read the body of an answer that they will ask for again.
        if record["status"] == 200 or slot["Response"]["capture"]["complete"]:
            assert truth.compare_response(slot["Response"], record, result) == []
    assert [slot["Response"]["status"] for slot in slots] == [429, 429, 200]
    assert [slot["Response"]["attempt"] for slot in slots] == [0, 1, 2]


@STREAMS
@pytest.mark.parametrize(
    "directive",
    [
        {"answer_bytes": 0},
        {"answer_bytes": 1},
        {"answer_bytes": 5000, "escape": True},
        {"answer_bytes": 5000, "ragged": True},
        {"answer_bytes": 5000, "ragged": True, "comments": True, "eol": "\r\n"},
        {"answer_bytes": 5000, "ragged": True, "comments": True, "eol": "\r"},
        {"answer_bytes": 5000, "pieces": 1},
        {"answer_bytes": 5000, "framing": "chunked"},
        {"answer_bytes": 5000, "framing": "close"},
        {"answer_bytes": 300, "delay_ms": 50, "wait_ms": 300},
        {"answer_bytes": 3000, "finish": "length"},
    ],
    ids=lambda directive: "-".join(
        str(value).replace("\r", "CR").replace("\n", "LF") for value in directive.values()
    ),
)
def test_shapes_of_answers(exchange, directive, stream):
    exchange(
        "httpx",
        flavour="openai",
        stream=stream,
        exchanges=[directive, directive],
        extra=USAGE if stream else {},
    )


def test_timing(exchange):
    directive = {"answer_bytes": 300, "wait_ms": 400, "delay_ms": 100, "pieces": 5}
    ((slot, record, _),) = exchange("httpx", flavour="openai", stream=True, exchanges=[directive])
    timing, times = slot["Response"]["timing"], record["times"]
    for key, moment in (("first-byte", "answer"), ("first-token", "first_content")):
        assert timing[f"time-to-{key}-ms"] == pytest.approx(
            (times[moment] - times["request"]) * 1000, abs=150
        ), key
    assert timing["duration-ms"] == pytest.approx((times["end"] - times["request"]) * 1000, abs=200)
    assert timing["chunks"] == record["chunks"]
    for event, moment in ((slot["Request"], "request"), (slot["Response"], "end")):
        when = datetime.datetime.fromisoformat(event["event-time"].replace("Z", "+00:00")).timestamp()
        assert when == pytest.approx(times[moment], abs=0.5)


def test_keep_alive(exchange):
    """Twenty exchanges on one connection: paired in order."""
    done = exchange("httpx", flavour="openai", exchanges=[{"answer_bytes": 100 * i} for i in range(20)])
    assert len({record["connection"] for _, record, _ in done}) == 1
    connections = {event["connection"]["id"] for slot, _, _ in done for event in slot.values()}
    assert len(connections) == 1


@STREAMS
def test_connections_at_once(exchange, stream):
    """Sixteen exchanges at once in one process and thread."""
    directives = [{"answer_bytes": 50_000, "ragged": True} for _ in range(16)]
    done = exchange("openai-python-async", flavour="openai", stream=stream, exchanges=directives, together=16)
    assert len({record["connection"] for _, record, _ in done}) > 4


def test_processes_at_once(agent, sandbox, endpoint, texts, quiet):
    clients = [
        drive.Client(sandbox, name)
        for name in ("curl", "urllib", "httpx", "fetch", "openai-node", "openai-python")
    ]
    for client in clients:
        client.submit(
            texts, flavour="openai", stream=True, size=20_000, exchanges=[{"answer_bytes": 20_000}] * 4
        )
    results = [result for client in clients for result in client.read()]
    assert [client.close() for client in clients] == [0] * len(clients)
    check(agent, endpoint, results)


# What the SDKs do not do, byte for byte.


def one(raw, request, host=OPENAI, head=False, **options):
    _, events, (record,) = raw(host, [drive.send(request), {"answers": 1, "head": head}], **options)
    (slot,) = truth.pair(events).values()
    wrong = truth.compare_exchange(slot, record)
    assert not wrong, "\n".join(wrong)
    return slot, record


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("DELETE", "/v1/brand/new", b"", 204),
        ("GET", "/v1/brand/new?x=1", b"", 404),
        ("PATCH", "/v1/brand/new", b"\x00\x01 not JSON", 404),
    ],
)
def test_unknown_operations(raw, method, path, body, status):
    slot, record = one(raw, drive.message(method, path, OPENAI, body=body))
    assert record["status"] == status
    assert slot["Request"]["operation"] == slot["Response"]["operation"] == "Unknown"
    assert (slot["Request"]["method"], slot["Request"]["path"]) == (method, path.split("?")[0])


def test_head_has_a_length_but_no_body(raw):
    request = drive.message("HEAD", "/v1/models", OPENAI)
    follow = drive.message("GET", "/v1/models", OPENAI)
    steps = [drive.send(request), {"answers": 1, "head": True}, drive.send(follow), {"answers": 1}]
    _, events, records = raw(OPENAI, steps, exchanges=2)
    slots = list(truth.pair(events).values())
    slots.sort(key=lambda slot: slot["Request"]["event-time"])
    for slot, record in zip(slots, records):
        assert truth.compare_exchange(slot, record) == []
    assert [slot["Response"]["body-bytes"] for slot in slots] == [0, records[1]["response_body_len"]]


def test_not_modified(raw):
    request = drive.message("GET", "/v1/models", OPENAI, {"If-None-Match": '"models-1"'})
    slot, record = one(raw, request)
    assert record["status"] == slot["Response"]["status"] == 304


def chunked(data, sizes=(1, 7, 4096), extension=b"", trailer=b""):
    out, at, turn = b"", 0, 0
    while at < len(data):
        piece = data[at : at + sizes[turn % len(sizes)]]
        out += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
        at += len(piece)
        turn += 1
    return out + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize(
    "extension, trailer", [(b"", b""), (b';name="va;lue"', b"x-check: 1\r\nx-more: 2\r\n")]
)
def test_chunked_request(raw, extension, trailer):
    body = drive.chat_body(
        messages=[{"role": "user", "content": answers.directive({"id": drive.new_id()}) + "ä" * 5000}]
    )
    head = drive.message("POST", "/v1/chat/completions", OPENAI, {"Transfer-Encoding": "chunked"})
    slot, record = one(raw, head + chunked(body, extension=extension, trailer=trailer))
    assert record["request_chunked"] and record["request_body_len"] == len(body)


def test_expect_continue(raw):
    body = drive.chat_body()
    fields = {"Expect": "100-continue", "Content-Length": str(len(body))}
    head = drive.message("POST", "/v1/chat/completions", OPENAI, fields)
    steps = [drive.send(head), {"pause": 0.3}, drive.send(body), {"answers": 1}]
    result, events, (record,) = raw(OPENAI, steps)
    assert record["expect_continue"] and result["answers"] == 1
    assert truth.compare_all(events, [record]) == []


def test_head_and_body_byte_by_byte(raw):
    body = drive.chat_body()
    request = drive.message("POST", "/v1/chat/completions", OPENAI, body=body)
    steps = [drive.send(request[i : i + 1]) for i in range(len(request))] + [{"answers": 1}]
    _, events, records = raw(OPENAI, steps)
    assert truth.compare_all(events, records) == []


def test_pipelining(raw):
    """Eight requests in one write; answers come in their order."""
    bodies = [drive.chat_body({"answer_bytes": 100 + 300 * i}, stream=i % 2 == 1) for i in range(8)]
    requests = [drive.message("POST", "/v1/chat/completions", OPENAI, body=body) for body in bodies]
    result, events, records = raw(OPENAI, [drive.send(b"".join(requests)), {"answers": 8}], exchanges=8)
    assert result["answers"] == 8
    assert truth.compare_all(events, records) == []


def test_no_server_name(raw):
    """Without a name in the handshake the first bytes decide."""
    body = drive.chat_body()
    request = drive.message("POST", "/v1/chat/completions", OPENAI, body=body)
    _, events, (record,) = raw(OPENAI, [drive.send(request), {"answers": 1}], server_name=False)
    assert record["sni"] is None
    assert truth.compare_all(events, [record]) == []


@STREAMS
@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("after", [0, 700, 3000])
def test_cut_connection(raw, after, how, stream):
    body = drive.chat_body({"answer_bytes": 5000, "cut_after": after, "cut": how}, stream=stream)
    request = drive.message("POST", "/v1/chat/completions", OPENAI, body=body)
    _, events, (record,) = raw(OPENAI, [drive.send(request), {"end": True}])
    (slot,) = truth.pair(events).values()
    wrong = truth.compare_exchange(slot, record)
    assert not wrong, "\n".join(wrong)
    response = slot["Response"]
    assert response["outcome"] == "interrupted" and response["body-bytes"] == after
    assert response["capture"]["complete"] is False and response["capture"]["reason"]


def test_cut_before_any_answer(raw):
    """The request is on record; the answer that never came is not invented."""
    body = drive.chat_body()[:-10]
    request = drive.message(
        "POST", "/v1/chat/completions", OPENAI, {"Content-Length": str(len(body) + 10)}, body
    )
    _, events, (record,) = raw(OPENAI, [drive.send(request), {"pause": 0.2}], events=1)
    assert "status" not in record
    (event,) = events
    assert event["event-type"] == "Request" and event["capture"]["complete"] is False
    assert event["body-bytes"] == len(body)


@STREAMS
def test_answer_over_the_body_limit(exchange, agent, sandbox, endpoint, texts, quiet, stream):
    """6 MB with capture.max_body 4 MiB: hash and length are of the whole, and the event says what was left
    out."""
    with drive.Client(sandbox, "httpx") as client:
        results = client.run(
            texts, flavour="openai", stream=stream, exchanges=[{"answer_bytes": 6_000_000}, {}]
        )
    records = truth.by_id(endpoint.take(2))
    slots = {truth.request_id(slot["Request"]): slot for slot in truth.pair(agent.take(4)).values()}
    large, small = (result["id"] for result in results)
    response, record = slots[large]["Response"], records[large]
    assert (response["body-bytes"], response["body-sha256"]) == (
        record["response_body_len"],
        record["response_body_sha256"],
    )
    assert response["capture"]["complete"] is False and response["capture"]["reason"] == "max-body"
    assert sum(one["bytes"] for one in response["capture"]["truncated"]) == record["response_body_len"] - (
        4 << 20
    )
    assert truth.compare_exchange(slots[small], records[small]) == []


def test_call_over_the_copy_limit(sandbox, endpoint, agent_ready):
    """3 MB in one SSL_write with capture.max_call 1 MiB: the gap is exact, the next exchange is whole again."""
    text = answers.directive({"id": drive.new_id()}) + "x" * 3_000_000
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    request = drive.message("POST", "/v1/chat/completions", OPENAI, body=body)
    path = sandbox.path / "large"
    path.write_bytes(request)
    follow = drive.message("POST", "/v1/chat/completions", OPENAI, body=drive.chat_body())
    steps = [{"send_file": str(path)}, {"answers": 1}, drive.send(follow), {"answers": 1}]
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-call", capture={"max_call": "1MiB"}) as agent:
        drive.raw(sandbox, OPENAI, steps)
        large, small = endpoint.take(2)
        slots = sorted(truth.pair(agent.take(4)).values(), key=lambda slot: slot["Request"]["event-time"])
        assert set(agents.dropped(agent.status())) == {"call-limit.count", "call-limit.bytes"}
        assert agent.stop() == 0
    capture = slots[0]["Request"]["capture"]
    assert capture["complete"] is False and capture["reason"] == "call-limit"
    assert capture["missing-bytes"] == len(request) - (1 << 20)
    assert truth.compare_response(slots[0]["Response"], large) == []
    assert truth.compare_exchange(slots[1], small) == []
