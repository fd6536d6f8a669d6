# SPDX-License-Identifier: Apache-2.0
"""The endpoint's HTTP/1.1: its own code, so that every byte is accounted for."""

import asyncio
import socket
import ssl
import struct
import time

import endpoint_ws
from exchange import Exchange, Gone, Request

MAX_HEAD = 4 << 20
REASONS = {
    200: "OK",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


async def cut_connection(writer, how):
    """Ends a connection without a TLS close, after what was written has left."""
    transport = writer.transport
    while transport.get_write_buffer_size():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    sock = writer.get_extra_info("socket")
    if how == "fin":
        sock.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.2)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Connection:
    """One connection, and the wire of its exchanges, which follow each other."""

    version = "http/1.1"

    def __init__(self, server, number, reader, writer):
        self.server = server
        self.number = number
        self.reader = reader
        self.writer = writer
        self.buffer = bytearray()
        self.keep = True
        self.chunked = False

    async def write(self, data):
        if self.writer.is_closing():
            raise Gone
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status, fields, framing, length):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.chunked = framing == "chunked" or framing.startswith("transfer-")
        if framing == "length":
            lines.append(f"Content-Length: {length}")
        elif framing.startswith("chunked"):
            lines.append("Transfer-Encoding: chunked")
        elif framing.startswith("transfer-"):
            lines.append(f"Transfer-Encoding: {framing[9:]}, chunked")
        elif framing == "close":
            lines.append("Connection: close")
            self.keep = False
        await self.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def data(self, data):
        if data and self.chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        await self.write(data)

    async def end(self, trailers=None):
        if self.chunked:
            lines = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
            await self.write(b"0\r\n" + lines.encode() + b"\r\n")

    async def cut(self, how):
        await cut_connection(self.writer, how)
        raise Gone

    async def more(self):
        data = await self.reader.read(1 << 18)
        if not data:
            raise Gone
        self.buffer += data

    async def take(self, size):
        while len(self.buffer) < size:
            await self.more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    async def take_until(self, mark, limit):
        start = 0
        while (at := self.buffer.find(mark, start)) < 0:
            if len(self.buffer) > limit:
                raise Gone
            start = max(0, len(self.buffer) - len(mark) + 1)
            await self.more()
        data = bytes(self.buffer[:at])
        del self.buffer[: at + len(mark)]
        return data

    async def read_body(self, request, record):
        headers, body = request.headers, b""
        if headers.get("expect", "").lower() == "100-continue" and not request.options.get("early"):
            record["expect_continue"] = True
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            record["request_chunked"] = True
            parts = []
            while size := int((await self.take_until(b"\r\n", MAX_HEAD)).split(b";")[0], 16):
                parts.append(await self.take(size))
                await self.take(2)
            while await self.take_until(b"\r\n", MAX_HEAD):
                pass
            body = b"".join(parts)
        elif "content-length" in headers:
            body = await self.take(int(headers["content-length"]))
        request.take_body(body)
        request.describe(record)

    def parse(self, head):
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return Request(method, target, fields)

    async def exchange(self):
        head = await self.take_until(b"\r\n\r\n", MAX_HEAD)
        record = self.server.new_record(self.writer, self.number, self.version)
        try:
            request = self.parse(head)
            record.update(
                method=request.method,
                target=request.target,
                host=request.headers.get("host"),
                header_names=request.names,
                user_agent=request.headers.get("user-agent"),
                retry=request.headers.get("x-stainless-retry-count"),
            )
            if request.headers.get("connection", "").lower() == "close":
                self.keep = False
            if request.headers.get("upgrade", "").lower() == "websocket":
                self.keep = False
                request.describe(record)
                await endpoint_ws.serve(self, request, record)
                return
            if request.options.get("early"):
                await self.answer_early(request, record)
                return
            await self.read_body(request, record)
            record["times"]["request"] = time.time()
            await self.answer(request, record)
        finally:
            record["times"]["end"] = time.time()
            self.server.write_record(record)

    async def answer(self, request, record):
        out = Exchange(self, request, record)
        try:
            await out.run()
        except Gone:
            record["response_body_sha256"] = out.hash.hexdigest()
            raise

    async def answer_early(self, request, record):
        """Before the request's body was read. "close": the rest is not wanted; "read": it is, and then thrown away."""
        record["times"]["request"] = time.time()
        request.describe(record)
        await self.answer(request, record)
        if request.options["early"] == "read":
            await self.read_body(request, record)
            return
        self.keep = False
        record["request_complete"] = False
        deadline = time.monotonic() + 2
        while not self.reader.at_eof() and time.monotonic() < deadline:
            try:
                await asyncio.wait_for(self.reader.read(1 << 18), 0.3)
            except asyncio.TimeoutError:
                break

    async def run(self):
        try:
            while self.keep:
                await self.exchange()
        except (Gone, OSError, ValueError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()
            try:
                await self.writer.wait_closed()
            except (OSError, ssl.SSLError):
                pass
