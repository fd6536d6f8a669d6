# SPDX-License-Identifier: Apache-2.0
"""capture.max_message: of a longer message the rest is not copied. The event says how much is missing, the kernel counted as
much, and what follows on the connection is whole. Header fields over the parser's limits: the event says which."""

import struct

import hpack
import pytest

import agent as agents
import drive
import truth
from sandbox import OPENAI

LIMIT = 1 << 20
BODY = 24 << 20


@pytest.fixture(scope="module")
def short(sandbox, endpoint, agent_ready):
    with agents.Agent(sandbox.path / "agent-short", capture={"max_message": LIMIT}) as agent:
        yield agent
        assert agents.dropped(agent.status()) == {}
        assert agent.stop() == 0


def skipped(agent):
    return agents.flat(agent.status()).get("left-out.skipped.bytes", 0)


def judge(agent, before, long, whole):
    capture = long["capture"]
    assert capture["complete"] is False and capture["reason"] == "skipped"
    assert "body-sha256" not in long
    assert capture["missing-bytes"] == skipped(agent) - before
    # What was on its way when the limit was reached is captured all the same.
    assert 0 < capture["missing-bytes"] < BODY - LIMIT + 4096
    assert capture["missing-bytes"] + long["body-bytes"] == BODY
    assert all(event["capture"]["complete"] for event in whole)


@pytest.mark.parametrize("direction", ["request", "response"])
def test_long_message(sandbox, endpoint, texts, short, direction):
    endpoint.rest()
    short.drain(0.2)
    before = skipped(short)
    if direction == "request":
        long = drive.message("POST", "/v1/files", OPENAI, {"Content-Type": "application/octet-stream"}, b"x" * BODY)
    else:
        directive = f'{{"scenario":"bytes","framing":"length","body_bytes":{BODY},"type":"application/octet-stream"}}'
        long = drive.message("GET", "/v1/files/file-1/content", OPENAI, {"X-Directive": directive})
    pieces = [drive.send(long[at : at + (1 << 19)]) for at in range(0, len(long), 1 << 19)]
    ordinary = drive.message("POST", "/v1/chat/completions", OPENAI, {}, drive.chat_body())
    drive.raw(sandbox, OPENAI, [*pieces, {"answers": 1}, drive.send(ordinary), {"answers": 1}])
    records = endpoint.take(2)
    events = short.take(4)
    slots = sorted(truth.pair(events).values(), key=lambda slot: slot["Request"]["event-time"])
    parts = {"request": "Request", "response": "Response"}
    other = "Response" if direction == "request" else "Request"
    judge(short, before, slots[0][parts[direction]], [slots[0][other], *slots[1].values()])
    assert truth.compare_request(slots[1]["Request"], records[1]) == []
    assert truth.compare_response(slots[1]["Response"], records[1]) == []


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def http2_request(fields, body):
    """All bytes of a connection with one request; its header block in frames of 16 KiB."""
    block = hpack.Encoder().encode(
        [(":method", "POST"), (":scheme", "https"), (":authority", OPENAI), (":path", "/v1/chat/completions"), *fields]
    )
    pieces = [block[at : at + (1 << 14)] for at in range(0, len(block), 1 << 14)]
    frames = [frame(9 if i else 1, 4 if i + 1 == len(pieces) else 0, 1, piece) for i, piece in enumerate(pieces)]
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + b"".join(frames) + frame(0, 1, 1, body)


def test_many_header_fields(agent, sandbox, endpoint, quiet):
    """Answered all the same; the request's event does not claim to be whole, the answer's does."""
    fields = [("content-type", "application/json"), *((f"x-{i}", "y") for i in range(300))]
    sent = http2_request(fields, drive.chat_body())
    drive.raw(sandbox, OPENAI, [drive.send(sent), {"until": "usage"}, {"pause": 0.3}], alpn=["h2"])
    (record,) = endpoint.take(1)
    (slot,) = truth.pair(agent.take(2)).values()
    request, response = slot["Request"], slot["Response"]
    assert request["capture"] == {"complete": False, "missing-bytes": 0, "reason": "limit"}
    assert "there are more header fields than the limit" in request["problem"]
    assert request["operation"] == record["operation"]
    assert request["body-bytes"] == record["request_body_len"]
    assert truth.compare_response(response, record) == []


def test_endless_header_block(agent, sandbox, endpoint, quiet):
    """What came before the limit is on record, though no server answers that."""
    fields = [(f"x-{i}", "value " * 100) for i in range(800)]
    drive.raw(sandbox, OPENAI, [drive.send(http2_request(fields, b"{}")), {"end": True}], alpn=["h2"])
    request, *answers = agent.take(1, settle=0.5)
    assert request["event-type"] == "Request" and request["method"] == "POST"
    assert request["capture"]["complete"] is False and request["capture"]["reason"] == "limit"
    assert "a header block is longer than the limit" in request["problem"]
    assert all(answer["outcome"] == "interrupted" for answer in answers)
    endpoint.rest()
