# SPDX-License-Identifier: Apache-2.0
"""capture.max_message: of a longer message the rest is not copied. The event says how much is missing, the kernel counted as
much, and what follows on the connection is whole."""

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
