# SPDX-License-Identifier: Apache-2.0
"""Bytes that are wrong on purpose, from either side: the agent lives, its memory is bounded, and an event or
a counter says what was wrong. After each of them an ordinary exchange is right."""

import json
import random

import pytest

import agent as agents
import answers
import drive
import truth
from conftest import check
from sandbox import OPENAI

MEMORY_MAX = 300 << 20


@pytest.fixture(scope="module")
def baseline(agent, sandbox, endpoint, texts):
    """Memory of an agent that has seen some traffic."""
    with drive.Client(sandbox, "httpx") as client:
        check(agent, endpoint, client.run(texts, flavour="openai", exchanges=[{}] * 3))
    return agent.memory()


@pytest.fixture(autouse=True)
def bounded(agent, baseline, sandbox, endpoint, texts, quiet):
    yield
    agent.drain(0.3)
    endpoint.rest()
    assert agent.alive(), agent.messages()[-3000:]
    above = agent.memory("VmHWM") - baseline
    assert above < MEMORY_MAX, f"{above >> 20} MiB above the baseline"
    with drive.Client(sandbox, "httpx") as client:
        check(agent, endpoint, client.run(texts, flavour="openai", exchanges=[{}]))


def chat(directive=None, **fields):
    return drive.message("POST", "/v1/chat/completions", OPENAI, fields, drive.chat_body(directive))


def told(event):
    """An event that does not claim to be whole and right, or says what is wrong."""
    return event["capture"]["complete"] is False or bool(event.get("problem"))


def troubles(agent):
    """Counters that only grow when something could not be read or was left out."""
    flat = agents.flat(agent.status())
    good = ("messages.seen",)
    return {
        name: n
        for name, n in flat.items()
        if name.startswith(("dropped.", "left-out.", "messages.")) and name not in good
    }


def grown(agent, before):
    return [name for name, number in troubles(agent).items() if number > before.get(name, 0)]


ANSWERS = [
    "hostile-header",
    "hostile-many-headers",
    "hostile-chunk-size",
    "hostile-content-length",
    "hostile-truncated-json",
    "hostile-invalid-utf8",
    "hostile-nul",
    "hostile-deep",
]


@pytest.mark.parametrize("scenario", ANSWERS)
def test_hostile_answer(agent, sandbox, endpoint, scenario):
    drive.raw(sandbox, OPENAI, [drive.send(chat({"scenario": scenario}, Connection="close")), {"end": True}])
    (record,) = endpoint.take(1)
    events = agent.take(2, settle=0.3)
    (slot,) = truth.pair(events).values()
    assert truth.compare_request(slot["Request"], record) == []
    assert told(slot["Response"]), truth.short(slot["Response"])
    if scenario in ("hostile-truncated-json", "hostile-invalid-utf8", "hostile-nul", "hostile-deep"):
        assert slot["Response"]["body-sha256"] == record["response_body_sha256"]


