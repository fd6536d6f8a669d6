# SPDX-License-Identifier: Apache-2.0
"""tail, show, status, doctor and config, on a store that real traffic has filled. With --json standard output
is JSON and nothing else."""

import json
import os
import re
import subprocess
import time

import pytest
import yaml

import agent as agents
import drive
from conftest import check, wait_for
from sandbox import AZURE, end


@pytest.fixture(scope="module")
def traffic(agent, sandbox, endpoint, texts):
    """Three exchanges: plain, streamed, failed. [(pair of events, record, result)]"""
    endpoint.rest()
    with drive.Client(sandbox, "httpx") as client:
        results = client.run(texts, flavour="azure", exchanges=[{"answer_bytes": 300}])
        results += client.run(texts, flavour="openai", stream=True, exchanges=[{"answer_bytes": 300}])
        results += client.run(texts, flavour="azure", exchanges=[{"scenario": "error-404"}])
    return check(agent, endpoint, results)


def run(agent, *args, code=0):
    done = agent.command(*args)
    assert done.returncode == code, f"{args}: exit {done.returncode}: {done.stderr}"
    return done.stdout


def events_of(traffic):
    return [slot[kind] for slot, _, _ in traffic for kind in ("Request", "Response")]


def test_tail_json(agent, traffic):
    assert agents.load_lines(run(agent, "tail", "-c", agent.config, "--json")) == events_of(traffic)
    last = run(agent, "tail", "-c", agent.config, "--json", "-n", 2)
    assert agents.load_lines(last) == events_of(traffic)[-2:]


def test_tail_for_people(agent, traffic):
    text = run(agent, "tail", "-c", agent.config)
    for part in (AZURE, "api.openai.com", "gpt-4o-2024-11-20", "404"):
        assert part in text, text
    assert "\x1b" not in text, "colour though standard output is no terminal"


def test_tail_follows(agent, sandbox, endpoint, texts, traffic):
    command = [str(agents.BINARY), "tail", "-c", str(agent.config), "--json", "-n", "0", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as tail:
        try:
            time.sleep(0.3)
            with drive.Client(sandbox, "curl") as client:
                ((slot, _, _),) = check(agent, endpoint, client.run(texts, flavour="azure"))
            lines = [json.loads(tail.stdout.readline()) for _ in range(2)]
        finally:
            end(tail)
    assert lines == [slot["Request"], slot["Response"]]


def test_show(agent, traffic):
    for slot, record, _ in traffic:
        name = slot["Request"]["message-id"]
        shown = json.loads(run(agent, "show", name, "-c", agent.config, "--json"))
        assert shown == [slot["Request"], slot["Response"]]
        text = run(agent, "show", name, "-c", agent.config)
        for part in (name, record["host"], str(record["status"])):
            assert part in text, text
        if record["status"] == 200:
            answer = slot["Response"]["choices"][0]["message"]["content"]
            assert re.search(r"[0-9a-f]{9,}", answer).group() in text and record["answer_model"] in text
    unknown = agent.command("show", "00000000-0000-7000-8000-000000000000", "-c", agent.config)
    assert unknown.returncode == 1 and unknown.stdout == "" and unknown.stderr


def test_control_characters_do_not_reach_a_terminal(agent, sandbox, endpoint, texts, traffic):
    """A prompt must not be able to move the cursor of whoever looks at it."""
    path = sandbox.path / "escape-text"
    path.write_text("before \x1b[2J\x1b]0;owned\x07\u009b31m after\r\n\x08\x7f", encoding="utf-8", newline="")
    with drive.Client(sandbox, "httpx") as client:
        ((slot, _, _),) = check(agent, endpoint, client.run(texts, flavour="azure", text_file=str(path)))
    for text in (
        run(agent, "show", slot["Request"]["message-id"], "-c", agent.config),
        run(agent, "tail", "-c", agent.config, "-n", 2),
    ):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", text), repr(text)


def test_status(agent, traffic):
    status = agent.status()
    assert status["events"]["request"] >= 3 and status["events"]["request"] == status["events"]["response"]
    assert status["ring"]["records"] > 0 and status["ring"]["bytes"] > 0
    assert agents.dropped(status) == {}
    assert "dropped" in run(agent, "status", "--socket", agent.socket).lower()


def test_doctor(agent, sandbox, endpoint, texts, traffic):
    with drive.Client(sandbox, "httpx") as client:
        client.run(texts, flavour="azure")
        report = json.loads(run(agent, "doctor", "--json"))
        text = run(agent, "doctor")
    agent.take(2)
    endpoint.rest()
    flat = json.dumps(report)
    assert "libssl" in flat and str(client.process.pid) in flat
    for part in ("BTF", "ring", "libssl"):
        assert part.lower() in text.lower(), text


def test_config(agent):
    run(agent, "config", "check", "-c", agent.config)
    printed = yaml.safe_load(run(agent, "config", "print", "-c", agent.config))
    assert printed["store"]["path"] == str(agent.store)
    assert printed["capture"]["max_body"] == "4MiB"
    assert sorted(printed["hosts"]) == ["*.openai.azure.com", "api.openai.com"]
    again = agent.folder / "again.yaml"
    again.write_text(run(agent, "config", "print", "-c", agent.config), encoding="utf-8")
    assert run(agent, "config", "print", "-c", again) == again.read_text(encoding="utf-8")
    assert "ring_size" in run(agent, "config", "help") and "power of two" in run(
        agent, "config", "help", "capture.ring_size"
    )


def test_pretty_output(sandbox, endpoint, texts, agent_ready):
    """The view for people, on a pipe: no colour, one exchange in a few lines, no credential."""
    folder = sandbox.path / "agent-pretty"
    with agents.Agent(folder, output="pretty", keep_raw=True) as agent:
        endpoint.rest()
        with drive.Client(sandbox, "curl") as client:
            client.run(texts, flavour="azure", exchanges=[{"answer_bytes": 300}])
        endpoint.take(1)
        wait_for(lambda: b"gpt-4o-2024-11-20" in agent.raw)
        text = bytes(agent.raw).decode()
        assert agent.stop() == 0
    for part in (AZURE, "chat-prod", "gpt-4o-2024-11-20", "200", "curl"):
        assert part in text, text
    assert "\x1b" not in text
