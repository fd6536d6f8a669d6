# SPDX-License-Identifier: Apache-2.0
"""Unmodified SDK programs, plain and streaming: two events within a second of the client's end."""

import pytest

import agent as agents
import drive
import truth


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("flavour", ["openai", "azure"])
@pytest.mark.parametrize("name", ["openai-python", "openai-node", "curl"])
def test_two_events_within_a_second(agent, sandbox, endpoint, texts, quiet, name, flavour, stream):
    with drive.Client(sandbox, name) as client:
        (result,) = client.run(texts, flavour=flavour, stream=stream, exchanges=[{"answer_bytes": 500}])
    records = endpoint.take(1)
    events = agent.take(2)
    assert truth.compare_all(events, records, [result]) == []
    late = max(agent.arrivals) - result["end"]
    assert late <= 1.0, f"the last event came {late:.2f} s after the client had its answer"
    first, second = events
    assert (first["event-type"], second["event-type"]) == ("Request", "Response")
    assert first["event-time"] <= second["event-time"]


@pytest.mark.parametrize("name", ["openai-python", "openai-node"])
def test_request_is_there_before_the_answer(agent, sandbox, endpoint, texts, quiet, name):
    """The request is on record while the answer is still awaited."""
    with drive.Client(sandbox, name) as client:
        client.submit(texts, flavour="openai", exchanges=[{"wait_ms": 2500}])
        assert agent.wait(1, max(30, agents.WAIT))
        with agent.changed:
            kinds = [event["event-type"] for _, event in agent.events]
        assert kinds == ["Request"] and client.lines.empty()
        (result,) = client.read()
    assert truth.compare_all(agent.take(2), endpoint.take(1), [result]) == []
