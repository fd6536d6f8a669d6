# SPDX-License-Identifier: Apache-2.0
"""Each client x {1 KB, 100 KB, 2 MB} x {plain, streamed}: both events of every exchange equal the truth, byte
for byte by hash, and there is no event more or less. OAITAP_REPEAT exchanges a cell."""

import pytest
from conftest import REPEAT, TABLE

import agent as agents
import drive
import truth

# name in the table: client, flavours in turn
ROWS = {
    "curl": ("curl", ("azure", "azure-v1", "openai")),
    "CPython urllib": ("urllib", ("azure-v1", "openai", "azure")),
    "httpx": ("httpx", ("openai", "azure", "azure-v1")),
    "openai-python OpenAI": ("openai-python", ("openai", "azure-v1")),
    "openai-python AzureOpenAI": ("openai-python", ("azure",)),
    "openai-python AsyncOpenAI": ("openai-python-async", ("openai", "azure-v1")),
    "openai-python AsyncAzureOpenAI": ("openai-python-async", ("azure",)),
    "Node fetch": ("fetch", ("azure", "azure-v1", "openai")),
    "openai-node OpenAI": ("openai-node", ("openai", "azure-v1")),
    "openai-node AzureOpenAI": ("openai-node", ("azure",)),
}
SIZES = {"1 KB": 1000, "100 KB": 100_000, "2 MB": 2_000_000}
CELLS = [(size, stream) for stream in (False, True) for size in SIZES]
BATCH = 10  # exchanges whose events are held in memory at once


@pytest.fixture(scope="module", autouse=True)
def addresses():
    """Counted from here on: other tests compare made-up events."""
    truth.addresses.update(stated=0, events=0)


@pytest.fixture(scope="module", params=list(ROWS))
def client(request, sandbox, agent):
    """One process a row; it must end well."""
    with drive.Client(sandbox, ROWS[request.param][0]) as made:
        made.row = request.param
        yield made
        assert made.close() == 0, made.errors()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "cell", CELLS, ids=lambda cell: f"{cell[0].replace(' ', '')}-{'streamed' if cell[1] else 'plain'}"
)
def test_cell(client, cell, agent, endpoint, texts, quiet, pytestconfig):
    size, stream = cell
    name, flavours = ROWS[client.row]
    wrong, right = [], 0
    for start in range(0, REPEAT, BATCH):
        count = min(BATCH, REPEAT - start)
        flavour = flavours[(CELLS.index(cell) + start // BATCH) % len(flavours)]
        results = client.run(
            texts,
            flavour=flavour,
            stream=stream,
            size=SIZES[size],
            exchanges=[{"answer_bytes": SIZES[size]}] * count,
            extra={"stream_options": {"include_usage": True}} if stream else {"temperature": 0.7},
            together=2,
        )
        records = endpoint.take(count)
        agent.wait(2 * count, 60)
        events = agent.drain(0.1)
        named = [{**result, "comm": drive.COMM.get(name)} for result in results]
        found = truth.compare_all(events, records, named)
        by_id = truth.by_id(records)
        for result in results:
            found += [
                f"{result['id']}: client: {line}"
                for line in truth.compare_client(result, by_id[result["id"]])
            ]
        bad = {line.split(":")[0] for line in found}
        right += sum(result["id"] not in bad for result in results)
        wrong += found
    column = f"{size} {'streamed' if stream else 'plain'}"
    pytestconfig.stash[TABLE][client.row, column] = f"{right}/{REPEAT}"
    assert not wrong, f"{right} of {REPEAT} right; " + "\n".join(wrong[:20])


def test_totals(agent, endpoint):
    """After all cells: the agent counted as many events as there were exchanges, and dropped nothing."""
    status = agent.status()
    assert status["events"]["request"] == status["events"]["response"] == agent.total // 2
    assert agent.total % 2 == 0
    assert agents.dropped(status) == {}


def test_addresses():
    """After all cells: no address was wrong (compared with each event), and most were known. Not known are those of
    Node's connections whose first request is of megabytes: they are left open rather than guessed."""
    assert truth.addresses["stated"] >= 0.99 * truth.addresses["events"] > 0, truth.addresses
