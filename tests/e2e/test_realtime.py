# SPDX-License-Identifier: Apache-2.0
"""Realtime sessions over WebSocket, with the SDKs' own clients: the handshake is an exchange, and so is each answer; their
events hold what was said, and the sums of what was heard."""

import base64
import json
import os
import signal
import threading
import time

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

import agent as agents
import answers
import drive
import truth
import truth_parts
from sandbox import AZURE, OPENAI

CLIENTS = pytest.mark.parametrize("name", ["realtime-python", "realtime-node"])
TOOL = {"type": "function", "name": "weather", "description": "größe", "parameters": {"type": "object"}}
DONE = {"wait": "response.done"}
CREATE = {"send": {"type": "response.create"}}
OPENED = {"wait": "session.created"}


def update(**members):
    return [
        {"send": {"type": "session.update", "session": {"type": "realtime", **members}}},
        {"wait": "session.updated"},
    ]


def say(**directive):
    """What a user writes, and the answer to it."""
    text = answers.directive({"id": drive.new_id(), **directive}) + "Grüße 😀"
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return [{"send": {"type": "conversation.item.create", "item": item}}, CREATE]


def texts_session():
    return [
        OPENED,
        *update(output_modalities=["text"], instructions="Sei kurz.", tools=[TOOL]),
        *say(text="Wien ist schön, " * 40 + "ü😀", pieces=20),
        DONE,
        *say(tool={"name": "weather", "arguments": {"place": "Zürich 😀"}}),
        DONE,
        *say(text="Noch eins.", fragments=3, ping=True),
        DONE,
    ]


def audio_session():
    return [
        OPENED,
        {"audio": 4800, "times": 5},
        {"send": {"type": "input_audio_buffer.commit"}},
        *say(text="Das war zu hören.", audio_bytes=60_000, pieces=12),
        DONE,
        *update(
            audio={
                "input": {"turn_detection": {"type": "server_vad"}, "transcription": {"model": "whisper-1"}}
            }
        ),
        {"audio": 2400, "times": 3},
        {"silence": True},
        DONE,
    ]


def session(client, steps, flavour, **more):
    job = {"flavour": flavour, "credential": drive.credential(flavour), "model": "gpt-realtime", **more}
    client.give({**job, "exchanges": [{"id": drive.new_id(), "steps": steps}]})
    return client.read()


def run(agent, clients, endpoint, name, steps, flavour="openai", left_out=0, **more):
    """One session: (handshake's events, [(truth, Request, Response)], record, client's result)."""
    (result,) = session(clients(name), steps, flavour, **more)
    (record,) = endpoint.take(1)
    events = agent.take(2 + 2 * len(record["exchanges"]) + left_out)
    slots = list(truth.pair(events).values())
    (handshake,) = [slot for slot in slots if slot["Request"]["connection"]["protocol"] == "http/1.1"]
    for event in handshake.values():
        assert event["operation"] == record["operation"] and event["backend"] == record["host"]
    assert handshake["Response"]["status"] == 101 and handshake["Request"]["method"] == "GET"
    wrong, done = compare(slots, handshake, record, flavour)
    assert not wrong, "\n".join(wrong[:30])
    return handshake, done, record, result


def compare(slots, handshake, record, flavour):
    """Every exchange of the record against its two events."""
    wrong, done = [], []
    rest = [slot for slot in slots if slot is not handshake]
    for one in record["exchanges"]:
        slot = next((slot for slot in rest if fits(slot, one)), None)
        if slot is None:
            wrong.append(f"no events for {one}")
            continue
        rest.remove(slot)
        done.append((one, slot["Request"], slot["Response"]))
        out = truth.Differences()
        for event in slot.values():
            out.equal("operation", event["operation"], record["operation"])
            out.equal("protocol", event["connection"]["protocol"], "websocket")
            out.equal("backend", event["backend"], OPENAI if flavour == "openai" else AZURE)
            out.equal("identity", event["identity"], handshake["Request"]["identity"])
        compare_one(out, one, slot["Request"], slot["Response"])
        wrong += [f"{one.get('response_id', one['kind'])}: {line}" for line in out]
    return wrong, done


