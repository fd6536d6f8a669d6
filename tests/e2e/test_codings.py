# SPDX-License-Identifier: Apache-2.0
"""Content codings: each that a client takes, plain and streamed. Events hold what the client read, without the coding;
a body that does not keep what its coding promises is told, and harms nothing."""

import pytest
from conftest import check

import drive
import truth
from sandbox import OPENAI

CODINGS = ["gzip", "deflate", "raw-deflate", "br", "zstd", "gzip, br"]
# client, members of its jobs, codings that it takes
CLIENTS = {
    "curl": ({"compressed": True}, set(CODINGS)),
    "httpx": ({}, set(CODINGS)),
    "openai-python": ({}, set(CODINGS)),
    "fetch": ({}, {"gzip", "deflate", "raw-deflate", "br", "gzip, br"}),
}
USAGE = {"stream_options": {"include_usage": True}}
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@STREAMS
@pytest.mark.parametrize("name", CLIENTS)
def test_every_coding(shared, name, stream):
    more, takes = CLIENTS[name]
    directives = [{"coding": coding, "answer_bytes": size} for coding in CODINGS for size in (40, 20_000)]
    directives += [
        {"coding": coding, "answer_bytes": 9000, "framing": "chunked", "ragged": True} for coding in CODINGS
    ]
    done = shared(
        name, flavour="openai", stream=stream, exchanges=directives, extra=USAGE if stream else {}, **more
    )
    assert {record["response_coding"] for _, record, _ in done if "response_coding" in record} == takes
    for slot, record, _ in done:
        coding = record["response_headers"].get("Content-Encoding")
        assert slot["Response"]["headers"].get("content-encoding") == coding


@STREAMS
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_large_answers(shared, coding, stream):
    directives = [{"coding": coding, "answer_bytes": 2_000_000}]
    ((_, record, _),) = shared("httpx", flavour="azure", stream=stream, exchanges=directives)
    assert record["response_coding"] == coding


def test_request_with_a_coding(shared):
    done = shared("httpx", flavour="openai", size=30_000, exchanges=[{}, {"coding": "gzip"}], compress=True)
    assert all(record["request_wire_len"] < record["request_body_len"] for _, record, _ in done)


def test_transfer_coding(shared):
    directives = [
        {"transfer": "gzip", "answer_bytes": 20_000},
        {"trailers": {"x-check": "1"}, "framing": "chunked"},
    ]
    shared("curl", flavour="openai", exchanges=directives, tr_encoding=True)


def told(slot, record):
    """The event says that it does not hold the whole body, and why; it claims nothing more."""
    response = slot["Response"]
    assert response["status"] == 200
    assert response.get("problem") or not response["capture"]["complete"], truth.short(response)
    assert response.get("body-sha256") != record["response_body_sha256"]


@STREAMS
@pytest.mark.parametrize("coding, at", [("gzip", 600), ("deflate", 600), ("br", 0), ("zstd", 600)])
def test_damaged(agent, clients, endpoint, texts, quiet, coding, at, stream):
    """The next exchanges are whole. Damage in the middle of br need not show: it has no checksum."""
    directives = [{"coding": coding, "answer_bytes": 20_000, "corrupt": at}, {}, {"coding": coding}]
    results = clients("httpx").run(texts, flavour="openai", stream=stream, exchanges=directives)
    records = truth.by_id(endpoint.take(3))
    events = agent.take(6)
    slots = by_name(events, records)
    first, *rest = (result["id"] for result in results)
    assert results[0]["error"]
    told(slots[first], records[first])
    for name in rest:
        assert truth.compare_exchange(slots[name], records[name]) == []


def by_name(events, records):
    names = truth.names_by_answer(records.values())
    return {truth.name_of(slot, names): slot for slot in truth.pair(events).values()}


def test_not_the_coding_it_says(agent, clients, endpoint, texts, quiet):
    """A body that is no gzip at all: damage from its first byte on."""
    (result,) = clients("curl").run(
        texts,
        flavour="openai",
        exchanges=[{"coding": "gzip", "force": True, "corrupt": 0}],
        compressed=True,
    )
    records = truth.by_id(endpoint.take(1))
    told(by_name(agent.take(2), records)[result["id"]], records[result["id"]])


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip"])
def test_bomb(agent, clients, endpoint, texts, quiet, coding):
    """128 MiB of blanks in some kilobytes: the agent's memory does not follow."""
    before = agent.memory("VmHWM")
    directive = {"scenario": "bomb", "coding": coding, "bomb_bytes": 128 << 20, "force": True}
    results = clients("curl").run(texts, flavour="openai", exchanges=[directive], compressed=True)
    (record,) = endpoint.take(1)
    slot = by_name(agent.take(2), {record["id"]: record})[results[0]["id"]]
    told_or_whole(slot["Response"], record)
    assert agent.memory("VmHWM") - before < 48 << 20
    check(agent, endpoint, clients("curl").run(texts, flavour="openai"), "curl")


def told_or_whole(response, record):
    assert response["capture"]["complete"] is False and response["capture"]["reason"], truth.short(response)
    assert response["body-bytes"] <= record["response_body_len"]
    if "body-sha256" in response and response["body-bytes"] == record["response_body_len"]:
        assert response["body-sha256"] == record["response_body_sha256"]


def test_coding_that_nobody_knows(raw):
    """The body is kept as it came."""
    body = drive.chat_body()
    request = drive.message("POST", "/v1/chat/completions", OPENAI, {"Content-Encoding": "x-ours"}, body)
    _, events, (record,) = raw(OPENAI, [drive.send(request), {"answers": 1}])
    (slot,) = truth.pair(events).values()
    assert slot["Request"]["body-bytes"] == len(body)
    assert slot["Request"]["body-sha256"] == record["request_body_sha256"]
