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
from conftest import LOAD_ADDRESS, REPEAT, wait_for
from sandbox import OPENAI

# OAITAP_REPEAT=50 makes it 128,000 exchanges.
CONNECTIONS, EXCHANGES = 64, 2000 if REPEAT >= 50 else 250


def load(sandbox, program, name, address=LOAD_ADDRESS, connections=CONNECTIONS, exchanges=EXCHANGES):
    path = sandbox.path / f"load-{name}"
    command = [program, "client", "--host", OPENAI, "--address", address, "--truth", path, "--seconds", 200]
    command += ["--connections", connections, "--exchanges", exchanges, "--request", 4096, "--response", 2048]
    return sandbox.spawn(command, stdout=subprocess.PIPE), path


def read_truth(path):
    """{id: (hash of the request's body, of the answer's)}"""
    return {
        name: (request, answer) for name, request, answer in map(str.split, path.read_text().splitlines())
    }


def dropped_any(agent):
    return agents.dropped(agent.status()) != {}


def asked(event):
    """The id that a request event holds, or None."""
    return (event.get("parameters") or {}).get("user")


@pytest.mark.timeout(600)
def test_many_connections(sandbox, endpoint, agent_ready, loadgen):
    """As fast as the machine can, with the default ring: each event right, and nothing dropped. The events are taken
    from the store afterwards, so that the load is not ours."""
    total = 2 * CONNECTIONS * EXCHANGES
    with agents.Agent(sandbox.path / "agent-load", output="none") as agent:
        process, path = load(sandbox, loadgen, "full")
        assert process.wait(300) == 0
        print(process.stdout.read().decode().strip())
        wait_for(lambda: agent.status()["sinks"]["store"]["written"] >= total or dropped_any(agent), 120)
        time.sleep(1)
        status = agent.status()
        print(f"peak memory {agent.memory('VmHWM') >> 20} MiB; queues {status['queues']}")
        assert agent.stop() == 0
    done = agent.command("tail", "--json", "-n", total + 1, "--store", agent.store, timeout=120)
    events = agents.load_lines(done.stdout)
    for event in events[:: max(1, total // 2000)]:
        agent.validator.validate(event)
    want = read_truth(path)
    assert len(want) == CONNECTIONS * EXCHANGES
    assert agents.dropped(status) == {}
    assert len(events) == total
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
        process, path = load(sandbox, loadgen, "tiny", connections=16, exchanges=300)
        for _ in range(8):
            time.sleep(0.15)
            os.kill(agent.process.pid, signal.SIGSTOP)
            time.sleep(0.1)
            os.kill(agent.process.pid, signal.SIGCONT)
        assert process.wait(240) == 0
        written, read = map(int, re.search(rb"written (\d+) read (\d+)", process.stdout.read()).groups())
        events = settle(agent)
        status = agent.status()
        # What comes after the storm is whole again.
        with drive.Client(sandbox, "httpx") as client:
            results = client.run(texts, flavour="openai", exchanges=[{}] * 10)
        calm = agent.take(20)
        assert truth.compare_all(calm, endpoint.take(10), results) == []
        assert agent.stop() == 0
    want = read_truth(path)
    assert len(want) == 16 * 300
    full = [name for name in agents.dropped(status) if name.startswith("ring-full")]
    assert full, "the ring never was full: this run showed nothing"
    assert judge(events, want) > 0, "drops were counted but no event says so"
    # Every byte that the programs wrote and read is in a record, or is missing in an event, or is counted as missing
    # between events; and the kernel counted the same bytes when it dropped them.
    missing = sum(event["capture"]["missing-bytes"] for event in events) + status["messages"]["missing-bytes"]
    assert status["connections"]["table-full-bytes"] == 0
    assert missing == status["dropped"]["ring-full"]["bytes"]
    assert missing == written + read - status["ring"]["bytes"]


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