def fits(slot, one):
    if one["outcome"] == "stream-error" and one.get("request"):
        # Refused: the client is never told of an id.
        return slot["Request"].get("body-sha256") == one["request"]["sha256"]
    if one["kind"] == "response":
        return slot["Response"].get("response-id") == one["response_id"]
    return (
        one["item_id"] in set(truth_parts.strings(slot["Response"])) and "response-id" not in slot["Response"]
    )


def sums(value):
    """All {bytes, sha256} in a value."""
    if isinstance(value, dict):
        if {"bytes", "sha256"} <= value.keys():
            yield {"bytes": value["bytes"], "sha256": value["sha256"]}
        for one in value.values():
            yield from sums(one)
    elif isinstance(value, list):
        for one in value:
            yield from sums(one)


def compare_one(out, one, request, response):
    for kind, event in (("request", request), ("response", response)):
        if one.get(kind):
            out.equal(f"{kind}'s bytes", event["body-bytes"], one[kind]["bytes"])
            out.equal(f"{kind}'s hash", event.get("body-sha256"), one[kind]["sha256"])
    out.equal("outcome", response["outcome"], one["outcome"])
    if "usage" in one:
        out.equal("usage", response.get("usage"), one["usage"])
        out.equal("prompt_tokens", response.get("prompt_tokens"), one["usage"]["input_tokens"])
        out.equal("completion_tokens", response.get("completion_tokens"), one["usage"]["output_tokens"])
        out.equal("total_tokens", response.get("total_tokens"), one["usage"]["total_tokens"])
    if "finish_reason" in one:
        out.equal("finish-reason", response.get("finish-reason"), one["finish_reason"])
    said = set(truth_parts.strings(truth_parts.answered(response)))
    for key in ("text", "transcript", "tool"):
        if one.get(key):
            out.equal(f"{key} is in the event", one[key] in said, True)
    if one.get("output_audio") and one["output_audio"]["bytes"]:
        out.equal("output audio", one["output_audio"] in list(sums(response.get("output"))), True)
    if one["kind"] == "response" and one.get("request"):
        for audio in one.get("input_audio", []):
            out.equal("input audio", audio in list(sums(request.get("input"))), True)


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("flavour", ["openai", "azure-v1"])
@CLIENTS
def test_texts_and_tools(agent, clients, endpoint, quiet, name, flavour, deflate):
    _, done, record, result = run(agent, clients, endpoint, name, texts_session(), flavour, deflate=deflate)
    assert record["deflated"] is deflate and result["error"] is None and len(done) == 3
    (_, first, answer), (_, second, call), _ = done
    assert first["instructions"] == "Sei kurz." and first["tools"][0]["name"] == "weather"
    assert "Grüße 😀" in "".join(truth_parts.strings(first["input"]))
    assert answer["output"][0]["type"] == "message" and call["output"][0]["type"] == "function_call"
    assert call["output"][0]["arguments"] == '{"place": "Z\\u00fcrich \\ud83d\\ude00"}'
    assert second["message-id"] != first["message-id"]


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@CLIENTS
def test_audio(agent, clients, endpoint, quiet, name, deflate):
    """A turn that the client ends, one that the server ends, and its transcription."""
    steps = audio_session()
    _, done, record, result = run(agent, clients, endpoint, name, steps, deflate=deflate)
    assert result["error"] is None
    assert sorted(one["kind"] for one, _, _ in done) == ["response", "response", "transcription"]
    assert record["audio_in"] == 5 * 4800 + 3 * 2400 + 480


@CLIENTS
def test_azure_preview(agent, clients, endpoint, quiet, name):
    """The beta's names of events, the deployment in the query."""
    beta = [
        {"send": {"type": "session.update", "session": {"modalities": ["text"]}}},
        {"wait": "session.updated"},
    ]
    steps = [OPENED, *beta, *say(text="Beta " * 30), DONE]
    handshake, _, record, _ = run(agent, clients, endpoint, name, steps, "azure")
    assert record["operation"] == "Realtime_Connect"
    assert handshake["Request"]["deployment-id"] == "gpt-realtime"


@CLIENTS
def test_client_cancels(agent, clients, endpoint, quiet, name):
    steps = [
        OPENED,
        *update(output_modalities=["text"]),
        *say(text="lang " * 200, pieces=40, hold=True),
        {"wait": "response.output_text.delta", "times": 5},
        {"send": {"type": "response.cancel"}},
        DONE,
        *say(text="danach"),
        DONE,
    ]
    _, done, _, _ = run(agent, clients, endpoint, name, steps)
    assert [response["outcome"] for _, _, response in done] == ["interrupted", "ok"]


