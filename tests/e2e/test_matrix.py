# SPDX-License-Identifier: Apache-2.0
"""The fidelity matrix: each way to use OpenSSL x bodies of {0, 1, 16383, 16384, 16385, 300 KB, 8 MB} both ways x
{length, chunked, SSE}. Every body's hash in the events is right, no event is missing, false or there twice, and no
address is wrong. OAITAP_REPEAT / 2 exchanges a cell."""

import json
import subprocess

import pytest
from conftest import REPEAT, TABLE

import agent as agents
import answers
import drive
import truth
from matrix import clients
from sandbox import AZURE, OPENAI

AGENT = {"capture": {"max_body": "16MiB"}}  # so that 8 MB are read and not only hashed
SIZES = (0, 1, 16383, 16384, 16385, 300_000, 8 << 20)
# The request's framing, the answer's, its content type.
FRAMINGS = {
    "length": ("length", "length", "application/json"),
    "chunked": ("chunked", "chunked", "application/json"),
    "SSE": ("length", "chunked", "text/event-stream"),
}
TIMES = max(1, REPEAT // 2)
SMALLEST = 2000  # a chat completion of fewer bytes is not made

stated = {"exchanges": 0, "all": 0}


def chat(directive, size, stream, escape):
    """A chat completion's request body of `size` bytes."""
    text = answers.directive(directive) + answers.text("matrix", size // 5)

    def body(fill):
        message = {"role": "user", "content": text + "." * fill}
        value = {"model": "gpt-4o-mini", "messages": [message], **({"stream": True} if stream else {})}
        return json.dumps(value, ensure_ascii=escape).encode()

    return body(size - len(body(0)))


def job(folder, size, framing, number, azure):
    """One exchange: both bodies have `size` bytes."""
    request, answer, kind = FRAMINGS[framing]
    host = AZURE if azure else OPENAI
    name = drive.new_id()
    directive = {"id": name, "body_bytes": size, "framing": answer}
    header = ""
    if size < SMALLEST:
        target = f"/openai/v1/matrix/{name}" if azure else f"/v1/matrix/{name}"
        header = "X-Directive: " + json.dumps({**directive, "scenario": "bytes", "type": kind})
        body = b"{" * size
    else:
        directive["answer_bytes"] = size // 5
        deployment = f"/openai/deployments/{truth.DEPLOYMENT}/chat/completions?api-version=2024-10-21"
        target = deployment if azure else "/v1/chat/completions"
        body = chat(directive, size, framing == "SSE", number % 3 == 0)
        assert len(body) == size
    path = folder / name
    path.write_bytes(body)
    return name, "POST", host, target, request, str(path), header


def name_of(event):
    """The exchange's id: in the message, or where the body is no chat completion, in the path."""
    return truth.request_id(event) or event["path"].rpartition("/")[2]


def compare(events, records, results, comm):
    """All differences, each a line that begins with the id of its exchange."""
    out = []
    records = truth.by_id(records)
    named = {result["id"]: {**result, "comm": comm} for result in results}
    seen = set()
    for slot in truth.pair(events).values():
        name = name_of(slot["Request"]) if "Request" in slot else None
        if name not in records or name in seen:
            out.append(f"events of no exchange, or twice: {truth.short(slot)}")
            continue
        seen.add(name)
        out += [f"{name}: {line}" for line in truth.compare_exchange(slot, records[name], named[name])]
        stated["all"] += 1
        stated["exchanges"] += all({"local", "remote"} <= set(event["connection"]) for event in slot.values())
    out += [f"{name}: no events" for name in records if name not in seen]
    return out


def compare_results(results, records, jobs, sizes):
    """The clients' view, the endpoint's, and what was to be sent: the truth is the truth."""
    records = truth.by_id(records)
    assert sorted(records) == sorted(result["id"] for result in results) == sorted(one[0] for one in jobs)
    for result in results:
        record = records[result["id"]]
        assert result["status"] == record["status"] == 200, (result, record)
        assert result["sent_sha256"] == record["request_body_sha256"]
        assert result["body_sha256"] == record["response_body_sha256"]
        assert record["request_body_len"] == record["response_body_len"] == sizes[result["id"]]


@pytest.fixture(scope="module", params=list(clients.ROWS))
def row(request, sandbox, agent):
    kind = clients.ROWS[request.param]
    try:
        made = kind.make(sandbox)
    except clients.Missing as why:
        pytest.skip(str(why))
    yield request.param, made, kind
    codes = [client.close() for client in made]
    assert codes == [0] * len(made), codes


@pytest.fixture
def folder(sandbox):
    path = sandbox.path / "matrix"
    path.mkdir(exist_ok=True)
    yield path
    for file in path.iterdir():
        file.unlink()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("framing", list(FRAMINGS))
def test_cells(row, framing, agent, endpoint, folder, quiet, pytestconfig):
    name, made, kind = row
    before = dict(stated)
    wrong, right, count = [], 0, 0
    for turn in range(TIMES):
        batches = [[] for _ in made]
        sizes = {}
        for i, batch in enumerate(batches):
            for at, size in enumerate(SIZES + SIZES[:-1] * (kind.rounds - 1)):
                azure = (turn + i + (0 if kind.one_host else at)) % 2 == 0
                batch.append(job(folder, size, framing, turn + at, azure))
                sizes[batch[-1][0]] = size
        for client, batch in zip(made, batches):
            client.submit(batch)
        results = [result for client in made for result in client.finish()]
        jobs = [one for batch in batches for one in batch]
        records = endpoint.take(len(jobs))
        compare_results(results, records, jobs, sizes)
        agent.wait(2 * len(jobs), 60)
        found = compare(agent.drain(0.2), records, results, kind.comm)
        bad = {line.split(":")[0] for line in found}
        right += sum(one[0] not in bad for one in jobs)
        count += len(jobs)
        wrong += [f"{sizes.get(line.split(':')[0], '?')} bytes: {line}" for line in found]
    table = pytestconfig.stash[TABLE]
    table[name, framing] = f"{right}/{count}"
    table[name, f"{framing}: addr."] = f"{stated['exchanges'] - before['exchanges']}/{stated['all'] - before['all']}"
    assert not wrong, f"{right} of {count} right; " + "\n".join(wrong[:30])


def test_symbols_of_static_client():
    """What the row promises: OpenSSL is in the program, and no dynamic symbol tells."""
    path = clients.built("c-static")
    dynamic = subprocess.run(["nm", "-D", path], check=True, capture_output=True, text=True).stdout
    every = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    assert " T SSL_write\n" in every
    assert "SSL_write" not in dynamic


def test_totals(agent):
    """After all cells: two events an exchange, and nothing was dropped or seen twice by two probes."""
    status = agent.status()
    assert status["events"]["request"] == status["events"]["response"] == agent.total // 2
    assert agents.dropped(status) == {}


def test_addresses():
    """After all cells: no address was wrong (compared with each event), and nearly all were known."""
    assert stated["exchanges"] >= 0.99 * stated["all"] > 0, stated
