#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the conversations of the Autobahn test suite as cases for tests/unit/http/websocket_cases_test.c: the suite (its
cases as the kosoku package runs them) on one side, an echo by wsproto on the other, in plain text on the loopback. The
suite is the client of one half of the conversations and the server of the other.

Besides what tests/support/ws_cases.py writes:

    message SIDE OPCODE cut      a message whose end does not come
    broken SIDE                  what that side sent breaks the protocol: wsproto refused it after the messages that are listed
    loose SIDE                   that side said that it closes: what it may have sent after that is not listed"""

import argparse
import asyncio
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import kosoku
import wsproto
import wsproto.events as ev
from ws_cases import Case
from wsproto.connection import ConnectionState
from wsproto.extensions import PerMessageDeflate

# The others take minutes: a thousand messages of up to 128 KiB each, or many MiB in one.
SELECTED = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "9.1.1", "9.2.1", "9.7.1", "12.1.1", "12.3.2",
            *(f"13.{i}.1" for i in (1, 3, 5, 7))]
PARALLEL = 8
WAIT = 20  # seconds for one case
CLOSE_NONE = 1005  # RFC 6455 section 7.4.1: the frame had no code


class Echo:
    """One end of a conversation, by wsproto; sends back what it gets, and writes down both."""

    def __init__(self, role, name):
        self.connection = wsproto.WSConnection(role)
        self.case = Case(name, None)
        self.me, self.peer = ("server", "client") if role is wsproto.ConnectionType.SERVER else ("client", "server")
        self.open = False
        self.over = False
        self.parts = []
        self.to_send = b""

    def send(self, event):
        data = self.connection.send(event)
        self.case.send(self.me, data)
        self.to_send += data

    def receive(self, data):
        """The bytes to send."""
        self.to_send = b""
        self.case.send(self.peer, data)
        if self.over:
            return b""
        try:
            self.connection.receive_data(data)
            for event in self.connection.events():
                if self.over:
                    break
                self.handle(event)
        except wsproto.utilities.RemoteProtocolError:
            self.fail(1002)
        return self.to_send

    def handle(self, event):
        if isinstance(event, ev.Request):
            # The path is the case's name.
            self.case.name += event.target.replace("/", "-")
            self.send(ev.AcceptConnection(extensions=[PerMessageDeflate()]))
            self.open = True
        elif isinstance(event, ev.AcceptConnection):
            self.open = True
        elif isinstance(event, ev.Message):
            self.message(event)
        elif isinstance(event, ev.Ping):
            self.send(event.response())
        elif isinstance(event, ev.CloseConnection):
            self.close(event)

    def message(self, event):
        self.parts.append(event.data)
        if not event.message_finished:
            return
        whole = self.parts[0][:0].join(self.parts)
        self.parts = []
        for side in (self.peer, self.me):
            data = whole.encode() if isinstance(whole, str) else bytes(whole)
            self.case.expect(side, 1 if isinstance(whole, str) else 2, data)
        self.send(type(event)(data=whole))

    def close(self, event):
        if self.connection.state is ConnectionState.OPEN:
            self.fail(event.code)
            return
        self.over = True
        self.case.remark("loose", self.peer)
        if self.parts:
            self.case.messages.append((self.peer, 1 if isinstance(self.parts[0], str) else 2, "cut", ""))
        body = b"" if event.code in (None, CLOSE_NONE) else event.code.to_bytes(2, "big") + (event.reason or "").encode()
        self.case.expect(self.peer, 8, body)
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            self.send(event.response())
            self.case.expect(self.me, 8, body)

    def fail(self, code):
        self.over = True
        self.case.remark("broken", self.peer)
        if self.open:
            self.send(ev.CloseConnection(code=code))
            self.case.expect(self.me, 8, code.to_bytes(2, "big"))


async def converse(echo, reader, writer):
    ended = False
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        while data := await asyncio.wait_for(reader.read(65536), WAIT):
            if answer := echo.receive(data):
                writer.write(answer)
                await writer.drain()
            if echo.over and not ended:
                ended = True
                writer.write_eof()
    writer.close()


async def as_server(names, cases):
    """The suite is the client."""

    async def serve(reader, writer):
        echo = Echo(wsproto.ConnectionType.SERVER, "autobahn-client")
        cases.append(echo.case)
        await converse(echo, reader, writer)

    async def run(name, gate):
        async with gate:
            with contextlib.suppress(kosoku.FailureError):
                await kosoku.run_fuzzingclient(f"ws://127.0.0.1:{port}/{name}", [name])

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    gate = asyncio.Semaphore(PARALLEL)
    async with server:
        await asyncio.gather(*(run(name, gate) for name in names))


async def ask(port, target, name):
    """Runs one conversation with the suite as the server; its case, and the messages that came."""
    echo = Echo(wsproto.ConnectionType.CLIENT, name)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    echo.send(ev.Request(host=f"127.0.0.1:{port}", target=target, extensions=[PerMessageDeflate()]))
    texts = []
    keep = echo.message

    def message(event):
        texts.append(event.data)
        keep(event)

    echo.message = message
    writer.write(echo.to_send)
    await converse(echo, reader, writer)
    return echo.case, texts


async def as_client(cases):
    """The suite is the server. The names of its cases."""
    async with kosoku.run_fuzzingserver(SELECTED, host="127.0.0.1", port=0) as server:
        _, [count] = await ask(server.port, "/getCaseCount", "count")
        gate = asyncio.Semaphore(PARALLEL)

        async def run(number):
            async with gate:
                case, _ = await ask(server.port, f"/runCase?case={number}&agent=echo", "autobahn-server-")
                return case

        got = await asyncio.gather(*(run(number) for number in range(1, int(count) + 1)))
        await ask(server.port, "/updateReports?agent=echo", "end")
        try:
            results = await server.get_result()
        except kosoku.FailureError as error:
            # What the suite thinks of the echo does not matter here.
            results = error.results
    names = [result.case_id for result in results]
    for case, name in zip(got, names, strict=True):
        case.name += name
    cases += got
    return names


async def record():
    cases = []
    names = await as_client(cases)
    await as_server(names, cases)
    return sorted(cases, key=lambda case: case.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("output")
    args = parser.parse_args()
    with open(args.output, "w", encoding="ascii") as out:
        for case in asyncio.run(record()):
            case.write(out)


if __name__ == "__main__":
    main()
