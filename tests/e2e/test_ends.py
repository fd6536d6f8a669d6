# SPDX-License-Identifier: Apache-2.0
"""How exchanges end: with each error that the API has, with an error in the middle of a stream, by the client, by the
server, too early, in another try. Events say which, and keep what there was."""

import json

import pytest

import answers
import calls
import drive
import truth
import truth_parts
from sandbox import OPENAI

CALLS = {
    name: {"call": method, "ids": ids, "args": args, "stream": args.get("stream", False)}
    for name, method, ids, args, _ in calls.CALLS
}
FILTERED = {"error-400-filter", "error-400-inner", "error-400-responses-filter"}


def run_calls(agent, clients, endpoint, todo, flavour, http2=False, **more):
    """Calls with their directives, in one client: [(slot, record, result)]; compared."""
    results = clients("sdk-python").run_calls(todo, flavour=flavour, http2=http2, **more)
    records = endpoint.take(len(results))
    events = agent.take(2 * len(results))
    for record in records:
        record["left"] = record.get("stream") and "error" in record
    wrong = truth.compare_all(events, records, results)
    names = truth.names_by_answer(records)
    records = truth.by_id(records)
    for result in results:
        wrong += truth_parts.compare_call(result, records[result["id"]])
    assert not wrong, "\n".join(wrong[:30])
    slots = {truth.name_of(slot, names): slot for slot in truth.pair(events).values()}
    return [(slots[result["id"]], records[result["id"]], result) for result in results]


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "h2"])
@pytest.mark.parametrize("flavour", ["openai", "azure"])
def test_every_error(agent, clients, endpoint, quiet, flavour, http2):
    names = [
        "createChatCompletion",
        "createChatCompletion streamed",
        "createResponse",
        "createImageEdit",
        "getResponse",
    ]
    todo = [
        {**CALLS[names[i % len(names)]], "directive": {"scenario": scenario}}
        for i, scenario in enumerate(list(answers.ERRORS) * 2)
    ]
    done = run_calls(agent, clients, endpoint, todo, flavour, http2)
    for (slot, record, _), one in zip(done, todo):
        scenario, response = one["directive"]["scenario"], slot["Response"]
        assert response["status"] == answers.ERRORS[scenario][0]
        late = "timeout" if response["status"] in (408, 504) else "http-error"
        assert response["outcome"] == ("filtered" if scenario in FILTERED else late), scenario
        for name in ("retry-after", "retry-after-ms"):
            assert response["headers"].get(name) == answers.ERRORS[scenario][1].get(name)


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "h2"])
@pytest.mark.parametrize(
    "name", ["createResponse streamed", "createChatCompletion streamed", "createRun streamed"]
)
def test_error_in_a_stream(agent, clients, endpoint, quiet, name, http2):
    directive = {"scenario": "stream-error", "answer_bytes": 3000}
    ((slot, record, _),) = run_calls(
        agent, clients, endpoint, [{**CALLS[name], "directive": directive}], "openai", http2
    )
    assert slot["Response"]["outcome"] == "stream-error"
    assert (
        slot["Response"]["error"]["message"] == (record["error"].get("error") or record["error"])["message"]
    )


def text_so_far(slot, record):
    """What was got of the text is in the event, and nothing else."""
    text = slot["Response"]["choices"][0]["message"]["content"]
    assert answers.text(f"answer {record['id']} 0", record["answer_texts"][0]["bytes"]).startswith(text), text
    return text


@pytest.mark.parametrize(
    "name, coding", [("httpx", None), ("httpx", "gzip"), ("httpx", "br"), ("http2-node", None)]
)
def test_client_leaves_a_stream(agent, clients, endpoint, texts, quiet, name, coding):
    directive = {"answer_bytes": 30_000, "pieces": 60, "delay_ms": 10, "cancel_after": 4000, "coding": coding}
    (result,) = clients(name).run(texts, flavour="openai", stream=True, exchanges=[directive])
    (record,) = endpoint.take(1)
    (slot,) = truth.pair(agent.take(2)).values()
    assert truth.compare_request(slot["Request"], record, result) == []
    response = slot["Response"]
    assert response["outcome"] == "interrupted" and response["capture"]["complete"] is False
    assert 4000 <= response["body-bytes"] <= record["response_body_len"]
    assert len(text_so_far(slot, record)) > 500
    assert response["response-id"] == record["response_id"] and response["model"] == record["answer_model"]


