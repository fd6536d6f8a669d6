# SPDX-License-Identifier: Apache-2.0
"""One sandbox, one endpoint and one lock a session; one agent a module, unless a test starts its own."""

import os
import subprocess
import time

import pytest

import agent as agents
import drive
import sandbox as sandboxes
import truth

REPEAT = int(os.environ.get("OAITAP_REPEAT", "2"))
TABLE = pytest.StashKey()
PLAIN_PORT = "8080"  # of the endpoint, for proxies that take the TLS off
OPERATIONS = pytest.StashKey()


def pytest_collection_modifyitems(items):
    reason = sandboxes.why_not()
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure(config):
    config.stash[TABLE] = {}
    config.stash[OPERATIONS] = {}


def print_table(terminalreporter, first, width, table):
    if not table:
        return
    columns = list(dict.fromkeys(column for _, column in table))
    terminalreporter.section("exchanges whose two events equal the truth")
    terminalreporter.write_line(f"{first:<{width}}" + "".join(f"{column:>16}" for column in columns))
    for row in dict.fromkeys(row for row, _ in table):
        cells = [table.get((row, column), "-") for column in columns]
        terminalreporter.write_line(f"{row:<{width}}" + "".join(f"{cell:>16}" for cell in cells))


def pytest_terminal_summary(terminalreporter, config):
    """The tables of test_fidelity and test_operations: how many exchanges of each cell were right in every byte."""
    operations = {place: f"{right}/{of}" for place, (right, of) in config.stash[OPERATIONS].items()}
    print_table(terminalreporter, "operation", 40, operations)
    if not config.stash[TABLE]:
        return
    print_table(terminalreporter, "client", 30, config.stash[TABLE])
    terminalreporter.write_line(
        "events that state both addresses: {stated} of {events}".format(**truth.addresses)
    )


@pytest.fixture(scope="session")
def sandbox():
    held = sandboxes.lock()
    with sandboxes.Sandbox() as made:
        yield made
    held.close()


@pytest.fixture(scope="session")
def endpoint(sandbox):
    made = truth.Endpoint(sandbox, more=("--plain-port", PLAIN_PORT))
    yield made
    code = made.close()
    assert code == 0, f"the endpoint ended with {code}: {made.messages()}"


@pytest.fixture(scope="session")
def texts(sandbox):
    return drive.Texts(sandbox.path)


@pytest.fixture(scope="session")
def agent_ready():
    """Fails, and does not skip, without the program: a run that tested nothing must not look like a good
    one."""
    reason = agents.why_not()
    if reason:
        pytest.fail(reason)


@pytest.fixture(scope="module")
def agent(request, sandbox, endpoint, agent_ready):
    """The agent of one module. At its end it must still live, exit 0 on SIGTERM, and have dropped nothing."""
    folder = sandbox.path / f"agent-{request.module.__name__}"
    with agents.Agent(folder, **getattr(request.module, "AGENT", {})) as made:
        yield made
        assert made.alive(), f"the agent ended with {made.process.returncode}: {made.messages()[-3000:]}"
        dropped = {name.split(".")[0] for name in agents.dropped(made.status())}
        code = made.stop()
        assert code == 0, f"exit code {code} after SIGTERM: {made.messages()[-3000:]}"
        assert not dropped - getattr(request.module, "MAY_DROP", set()), f"dropped: {dropped}"


@pytest.fixture
def quiet(agent, endpoint, request):
    """Before: nothing is left of an earlier test. After: the test has taken every event there was."""
    agent.drain(0.1)
    endpoint.rest()
    yield
    if request.session.testsfailed == 0:
        left = agent.drain(0.1)
        assert not left, f"{len(left)} events too many, first: {truth.short(left[0])}"


@pytest.fixture
def exchange(agent, sandbox, endpoint, texts, quiet):
    """exchange("httpx", flavour=…, …): runs one job in a new client, checks events, record and client against
    each other. Returns [(pair of events, record, client's result)], in the order of the directives."""

    def run(name, **job):
        with drive.Client(sandbox, name) as client:
            results = client.run(texts, **job)
            code = client.close()
        assert code == 0, f"{name} ended with {code}"
        return check(agent, endpoint, results, name)

    return run


@pytest.fixture(scope="module")
def clients(sandbox, agent):
    """clients("httpx"): a client that serves all tests of a module, so that programs start but once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = drive.Client(sandbox, name)
        return made[name]

    yield get
    for name, client in made.items():
        assert client.close() == 0, f"{name} ended with {client.process.returncode}"


@pytest.fixture
def shared(agent, endpoint, texts, quiet, clients):
    """As exchange, with the clients that all tests of a module share."""

    def run(name, **job):
        return check(agent, endpoint, clients(name).run(texts, **job), name)

    return run


def check(agent, endpoint, results, name=None):
    records = endpoint.take(len(results))
    events = agent.take(2 * len(results))
    named = [{**result, "comm": drive.COMM.get(name)} for result in results]
    wrong = truth.compare_all(events, records, named)
    assert not wrong, "\n".join(wrong)
    records = truth.by_id(records)
    for result in results:
        wrong = truth.compare_client(result, records[result["id"]])
        assert not wrong, f"client and endpoint differ: {wrong}"
    slots = {truth.request_id(slot["Request"]): slot for slot in truth.pair(events).values()}
    return [(slots[result["id"]], records[result["id"]], result) for result in results]


@pytest.fixture
def raw(agent, sandbox, endpoint, quiet):
    """raw(host, steps, exchanges=N, events=M): a client that sends bytes as they are. (result, events,
    records)."""

    def run(host, steps, exchanges=1, events=None, **job):
        result = drive.raw(sandbox, host, steps, **job)
        records = endpoint.take(exchanges)
        return result, agent.take(2 * exchanges if events is None else events), records

    return run


# Where the load generator's server listens.
LOAD_ADDRESS = "127.0.0.2"


@pytest.fixture(scope="session")
def loadgen(sandbox):
    """The load generator, with its server running."""
    program = drive.BUILD / "loadgen"
    if not program.exists():
        pytest.fail(f"{program} is not built (make e2e-tools)")
    server = sandbox.spawn(
        [program, "server", "--cert", sandbox.cert, "--key", sandbox.key, "--address", LOAD_ADDRESS]
        + ["--seconds", "3600"],
        stdout=subprocess.PIPE,
    )
    assert server.stdout.readline() == b"ready\n"
    yield program
    sandboxes.end(server)
    server.stdout.close()


def wait_for(what, timeout=10):
    """Waits until what() is true; its value."""
    deadline = time.monotonic() + timeout
    while not (value := what()):
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.02)
    return value
