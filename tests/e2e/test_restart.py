# SPDX-License-Identifier: Apache-2.0
"""The agent ends, well or not, in the middle of traffic: the watched programs do not notice, and the store
stays good."""

import sqlite3
import time

import pytest

import agent as agents
import drive
import truth

NAMES = ("openai-python", "openai-node", "urllib")


def start_traffic(sandbox, texts, count=12):
    """Clients with streams that take a while: {client: directives}."""
    clients = {}
    for name in NAMES:
        client = drive.Client(sandbox, name)
        directive = {"answer_bytes": 3000, "delay_ms": 8}
        clients[client] = client.submit(texts, flavour="openai", stream=True, exchanges=[directive] * count)
    return clients


def finish_traffic(clients, endpoint):
    """Every client got every answer whole and ends with 0. The records."""
    results = [result for client in clients for result in client.read()]
    assert [client.close() for client in clients] == [0] * len(clients)
    records = truth.by_id(endpoint.take(len(results)))
    for result in results:
        assert truth.compare_client(result, records[result["id"]]) == []
    return records


def stored(agent):
    """Events of the store as `oaitap tail` gives them."""
    done = agent.command("tail", "-c", agent.config, "--json", "-n", 100_000)
    assert done.returncode == 0, done.stderr
    return agents.load_lines(done.stdout)


def but_for_the_name(differences):
    """The server name of a connection was set when it began: one picked up later has none."""
    return [line for line in differences if "connection.sni: event says None" not in line]


def read(events):
    """Without those about connections that ended before they could be picked up."""
    return [event for event in events if event["event-type"] != "Blind"]


def check_database(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("turn", [1, 2])
def test_kill_and_restart(sandbox, endpoint, texts, agent_ready, turn):
    folder = sandbox.path / f"agent-kill-{turn}"
    endpoint.rest()
    first = agents.Agent(folder)
    clients = start_traffic(sandbox, texts)
    assert first.wait(12, 60)
    first.kill()
    printed = [event["event-id"] for _, event in first.events]
    with agents.Agent(folder) as second:
        records = finish_traffic(clients, endpoint)
        time.sleep(0.5)
        # Connections that were open across the restart may give halves, told as such; whole ones are right.
        for event in read(second.drain(1.5)):
            if event["capture"]["complete"] and event["event-type"] == "Request":
                assert but_for_the_name(truth.compare_request(event, records[truth.request_id(event)])) == []
        with drive.Client(sandbox, "openai-python") as client:
            results = client.run(texts, flavour="azure", exchanges=[{}] * 5)
        after = second.take(10)
        assert truth.compare_all(after, endpoint.take(5), results) == []
        kept = [event["event-id"] for event in stored(second)]
        assert len(kept) == len(set(kept))
        # What was printed after the restart is stored; of what was printed before the kill nothing is lost but,
        # at most, the last batch, which had not been committed.
        assert {event["event-id"] for event in after} <= set(kept)
        lost = [one for one in printed if one not in kept]
        assert lost == printed[len(printed) - len(lost) :], "events before the last ones are lost"
        assert second.stop() == 0
    check_database(folder / "oaitap.db")


def test_started_in_the_middle_of_traffic(sandbox, endpoint, texts, agent_ready):
    """Connections that were open before the agent are picked up at a message start: each client's last exchange is
    recorded whole, and nothing is recorded that was not."""
    endpoint.rest()
    clients = start_traffic(sandbox, texts, count=30)
    time.sleep(1.0)
    with agents.Agent(sandbox.path / "agent-late") as agent:
        records = finish_traffic(clients, endpoint)
        events = read(agent.drain(1.5))
        slots = truth.pair([event for event in events if event["capture"]["complete"]])
        whole = {truth.request_id(slot["Request"]): slot for slot in slots.values() if len(slot) == 2}
        for ids in clients.values():
            assert ids[-1]["id"] in whole, "the last exchange was not picked up"
        for name, slot in whole.items():
            wrong = truth.compare_request(slot["Request"], records[name])
            wrong += truth.compare_response(slot["Response"], records[name])
            assert but_for_the_name(wrong) == []
        assert any("sni" not in slot["Request"]["connection"] for slot in whole.values()), "none was open before"
        # A half tells that it is one.
        assert all(event["capture"].get("reason") for event in events if not event["capture"]["complete"])
        assert agent.stop() == 0


def test_terminate_in_the_middle_of_traffic(sandbox, endpoint, texts, agent_ready):
    """SIGTERM: what was captured is written, exit 0, soon."""
    folder = sandbox.path / "agent-term"
    endpoint.rest()
    agent = agents.Agent(folder)
    clients = start_traffic(sandbox, texts, count=8)
    assert agent.wait(12, 60)
    started = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - started < 10
    assert not agent.problems, agent.problems[0]
    printed = {event["event-id"] for _, event in agent.events}
    assert {event["event-id"] for event in stored(agent)} == printed
    finish_traffic(clients, endpoint)
    check_database(folder / "oaitap.db")


def test_store_holds_what_was_printed(sandbox, endpoint, texts, agent_ready):
    """The same JSON, in the same order, large ones included."""
    with agents.Agent(sandbox.path / "agent-store") as agent:
        endpoint.rest()
        with drive.Client(sandbox, "httpx") as client:
            results = client.run(
                texts, flavour="openai", size=300_000, exchanges=[{"answer_bytes": 300_000}] * 4
            )
        events = agent.take(8)
        assert truth.compare_all(events, endpoint.take(4), results) == []
        assert stored(agent) == events
        assert agent.stop() == 0