@pytest.mark.parametrize("coding", [None, "gzip", "zstd"])
@pytest.mark.parametrize("http2, how", [(False, "fin"), (False, "reset"), (True, "fin"), (True, "rst")])
def test_server_ends_a_stream(agent, sandbox, endpoint, texts, quiet, http2, how, coding):
    """That a connection is over shows when the program lets go of it, at the latest when it ends itself."""
    directive = {"answer_bytes": 9000, "cut_after": 4000, "cut": how, "coding": coding}
    with drive.Client(sandbox, "httpx") as client:
        results = client.run(texts, flavour="openai", stream=True, exchanges=[directive], http2=http2)
    (record,) = endpoint.take(1)
    (slot,) = truth.pair(agent.take(2)).values()
    wrong = truth.compare_exchange(slot, record, results[0])
    assert not wrong, "\n".join(wrong)
    assert results[0]["error"] and slot["Response"]["outcome"] == "interrupted"
    assert len(text_so_far(slot, record)) > 100


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "h2"])
def test_retries(agent, clients, endpoint, quiet, http2):
    """Of any operation: each try is an exchange of its own."""
    todo = [{**CALLS["createResponse"], "id": drive.new_id(), "directive": {"fail_first": 2}}]
    (result,) = clients("sdk-python").run_calls(todo, flavour="openai", http2=http2, max_retries=2)
    records = endpoint.take(3)
    assert result["status"] == 200 and [record["retry"] for record in records] == ["0", "1", "2"]
    slots = sorted(truth.pair(agent.take(6)).values(), key=lambda slot: slot["Request"]["attempt"])
    assert [slot["Response"]["status"] for slot in slots] == [429, 429, 200]
    for slot, record in zip(slots, records):
        assert truth.compare_exchange(slot, record, result) == []


def early(method, size):
    body = drive.chat_body(messages=[{"role": "user", "content": "x" * size}])
    directive = {"id": drive.new_id(), "early": method, "scenario": "error-413"}
    fields = {"Content-Length": str(len(body)), "X-Directive": json.dumps(directive)}
    return drive.message("POST", "/v1/chat/completions", OPENAI, fields), body


def test_answer_before_the_end_of_the_request(raw):
    """The rest of the request comes nevertheless, and the connection goes on."""
    head, body = early("read", 50_000)
    follow = drive.message("POST", "/v1/chat/completions", OPENAI, body=drive.chat_body())
    steps = [
        drive.send(head + body[:20_000]),
        {"answers": 1},
        drive.send(body[20_000:] + follow),
        {"answers": 1},
    ]
    _, events, records = raw(OPENAI, steps, exchanges=2)
    wrong = truth.compare_all(events, records)
    assert not wrong, "\n".join(wrong)


def test_answer_instead_of_the_rest_of_the_request(raw):
    head, body = early("close", 50_000)
    _, events, (record,) = raw(OPENAI, [drive.send(head + body[:20_000]), {"answers": 1}])
    (slot,) = truth.pair(events).values()
    assert truth.compare_response(slot["Response"], record) == []
    request = slot["Request"]
    assert request["body-bytes"] == 20_000 and request["capture"]["complete"] is False


def test_pipelined_operations(raw):
    """Different operations in one write; answers come in their order."""
    asks = [
        ("GET", "/v1/models", b""),
        ("POST", "/v1/embeddings", b'{"model":"e","input":["a","\xc3\xbc"]}'),
        ("DELETE", "/v1/files/file-1", b""),
        ("POST", "/v1/chat/completions", drive.chat_body(stream=True)),
        ("GET", "/v1/files/file-1/content", b""),
        ("POST", "/v1/responses", b'{"model":"m","input":"a","stream":true}'),
    ]
    requests = b"".join(
        drive.message(method, path, OPENAI, {"X-Directive": json.dumps({"id": drive.new_id()})}, body)
        for method, path, body in asks
    )
    result, events, records = raw(OPENAI, [drive.send(requests), {"answers": len(asks)}], exchanges=len(asks))
    assert result["answers"] == len(asks)
    wrong = truth.compare_all(events, records)
    assert not wrong, "\n".join(wrong)
