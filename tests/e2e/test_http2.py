# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: many exchanges at once on one connection, with the clients and the servers that people have. Events equal the
truth, whatever stream came when."""

import shutil

import pytest
from conftest import PLAIN_PORT, REPEAT, check, wait_for

import agent as agents
import drive
import sandbox as sandboxes
import truth

USAGE = {"stream_options": {"include_usage": True}}
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
# client, members of its jobs
CLIENTS = {
    "curl": {"http": "default"},
    "httpx": {"http2": True},
    "openai-python": {"http2": True},
    "openai-python-async": {"http2": True, "together": 16},
    "http2-node": {"together": 16},
}
BATCH = 200
ROUNDS = 50 if REPEAT >= 50 else 2  # of BATCH exchanges


def total(stream):
    return {"stream": stream, "extra": USAGE if stream else {}}


@pytest.mark.parametrize("name", CLIENTS)
def test_clients(shared, name):
    """One process, plain and streamed, on both hosts."""
    directives = [{"answer_bytes": size, "ragged": True} for size in (0, 100, 20_000)] * 4
    for flavour in ("openai", "azure"):
        for stream in (False, True):
            done = shared(name, flavour=flavour, exchanges=directives, **total(stream), **CLIENTS[name])
            assert {record["protocol"] for _, record, _ in done} == {"h2"}
            assert len({record["connection"] for _, record, _ in done}) <= (6 if name == "curl" else 2)


@STREAMS
@pytest.mark.parametrize("name", ["curl", "httpx", "http2-node"])
def test_large_bodies(shared, name, stream):
    """2 MB each way: windows fill and are opened again."""
    directives = [{"answer_bytes": 2_000_000}] * 2
    shared(name, flavour="openai", size=2_000_000, exchanges=directives, **total(stream), **CLIENTS[name])


@STREAMS
def test_codings(shared, stream):
    codings = ("gzip", "br", "zstd", "gzip, br")
    directives = [{"coding": coding, "answer_bytes": size} for size in (100, 50_000) for coding in codings]
    done = shared("httpx", flavour="openai", exchanges=directives, http2=True, **total(stream))
    assert [record["response_coding"] for _, record, _ in done] == 2 * list(codings)


@STREAMS
def test_padding_and_trailers(shared, stream):
    directives = [{"pad": 200, "answer_bytes": 9000}, {"trailers": {"x-check": "1"}, "answer_bytes": 900}]
    shared("httpx", flavour="openai", exchanges=directives, http2=True, **total(stream))


def test_streams_at_once(agent, clients, endpoint, texts, quiet):
    """64 on one connection, for as long as it takes: each right, and the agent grows no more."""
    sizes = (0, 50, 700, 5000)
    client, memory = clients("http2-node"), []
    for turn in range(ROUNDS):
        directives = [{"answer_bytes": sizes[i % 4], "pieces": 5, "delay_ms": i % 3} for i in range(BATCH)]
        results = client.run(
            texts, flavour="openai", size=300, exchanges=directives, together=64, **total(turn % 2 == 1)
        )
        done = check(agent, endpoint, results, "http2-node")
        assert len({record["connection"] for _, record, _ in done}) == 1
        memory.append(agent.memory())
    print(f"agent's memory after each round: {[size >> 20 for size in memory]} MiB")
    # The first rounds fill pools that stay.
    settled = memory[len(memory) // 4]
    assert memory[-1] - settled < 24 << 20


def test_cancelled_streams(agent, clients, endpoint, texts, quiet):
    """Some streams of a connection end early, the others do not mind."""
    slow = {"answer_bytes": 20_000, "pieces": 40, "delay_ms": 10}
    directives = [{**slow, **({"cancel_after": 2500 * (i % 4)} if i % 2 else {})} for i in range(24)]
    results = clients("http2-node").run(
        texts, flavour="openai", stream=True, exchanges=directives, together=24
    )
    records = truth.by_id(endpoint.take(24))
    slots = {truth.request_id(slot["Request"]): slot for slot in truth.pair(agent.take(48)).values()}
    for result in results:
        slot, record = slots[result["id"]], records[result["id"]]
        if record["response_complete"]:
            assert truth.compare_exchange(slot, record, result) == []
            continue
        assert truth.compare_request(slot["Request"], record, result) == []
        response = slot["Response"]
        assert (
            response["outcome"] == "interrupted"
            and response["connection"]["stream-id"] == record["stream_id"]
        )
        assert result["read"] <= response["body-bytes"] <= record["response_body_len"]
    assert sum(not record["response_complete"] for record in records.values()) == 12


def test_connection_that_was_open_before(sandbox, endpoint, texts, agent_ready):
    """Its host was said before the agent came, and stands in a compression table that nobody can see any more: such a
    connection is counted. If it is read nevertheless, what is said of it is right."""
    endpoint.rest()
    with drive.Client(sandbox, "http2-node") as client:
        client.run(texts, flavour="openai", exchanges=[{}] * 5)
        endpoint.take(5)
        with agents.Agent(sandbox.path / "agent-open") as agent:
            results = client.run(texts, flavour="openai", exchanges=[{"answer_bytes": 5000}] * 10, together=3)
            records = endpoint.take(10)
            assert len({record["connection"] for record in records}) == 1
            agent.wait(20, 3)
            events, status = agent.drain(), agent.status()
            assert agent.stop() == 0
    if not events:
        assert sum(agents.flat(status["left-out"]["http2-unnamed"]).values()) >= 1, status
        return
    records = truth.by_id(records)
    slots = {truth.request_id(slot["Request"]): slot for slot in truth.pair(events).values()}
    for result in results:
        record, slot = records[result["id"]], slots[result["id"]]
        for kind, key in (("Request", "request_body_sha256"), ("Response", "response_body_sha256")):
            assert slot[kind]["body-sha256"] == record[key]
            assert slot[kind]["connection"]["protocol"] == "h2"
            assert slot[kind]["connection"]["stream-id"] == record["stream_id"]
            assert slot[kind]["operation"] in (record["operation"], "Unknown")
        sent = {name.lower(): value for name, value in record["response_headers"].items()}
        kept = slot["Response"]["headers"]
        assert {name: sent.get(name) for name in kept} == kept


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 10m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    gzip on;
    gzip_min_length 1;
    gzip_types application/json text/event-stream;
    server {{
        listen {address}:443 ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""
PROXIES = {"nginx": "127.0.0.3", "nghttpx": "127.0.0.4"}


def command_of(name, sandbox, folder):
    if name == "nginx":
        text = NGINX.format(
            folder=folder, address=PROXIES[name], cert=sandbox.cert, key=sandbox.key, port=PLAIN_PORT
        )
        (folder / "nginx.conf").write_text(text)
        return ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf", "-g", "user root;"]
    back = f"--backend=127.0.0.1,{PLAIN_PORT};;proto=http/1.1"
    front = f"--frontend={PROXIES[name]},443"
    return [
        "nghttpx",
        front,
        back,
        "--no-ocsp",
        "--workers=1",
        sandbox.key,
        sandbox.cert,
    ]


@pytest.fixture(scope="module", params=list(PROXIES))
def proxy(request, sandbox, endpoint):
    """Another implementation of HTTP/2 in front of the endpoint; the address at which it listens."""
    if not shutil.which(request.param, path=sandbox.environment()["PATH"]):
        pytest.fail(f"{request.param} is not installed (make deps)")
    folder = sandbox.path / request.param
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = sandbox.spawn(command_of(request.param, sandbox, folder), stdout=log, stderr=log)
    address = PROXIES[request.param]
    probe = ["curl", "-s", "-o", "/dev/null", "--connect-to", f"::{address}:443"]
    probe.append(f"https://{sandboxes.OPENAI}/v1/models")

    def up():
        assert process.poll() is None, (folder / "log").read_text()
        return sandbox.run(probe).returncode == 0

    wait_for(up)
    endpoint.rest()
    yield address
    sandboxes.end(process)


@STREAMS
@pytest.mark.parametrize(
    "name, more", [("curl", {"http": "2", "compressed": True}), ("http2-node", {"together": 16})]
)
def test_other_servers(agent, clients, endpoint, texts, quiet, proxy, name, more, stream):
    directives = [{"answer_bytes": size} for size in (100, 3000, 300_000)] * 8
    results = clients(name).run(
        texts, flavour="openai", size=20_000, exchanges=directives, address=proxy, **total(stream), **more
    )
    records = endpoint.take(len(results))
    events = agent.take(2 * len(results))
    by_id = truth.by_id(records)
    streams = {
        truth.request_id(e): e["connection"].get("stream-id") for e in events if e["event-type"] == "Request"
    }
    for result in results:
        # What the endpoint behind the proxy cannot know.
        known = {"protocol": "h2", "sni": sandboxes.OPENAI, "proxied": True}
        known["stream_id"] = result.get("stream_id", streams.get(result["id"]))
        known["response_headers"] = by_id[result["id"]]["response_headers"]
        by_id[result["id"]].update(known)
    wrong = truth.compare_all(events, records, [{**result, "comm": drive.COMM[name]} for result in results])
    for result in results:
        wrong += truth.compare_client(result, by_id[result["id"]])
    assert not wrong, "\n".join(wrong[:30])
    assert all(isinstance(number, int) for number in streams.values())
