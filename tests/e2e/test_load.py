# SPDX-License-Identifier: Apache-2.0
"""Many connections at once: nothing lost with a ring of the usual size; with a tiny one, every loss is told
and no answer is ever paired with another's request."""

import os
import re
import signal
import subprocess
import time

import pytest

import agent as agents
import answers
import drive
import truth
from conftest import LOAD_ADDRESS
from sandbox import OPENAI

CONNECTIONS, EXCHANGES = 16, 1000


def load(sandbox, program, name, address=LOAD_ADDRESS, exchanges=EXCHANGES):
    path = sandbox.path / f"load-{name}"
    command = [program, "client", "--host", OPENAI, "--address", address, "--truth", path, "--seconds", 200]
    command += ["--connections", CONNECTIONS, "--exchanges", exchanges, "--request", 4096, "--response", 2048]
    return sandbox.spawn(command, stdout=subprocess.PIPE), path


def read_truth(path):
    """{id: (hash of the request's body, of the answer's)}"""
    return {
        name: (request, answer) for name, request, answer in map(str.split, path.read_text().splitlines())
    }


def asked(event):
    """The id that a request event holds, or None."""
    return (event.get("parameters") or {}).get("user")


@pytest.mark.timeout(600)
def test_sixteen_connections(sandbox, endpoint, agent_ready, loadgen):
    """As fast as the machine can: 32,000 events, each right, and nothing dropped."""
    with agents.Agent(sandbox.path / "agent-load") as agent:
        agent.parsing.clear()
        process, path = load(sandbox, loadgen, "full")
        assert process.wait(240) == 0
        print(process.stdout.read().decode().strip())
        agent.parsing.set()
        events = settle(agent)
        status = agent.status()
        assert agent.stop() == 0
    want = read_truth(path)
    assert len(want) == CONNECTIONS * EXCHANGES
    assert agents.dropped(status) == {}
    assert len(events) == 2 * CONNECTIONS * EXCHANGES
    assert status["events"]["request"] == status["events"]["response"] == CONNECTIONS * EXCHANGES
    seen = set()
    for slot in truth.pair(events).values():
        request, response = slot["Request"], slot["Response"]
        name = asked(request)
        assert name not in seen
        seen.add(name)
        assert (request["body-sha256"], response["body-sha256"]) == want[name]
        assert response["response-id"] == name
        assert request["capture"]["complete"] and response["capture"]["complete"]
        text = response["choices"][0]["message"]["content"]
        assert text.startswith(f"0 {name} ") and response["total_tokens"] == 18
    assert seen == set(want)


@pytest.mark.timeout(600)
def test_tiny_ring(sandbox, endpoint, agent_ready, loadgen, texts):
    """64 KiB, and an agent that is stopped again and again: it survives, and tells what is missing."""
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-tiny", capture={"ring_size": "64KiB"}) as agent:
        process, path = load(sandbox, loadgen, "tiny", exchanges=300)
        for _ in range(8):
            time.sleep(0.15)
            os.kill(agent.process.pid, signal.SIGSTOP)
            time.sleep(0.1)
            os.kill(agent.process.pid, signal.SIGCONT)
        assert process.wait(240) == 0
        events = settle(agent)
        status = agent.status()
        # What comes after the storm is whole again.
        with drive.Client(sandbox, "httpx") as client:
            results = client.run(texts, flavour="openai", exchanges=[{}] * 10)
        calm = agent.take(20)
        assert truth.compare_all(calm, endpoint.take(10), results) == []
        assert agent.stop() == 0
    want = read_truth(path)
    assert len(want) == CONNECTIONS * 300
    full = [name for name in agents.dropped(status) if name.startswith("ring-full")]
    assert full, "the ring never was full: this run showed nothing"
    assert judge(events, want) > 0, "drops were counted but no event says so"


def settle(agent):
    """All events, once no more have come for two seconds and what the agent printed has been looked at."""
    events, pause = [], 0
    while pause < 2 or not agent.lines.empty():
        more = agent.drain(1.0)
        events += more
        pause = 0 if more else pause + 1
    assert agent.alive(), agent.messages()[-2000:]
    return events


def judge(events, want):
    """Whole events are right, the others say so, and no answer is paired with another's request. How many are
    not whole."""
    whole = lost = 0
    for slot in truth.pair(events).values():
        for kind, place in (("Request", 0), ("Response", 1)):
            event = slot.get(kind)
            if not event:
                continue
            capture = event["capture"]
            if not capture["complete"]:
                lost += 1
                assert capture["missing-bytes"] > 0 or capture.get("reason"), truth.short(event)
                continue
            whole += 1
            name = asked(event) if kind == "Request" else event.get("response-id")
            assert event["body-sha256"] == want[name][place], truth.short(event)
            if kind == "Response":
                text = event["choices"][0]["message"]["content"]
                assert set(re.findall(r"load-\d+-\d+", text)) == {name}
        if slot.keys() == {"Request", "Response"}:
            request, response = asked(slot["Request"]), slot["Response"].get("response-id")
            assert not request or not response or request == response, f"{request} paired with {response}"
    assert whole > len(want) / 10, f"only {whole} whole events of {len(want)} exchanges"
    print(f"{whole} whole events, {lost} incomplete ones")
    return lost


def test_events_of_a_tiny_ring_are_never_spliced(sandbox, endpoint, agent_ready, loadgen):
    """Bodies larger than the ring itself: each has a gap, or is whole and right."""
    with agents.Agent(sandbox.path / "agent-splice", capture={"ring_size": "64KiB"}) as agent:
        path = sandbox.path / "load-splice"
        command = [
            loadgen,
            "client",
            "--host",
            OPENAI,
            "--truth",
            path,
            "--connections",
            4,
            "--exchanges",
            20,
        ]
        done = sandbox.run([*command, "--request", 500_000, "--response", 300_000], timeout=120)
        assert done.returncode == 0, done.stderr
        events = settle(agent)
        assert agent.stop() == 0
    want = read_truth(path)
    hashes = {value for pair in want.values() for value in pair}
    for event in events:
        capture = event["capture"]
        if capture["complete"]:
            assert event["body-sha256"] in hashes
        else:
            assert capture["missing-bytes"] > 0 or capture.get("reason")
            assert event.get("body-sha256") is None or event["body-sha256"] in hashes
            messages = answers.canonical(event.get("messages") or event.get("choices") or [])
            assert len(set(re.findall(r"load-\d+-\d+(?= Gr)", messages))) <= 1, (
                "text of two exchanges in one event"
            )
