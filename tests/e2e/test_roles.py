# SPDX-License-Identifier: Apache-2.0
"""capture.roles: a program that serves is recorded as well if that is wanted, each side as exchanges of its own."""

import pytest

import agent as agents
import drive
import truth


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("roles", ["[client, server]", "[server]"])
def test_both_ends(sandbox, endpoint, texts, agent_ready, roles, stream):
    endpoint.rest()
    sides = ["server"] + ["client"] * ("client" in roles)
    with agents.Agent(sandbox.path / f"agent-{stream}-{len(sides)}", capture={"roles": roles}) as agent:
        with drive.Client(sandbox, "httpx") as client:
            results = client.run(texts, flavour="openai", stream=stream, size=40_000, exchanges=[{"answer_bytes": 30_000}] * 4)
        records = truth.by_id(endpoint.take(4))
        events = agent.take(8 * len(sides))
        for side in sides:
            ours = [event for event in events if event["connection"]["role"] == side]
            slots = truth.pair(ours)
            assert len(slots) == 4 and {truth.request_id(slot["Request"]) for slot in slots.values()} == set(records)
            for slot in slots.values():
                check(slot, records[truth.request_id(slot["Request"])], side, results[0]["pid"], endpoint.process.pid)
        assert agents.dropped(agent.status()) == {}
        assert agent.stop() == 0


def check(slot, record, side, client_pid, server_pid):
    request, response = slot["Request"], slot["Response"]
    assert request["body-sha256"] == record["request_body_sha256"]
    assert response["body-sha256"] == record["response_body_sha256"]
    assert request["capture"]["complete"] and response["capture"]["complete"]
    assert request["backend"] == record["host"]
    for event in (request, response):
        assert event["process"]["pid"] == (client_pid if side == "client" else server_pid)
        peers = (f"{record['peer_address']}:{record['peer_port']}", record["address"])
        local, remote = peers if side == "client" else peers[::-1]
        assert event["connection"].get("local", local) == local
        assert event["connection"].get("remote", remote) == remote
    assert "local" in response["connection"]


def test_servers_are_left_alone(sandbox, endpoint, texts, agent_ready):
    """By default what a server reads and writes is not even looked at."""
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-client-only") as agent:
        with drive.Client(sandbox, "curl") as client:
            client.run(texts, flavour="openai", exchanges=[{}] * 2)
        endpoint.take(2)
        events = agent.take(4)
        assert {event["connection"]["role"] for event in events} == {"client"}
        assert agent.stop() == 0
