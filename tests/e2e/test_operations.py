# SPDX-License-Identifier: Apache-2.0
"""Every operation of the API, called by the SDKs and by curl, on every host that has it, over HTTP/1.1 and HTTP/2: each
exchange's two events equal the truth."""

import base64
import json

import pytest
from conftest import OPERATIONS

import calls
import drive
import truth
import truth_parts
from sandbox import OPENAI

# Column of the table: (client, HTTP/2, hosts)
CLIENTS = {
    "py 1.1": ("sdk-python", False, ("openai", "azure", "azure-v1")),
    "py h2": ("sdk-python", True, ("openai", "azure", "azure-v1")),
    "node 1.1": ("sdk-node", False, ("openai", "azure", "azure-v1")),
}
RUNS = [(column, flavour) for column, (_, _, flavours) in CLIENTS.items() for flavour in flavours]
# What a client does not have.
WITHOUT = {"sdk-node": ()}


def judge(agent, endpoint, names, results, comm, table, column):
    """Compares events, records and the client's own view; fills the table in; the list of differences."""
    records = endpoint.take(len(results))
    agent.wait(2 * len(results), 15)
    events = agent.drain(0.2)
    by_id = truth.by_id(records)
    lines = truth.compare_all(events, records, [{**result, "comm": comm} for result in results])
    for result in results:
        name, record = names[result["id"]], by_id[result["id"]]
        lines += [f"{result['id']}: client: {line}" for line in truth_parts.compare_call(result, record)]
        if record["target"].startswith(("/v1/", "/openai/v1/")) and record["operation"] != name.split()[0]:
            lines.append(f"{result['id']}: asked {record['operation']}")
    wrong = {line.split(":")[0] for line in lines}
    for key, name in names.items():
        right, of = table.get((name, column), (0, 0))
        table[name, column] = (right + (key not in wrong), of + 1)
    return shortened(names, lines)


def shortened(names, lines):
    """The first differences of each exchange."""
    of = {}
    for line in lines:
        of.setdefault(line.split(":")[0], []).append(line)
    out = []
    for key, own in of.items():
        out += [f"{names.get(key, '?')} {line}" for line in own[:3]]
        out += [f"  and {len(own) - 3} more"] if len(own) > 3 else []
    return out


@pytest.mark.parametrize("column, flavour", RUNS, ids=[f"{c}-{f}".replace(" ", "-") for c, f in RUNS])
def test_sdk(agent, sandbox, endpoint, quiet, pytestconfig, column, flavour):
    client_name, http2, _ = CLIENTS[column]
    todo = calls.calls(flavour, WITHOUT.get(client_name, ()))
    with drive.Client(sandbox, client_name) as client:
        given = client.submit_calls([call for _, call in todo], flavour=flavour, http2=http2)
        results = client.read()
    names = {one["id"]: name for one, (name, _) in zip(given, todo)}
    table = pytestconfig.stash[OPERATIONS]
    wrong = judge(agent, endpoint, names, results, drive.COMM.get(client_name), table, column)
    assert not wrong, f"{len(wrong)} differences\n" + "\n".join(wrong[:60])


def test_embeddings_have_another_name_in_later_versions(agent, sandbox, endpoint, quiet):
    args = {"model": "emb", "input": "a", "encoding_format": "float"}
    with drive.Client(sandbox, "sdk-python") as client:
        for version, name in (
            ("2024-10-21", "embeddings_create"),
            ("2025-04-01-preview", "Embeddings_Create"),
        ):
            call = {"call": "embeddings.create", "args": args}
            results = client.run_calls([call], flavour="azure", api_version=version)
            (record,) = endpoint.take(1)
            events = agent.take(2)
            assert truth.compare_all(events, [record], results) == []
            assert {event["operation"] for event in events} == {name}


# What curl asks: (name, method, path, JSON or [form fields])
CURL = [
    ("createChatCompletion", "POST", "/v1/chat/completions", {"model": "m", "messages": calls.SAY}),
    ("createEmbedding", "POST", "/v1/embeddings", {"model": "e", "input": ["a", "ü"]}),
    ("createCompletion streamed", "POST", "/v1/completions", {"model": "m", "prompt": "a", "stream": True}),
    ("createResponse", "POST", "/v1/responses", {"model": "m", "input": "Grüße 😀"}),
    ("createResponse streamed", "POST", "/v1/responses", {"model": "m", "input": "Grüße 😀", "stream": True}),
    ("createSpeech", "POST", "/v1/audio/speech", {"model": "t", "input": "a", "voice": "v"}),
    (
        "createTranscription",
        "POST",
        "/v1/audio/transcriptions",
        [["model", "w"], ["file", "a.wav", 9000, "audio/wav"]],
    ),
    (
        "createFile",
        "POST",
        "/v1/files",
        [["purpose", "batch"], ["file", "ä b.jsonl", 150_000, "application/jsonl"]],
    ),
    ("listFiles", "GET", "/v1/files", None),
    ("downloadFile", "GET", "/v1/files/file-1/content", None),
    ("deleteFile", "DELETE", "/v1/files/file-1", None),
    ("listModels", "GET", "/v1/models", None),
    ("createRun streamed", "POST", "/v1/threads/thread_1/runs", {"assistant_id": "a", "stream": True}),
]


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_curl(agent, sandbox, endpoint, quiet, pytestconfig, http):
    asks = []
    for _, method, path, body in CURL:
        one = {"id": drive.new_id(), "method": method, "url": f"https://{OPENAI}{path}"}
        if isinstance(body, dict):
            one["data"] = base64.b64encode(json.dumps(body).encode()).decode()
        elif body:
            one["form"] = body
        asks.append(one)
    with drive.Client(sandbox, "curl") as client:
        client.give({"asks": True, "http": http, "credential": drive.credential("openai"), "exchanges": asks})
        results = client.read()
    names = {one["id"]: name for one, (name, *_) in zip(asks, CURL)}
    table = pytestconfig.stash[OPERATIONS]
    wrong = judge(agent, endpoint, names, results, "curl", table, "curl " + ("h2" if http == "2" else "1.1"))
    assert {result["http"] for result in results} == {http}
    assert not wrong, "\n".join(wrong[:60])