@pytest.mark.parametrize("who", ["server", "client"])
@CLIENTS
def test_interrupted(agent, sandbox, endpoint, quiet, name, who):
    """The connection ends in the middle of an answer: what was said so far is kept."""
    directive = {"cut": True} if who == "server" else {"hold": True}
    steps = [
        OPENED,
        *update(output_modalities=["text"]),
        *say(text="bis hierher " * 50, pieces=30, **directive),
    ]
    steps += [{"wait": "response.output_text.delta", "times": 10}]
    steps += [{"wait": "response.done"}] if who == "server" else [{"leave": True}]
    # A program that ends, as in test_ends.
    with drive.Client(sandbox, name) as client:
        session(client, steps, "openai")
        (record,) = endpoint.take(1)
    slots = truth.pair(agent.take(4)).values()
    (slot,) = [slot for slot in slots if slot["Request"]["connection"]["protocol"] == "websocket"]
    (one,) = record["exchanges"]
    response = slot["Response"]
    assert one["outcome"] == response["outcome"] == "interrupted"
    assert slot["Request"]["body-sha256"] == one["request"]["sha256"]
    said = max(truth_parts.strings(response["output"]), key=len)
    assert len(said) > 100 and one["text"].startswith(said)


@CLIENTS
def test_refused(agent, clients, endpoint, quiet, name):
    steps = [
        OPENED,
        *update(output_modalities=["text"]),
        *say(error="rate_limit_exceeded"),
        {"wait": "error"},
    ]
    _, done, _, _ = run(agent, clients, endpoint, name, steps + [*say(text="danach"), DONE])
    (_, _, first), (_, _, second) = done
    assert first["outcome"] == "stream-error" and first["error"]["code"] == "rate_limit_exceeded"
    assert second["outcome"] == "ok"


def test_handshake_answer_lost(sandbox, endpoint, agent_ready, tmp_path):
    """The ring is full when the 101 comes, with an agent that stands still: frames tell that there is a session, and
    what comes after the loss is read."""
    frames = FrameProtocol(client=True, extensions=[])
    gates = [tmp_path / "full", tmp_path / "on"]
    head = (
        "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: api.openai.com\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {drive.credential('openai')['value']}\r\n\r\n"
    )

    def send(data):
        return {"send": base64.b64encode(data).decode()}

    talk = [step["send"] for step in say(text="Nach dem Loch. " * 20) if "send" in step]
    steps = [send(head.encode()), {"gate": str(gates[0])}]
    steps += [send(frames.ping()) for _ in range(400)]
    steps += [{"until": "session.created"}, {"gate": str(gates[1])}]
    steps += [send(frames.send_data(json.dumps(one), fin=True)) for one in talk]
    steps += [{"until": '"response.done"'}, send(frames.close(1000))]

    results = []
    with agents.Agent(sandbox.path / "agent-answer-lost", capture={"ring_size": "64KiB"}) as agent:
        client = threading.Thread(target=lambda: results.append(drive.raw(sandbox, OPENAI, steps)))
        client.start()
        assert agent.wait(1)
        os.kill(agent.process.pid, signal.SIGSTOP)
        gates[0].touch()
        time.sleep(1)
        os.kill(agent.process.pid, signal.SIGCONT)
        time.sleep(0.5)
        gates[1].touch()
        client.join()
        slots = list(truth.pair(agent.take(4)).values())
        status = agent.status()
        assert agent.stop() == 0
    (record,) = endpoint.take(1)
    assert results[0]["error"] is None
    by_protocol = {slot["Request"]["connection"]["protocol"]: slot for slot in slots}
    assert "status" not in by_protocol["http/1.1"]["Response"]
    assert by_protocol["http/1.1"]["Response"]["capture"]["reason"] == "ring-full"
    # What the server said first went down with the 101, and is missing there: the answer has all but that.
    wrong, ((_, _, response),) = compare(slots, by_protocol["http/1.1"], record, "openai")
    assert all("response's bytes" in line or "response's hash" in line for line in wrong), wrong
    assert response["capture"]["complete"] and response["outcome"] == "ok"
    assert status["messages"]["left-out"] <= 2, "more than the frames of the end"
    assert agents.dropped(status)
