# SPDX-License-Identifier: Apache-2.0
"""Which socket a connection has: local and remote address in the events, of many connections of one process at once,
over IPv4 and IPv6, with the library on the socket (SSL_set_fd) and beside it (memory BIOs)."""

import json

import pytest

import agent as agents
import drive
import truth
from sandbox import OPENAI

CONNECTIONS, ROUNDS = 64, 3

# Bodies of all sizes, so that connections cannot be told apart by them, and of the same size, so that they could be
# confused.
COMMON = """
import asyncio, json, socket, ssl, sys, threading
address, port, host, bodies = sys.argv[1], 443, sys.argv[2], json.load(open(sys.argv[3]))
context = ssl.create_default_context()

def request(body):
    return (f"POST /v1/chat/completions HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Type: application/json\\r\\n"
            f"Content-Length: {len(body)}\\r\\n\\r\\n").encode() + body.encode()

def length(head):
    return int(next(line.split(b":")[1] for line in head.split(b"\\r\\n") if line.lower().startswith(b"content-length")))
"""

ASYNC = """
async def one(mine, barrier):
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
    for body in mine:
        await barrier.wait()
        writer.write(request(body))
        await writer.drain()
        await reader.readexactly(length(await reader.readuntil(b"\\r\\n\\r\\n")))
    writer.close()

class Barrier:  # asyncio has its own from 3.11 on
    def __init__(self, n):
        self.n, self.here, self.go = n, 0, asyncio.Event()
    async def wait(self):
        self.here += 1
        mine = self.go
        if self.here == self.n:
            self.here, self.go = 0, asyncio.Event()
            mine.set()
        await mine.wait()

async def main():
    barrier = Barrier(len(bodies))
    await asyncio.gather(*(one(mine, barrier) for mine in bodies))

asyncio.run(main())
"""

THREADS = """
barrier = threading.Barrier(len(bodies))
failed = []

def one(mine):
    try:
        with context.wrap_socket(socket.create_connection((address, port)), server_hostname=host) as s:
            for body in mine:
                barrier.wait()
                s.sendall(request(body))
                got = b""
                while b"\\r\\n\\r\\n" not in got:
                    got += s.recv(65536)
                head, _, rest = got.partition(b"\\r\\n\\r\\n")
                while len(rest) < length(head):
                    rest += s.recv(65536)
    except BaseException as error:
        failed.append(error)
        barrier.abort()

threads = [threading.Thread(target=one, args=(mine,)) for mine in bodies]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(bool(failed) and str(failed[0]))
"""


@pytest.fixture(scope="module")
def endpoint_v6(sandbox):
    made = truth.Endpoint(sandbox, "::1")
    yield made
    assert made.close() == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_many_connections_of_one_process(agent, sandbox, endpoint, endpoint_v6, quiet, kind, family):
    server, address = (endpoint, "127.0.0.1") if family == "IPv4" else (endpoint_v6, "::1")
    bodies = [
        [drive.chat_body({"answer_bytes": 300, "id": drive.new_id()}).decode() for _ in range(ROUNDS)]
        for _ in range(CONNECTIONS)
    ]
    path = sandbox.path / f"bodies-{kind}-{family}"
    path.write_text(json.dumps(bodies), encoding="utf-8")
    code = COMMON + (ASYNC if kind == "asyncio" else THREADS)
    done = sandbox.run(["/usr/bin/python3", "-B", "-c", code, address, OPENAI, path], timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    total = CONNECTIONS * ROUNDS
    records = server.take(total)
    before = dict(truth.addresses)
    assert truth.compare_all(agent.take(2 * total, timeout=60), records) == []
    stated = truth.addresses["stated"] - before["stated"]
    print(f"{kind}, {family}: {stated} of {2 * total} events state both addresses")
    assert stated >= 0.99 * 2 * total
    if family == "IPv6":
        assert all(":" in record["peer_address"] for record in records)
    assert agents.dropped(agent.status()) == {}