@pytest.mark.timeout(200)
def test_line_of_100_megabytes(agent, sandbox, endpoint):
    body = sandbox.path / "line-body"
    body.write_bytes(drive.chat_body({"scenario": "hostile-sse-line"}, stream=True))
    done = sandbox.run(
        [
            "curl",
            "--silent",
            "--fail",
            "--no-buffer",
            "--output",
            "/dev/null",
            "--write-out",
            "%{size_download}",
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            f"@{body}",
            f"https://{OPENAI}/v1/chat/completions",
        ],
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    (record,) = endpoint.take(1)
    assert int(done.stdout) == record["response_body_len"] > 100 << 20
    (slot,) = truth.pair(agent.take(2, timeout=60)).values()
    response = slot["Response"]
    assert told(response)
    if response["capture"]["missing-bytes"]:
        assert "body-sha256" not in response and response["body-bytes"] < record["response_body_len"]
    else:
        assert response["body-bytes"] == record["response_body_len"]
        assert response["body-sha256"] == record["response_body_sha256"]


def test_random_answer(agent, sandbox, endpoint):
    before = troubles(agent)
    drive.raw(sandbox, OPENAI, [drive.send(chat({"scenario": "hostile-random"})), {"end": True}])
    endpoint.take(1)
    events = agent.drain(1.0)
    kinds = sorted(event["event-type"] for event in events)
    assert kinds in (["Request"], ["Request", "Response"])
    response = [event for event in events if event["event-type"] == "Response"]
    counted = grown(agent, before)
    assert all(map(told, response)) and (response or counted), f"neither an event nor a counter: {counted}"


@pytest.mark.parametrize("seed", range(6))
def test_random_request(agent, sandbox, endpoint, seed):
    """A program that writes random bytes on an AI host's connection: at once, or after a good exchange."""
    before = troubles(agent)
    noise = random.Random(seed).randbytes([1, 100, 5_000, 70_000, 300_000, 5_000_000][seed])
    steps = [drive.send(noise), {"pause": 0.3}]
    if seed % 2:
        steps = [drive.send(chat()), {"answers": 1}, *steps]
    drive.raw(sandbox, OPENAI, steps)
    events = agent.drain(1.0)
    if seed % 2:
        (record,) = (one for one in endpoint.rest() if one.get("status") == 200)
        good = [event for event in events if not told(event)]
        (slot,) = truth.pair(good).values()
        assert truth.compare_exchange(slot, record) == []
        events = [event for event in events if told(event)]
    counted = grown(agent, before)
    assert all(map(told, events)), [truth.short(event) for event in events if not told(event)]
    assert events or counted, "neither an event nor a counter"


def test_request_head_of_1_megabyte(agent, sandbox, endpoint):
    body = drive.chat_body()
    request = drive.message("POST", "/v1/chat/completions", OPENAI, {"x-long": "A" * (1 << 20)}, body)
    drive.raw(sandbox, OPENAI, [drive.send(request), {"answers": 1}])
    (record,) = endpoint.take(1)
    assert record["status"] == 200
    events = agent.drain(1.0)
    requests = [event for event in events if event["event-type"] == "Request"]
    assert len(requests) == 1 and told(requests[0])


def test_endless_request_line(agent, sandbox):
    before = troubles(agent)
    drive.raw(sandbox, OPENAI, [drive.send(b"POST /v1/" + b"a" * (3 << 20)), {"pause": 0.3}])
    events = agent.drain(1.0)
    assert all(map(told, events))
    assert events or grown(agent, before)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model":"m","messages":[{"role":"user","content":"cut',
        b'{"model":"m","messages":"not a list"}',
        b'{"model":["m"],"messages":[1,null,{"role":7}],"stream":"yes"}',
        b"[1,2,3]",
        b'{"model":"m","messages":[{"role":"user","content":"\xff\xfe\xed\xa0\x80"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"a\\u0000b\\ud800c"}]}',
        b'{"model":"m\x00","messages":[]}\x00\x00\x00',
        b'{"model":"m","model":"n","messages":[],"x":123456789012345678901234567890,"y":1e999}',
        b'{"a":' * 100_000,
        b"\x00" * 1000,
    ],
    ids=range(12),
)
def test_hostile_request_body(agent, sandbox, endpoint, body):
    """Both events come, the hash is that of the bytes, and what could not be read is said."""
    request = drive.message("POST", "/v1/chat/completions", OPENAI, {"Content-Length": str(len(body))}, body)
    drive.raw(sandbox, OPENAI, [drive.send(request), {"answers": 1}])
    (record,) = endpoint.take(1)
    (slot,) = truth.pair(agent.take(2)).values()
    event = slot["Request"]
    assert (event["body-bytes"], event.get("body-sha256", answers.sha256(b""))) == (
        len(body),
        answers.sha256(body),
    )
    assert event.get("problem"), truth.short(event)
    assert slot["Response"]["status"] == record["status"]


def test_lying_lengths(agent, sandbox, endpoint):
    """Both framings at once, a negative length, two lengths: never a crash, never a right-looking event."""
    for fields in (
        {"Content-Length": "-5"},
        {"Content-Length": "5, 6"},
        {"Content-Length": "99999999999999999999"},
        {"Transfer-Encoding": "chunked", "Content-Length": "3"},
    ):
        request = drive.message("POST", "/v1/chat/completions", OPENAI, fields, b"ffffffffffffffff\r\nabc")
        drive.raw(sandbox, OPENAI, [drive.send(request), {"pause": 0.2}])
        assert all(map(told, agent.drain(0.7))), fields
    endpoint.rest()


def test_many_connections_left_open(agent, sandbox, endpoint):
    """A client that opens connections and never ends a request."""
    script = (
        "import socket, ssl, time\n"
        "c = ssl.create_default_context(); keep = []\n"
        "for i in range(300):\n"
        f"    s = c.wrap_socket(socket.create_connection(('{OPENAI}', 443)), server_hostname='{OPENAI}')\n"
        "    s.sendall(b'POST /v1/chat/completions HTTP/1.1\\r\\nHost: x\\r\\n')\n"
        "    s.sendall(b'Content-Length: 99999999\\r\\n\\r\\n' + b'x' * 20000)\n"
        "    keep.append(s)\n"
        "time.sleep(0.5)\n"
    )
    done = sandbox.run([*drive.PYTHON, "-c", script], timeout=100)
    assert done.returncode == 0, done.stderr
    events = agent.drain(2.0)
    assert all(map(told, events)) and len(events) <= 300
    json.dumps(agent.status())
