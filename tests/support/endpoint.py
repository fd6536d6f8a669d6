# SPDX-License-Identifier: Apache-2.0
"""Stand-in for OpenAI and Azure OpenAI: TLS, HTTP/1.1, and a record of the truth.

Its own HTTP code, so that every byte is accounted for. What to answer is said by the request itself: a
directive `[[{...}]]` opens the last user message, so unmodified SDKs can steer it. Keys of a directive:

id            names the exchange in the record
answer_bytes  size of each answer text; pieces: number of content chunks of a stream
scenario      an entry of answers.ERRORS, "stream-error", or a hostile answer (see HOSTILE)
framing       plain answers: "length" (default), "chunked", "close"
cut_after     ends the connection after that many bytes of the body; cut: "fin" (default) or "reset"
delay_ms      between chunks; wait_ms: before the answer
fail_first    answers 429 to that many tries of this id first
async_filter  Azure's asynchronous content filter; filtered: finish_reason content_filter; escape: \\u escapes
eol           of the stream: "\\n" (default), "\\r\\n", "\\r"; comments: adds comment lines
ragged        cuts the stream's bytes into HTTP chunks without regard to its events
body_bytes    size of the answer's whole body: the text, or a comment in the stream, is filled up to it

A request without messages can carry its directive in the header X-Directive. The scenario "bytes" then
answers body_bytes bytes, which are no JSON, as the content type `type`.

One line of JSON an exchange goes to the truth file, when the exchange ends. No credential is written to
it."""

import argparse
import asyncio
import collections
import json
import random
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse

import answers

MAX_HEAD = 4 << 20
REASONS = {
    200: "OK",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class Gone(Exception):
    """The client ended the connection, or the directive said to."""


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.names = []
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.names.append(name)
            self.headers[name.lower()] = value.strip()
        self.body = b""
        split = urllib.parse.urlsplit(self.target)
        self.path = split.path
        self.query = dict(urllib.parse.parse_qsl(split.query))
        self.azure = self.path.startswith("/openai/")
        self.json = None
        self.options = {}

    def parse_body(self):
        try:
            self.json = json.loads(self.body)
            self.options = answers.find_directive(self.json)
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
            self.json = None
        if not isinstance(self.options, dict):
            self.options = {}


def text_of(address):
    """ADDRESS:PORT, with brackets for IPv6 (RFC 3986 section 3.2.2)."""
    return ("[{}]:{}" if ":" in address[0] else "{}:{}").format(*address[:2])


class Exchange:
    """Sends one answer and fills in its record."""

    def __init__(self, connection, request, record):
        self.connection = connection
        self.request = request
        self.record = record
        self.hash = answers.hashlib.sha256()
        self.chunked = False
        self.silent = False
        self.cut_after = request.options.get("cut_after")
        record["response_body_len"] = 0

    async def head(self, status, headers, framing="length", length=None, content_type="application/json"):
        self.record["status"] = status
        self.record["response_headers"] = dict(headers)
        self.record["times"]["answer"] = time.time()
        self.silent = self.request.method == "HEAD" or status in (204, 304)
        self.chunked = framing == "chunked"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
        if content_type and status not in (204, 304):
            lines.append(f"Content-Type: {content_type}")
        if framing == "length" and status not in (204, 304):
            lines.append(f"Content-Length: {length}")
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        elif framing == "close":
            lines.append("Connection: close")
            self.connection.keep = False
        await self.connection.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def body(self, data):
        """Sends bytes of the body, as one chunk if the body is chunked."""
        if self.silent or not data:
            return
        cut = False
        if self.cut_after is not None:
            left = self.cut_after - self.record["response_body_len"]
            if len(data) >= left:
                data, cut = data[:left], True
        self.hash.update(data)
        self.record["response_body_len"] += len(data)
        if data and self.chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        await self.connection.write(data)
        if cut:
            await self.connection.cut(self.request.options.get("cut", "fin"))

    async def end(self):
        if self.chunked and not self.silent:
            await self.connection.write(b"0\r\n\r\n")
        self.record["response_complete"] = True

    async def answer_json(self, status, headers, value, framing="length"):
        raw = json.dumps(value, ensure_ascii=bool(self.request.options.get("escape"))).encode()
        await self.head(status, headers, framing, len(raw))
        step = 7000 if framing == "chunked" else 65536
        for start in range(0, len(raw), step):
            await self.body(raw[start : start + step])
        await self.end()

    async def run(self):
        request, options, record = self.request, self.request.options, self.record
        headers = answers.headers(options.get("id") or record["seq"], request.azure, options, request.headers)
        if options.get("wait_ms"):
            await asyncio.sleep(options["wait_ms"] / 1000)
        elif isinstance(request.json, dict) and answers.question(request.json) in answers.KNOWN:
            await asyncio.sleep(float(headers["openai-processing-ms"]) / 1000)
        scenario = options.get("scenario", "")
        tries = self.connection.server.tries
        tries[options.get("id")] += 1
        if tries[options.get("id")] <= options.get("fail_first", 0):
            scenario = "error-429"
        if scenario in answers.ERRORS:
            status, more, value = answers.ERRORS[scenario]
            record["error"] = value
            await self.answer_json(status, {**headers, **more}, value)
        elif scenario == "bytes":
            await self.head(200, headers, options["framing"], options["body_bytes"], options["type"])
            await self.body(b":" * options["body_bytes"])
            await self.end()
        elif scenario in HOSTILE:
            await HOSTILE[scenario](self, headers)
        elif (
            request.method == "POST"
            and request.path.endswith("/chat/completions")
            and isinstance(request.json, dict)
        ):
            await self.chat(headers, scenario)
        elif (
            request.method == "POST"
            and request.path.endswith("/embeddings")
            and isinstance(request.json, dict)
        ):
            await self.answer_json(200, headers, answers.embeddings(request.json, "text-embedding-3-small"))
        elif request.path.endswith("/models") and request.method in ("GET", "HEAD"):
            status = 304 if "if-none-match" in request.headers else 200
            await self.answer_json(status, {**headers, "etag": '"models-1"'}, answers.models())
        elif request.method in ("DELETE", "OPTIONS"):
            await self.head(204, headers, "none")
            await self.end()
        else:
            value = {"error": {"code": "404", "message": "Resource not found"}}
            record["error"] = value
            await self.answer_json(404, headers, value)
        record["response_body_sha256"] = self.hash.hexdigest()

    async def chat(self, headers, scenario):
        request, options, record = self.request, self.request.options, self.record
        if request.azure and "/deployments/" in request.path and "api-version" not in request.query:
            value = {"error": {"code": "404", "message": "Resource not found"}}
            record["error"] = value
            await self.answer_json(404, headers, value)
            return
        deployment = request.path.split("/")[3] if "/deployments/" in request.path else None
        chat = answers.Chat(request.json, options, request.azure, len(request.body), deployment)
        if "body_bytes" in options and not request.json.get("stream"):
            chat.fill(options["body_bytes"])
        choices = chat.choices()
        record.update(
            response_id=chat.id,
            answer_model=chat.model,
            answer_texts=[{"sha256": answers.sha256(t), "bytes": len(t.encode())} for t in chat.texts],
            finish_reasons=[chat.finish] * chat.n,
            usage=chat.usage,
            choices_sha256=answers.sha256(answers.canonical(choices)),
            tool_calls=[chat.tool_calls(i) for i in range(chat.n)] if chat.tools else None,
        )
        if sum(len(t) for t in chat.texts) < 10_000:
            record["choices"] = choices
        if request.json.get("stream"):
            record["stream"] = True
            await self.stream(headers, chat, scenario)
        else:
            await self.answer_json(200, headers, chat.plain(), options.get("framing", "length"))

    async def stream(self, headers, chat, scenario):
        options, record = self.request.options, self.record
        eol = options.get("eol", "\n")
        chunks = chat.stream()
        reported = bool((chat.body.get("stream_options") or {}).get("include_usage"))
        if scenario == "stream-error":
            chunks = chunks[: len(chunks) // 2] + [answers.STREAM_ERROR]
            record["error"] = answers.STREAM_ERROR
            reported = False
        if not reported:
            record["usage"] = None
        rng = random.Random(f"wire {chat.seed}")
        content_type = "text/event-stream; charset=utf-8" if not self.request.azure else "text/event-stream"
        await self.head(200, headers, "chunked", content_type=content_type)
        ragged = b""
        record["chunks"] = 0
        for chunk in chunks:
            escape = options.get("escape", rng.random() < 0.2)
            line = json.dumps(chunk, ensure_ascii=escape, separators=(",", ":"))
            raw = f"data: {line}{eol}{eol}".encode()
            if options.get("comments") and rng.random() < 0.3:
                raw = f": keep-alive{eol}{eol}".encode() + raw
            record["chunks"] += 1
            if (
                "first_content" not in record["times"]
                and '"content":"' in line
                and '"content":""' not in line
            ):
                record["times"]["first_content"] = time.time()
            if options.get("ragged"):
                ragged += raw
                while len(ragged) > 40:
                    size = rng.randrange(1, min(len(ragged), 3000))
                    await self.body(ragged[:size])
                    ragged = ragged[size:]
            else:
                await self.body(raw)
            if options.get("delay_ms"):
                await asyncio.sleep(options["delay_ms"] / 1000)
        await self.body(ragged)
        done = f"data: [DONE]{eol}{eol}".encode()
        if "body_bytes" in options:
            fill = options["body_bytes"] - record["response_body_len"] - len(done) - 1 - 2 * len(eol)
            await self.body(b":" + b"." * fill + 2 * eol.encode())
        if scenario != "stream-error":
            await self.body(done)
        await self.end()


async def hostile_raw(exchange, raw, keep=False):
    """Bytes as they are, then the end of the connection."""
    exchange.record["raw_answer_bytes"] = len(raw)
    for start in range(0, len(raw), 65536):
        await exchange.connection.write(raw[start : start + 65536])
    if not keep:
        exchange.connection.keep = False


STATUS_LINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def hostile_header(exchange, headers):
    raw = STATUS_LINE + b"x-long: " + b"A" * (1 << 20) + b"\r\nContent-Length: 2\r\n\r\n{}"
    await hostile_raw(exchange, raw)


async def hostile_many_headers(exchange, headers):
    raw = (
        STATUS_LINE
        + b"".join(b"x-%d: %d\r\n" % (i, i) for i in range(20000))
        + b"Content-Length: 2\r\n\r\n{}"
    )
    await hostile_raw(exchange, raw)


async def hostile_chunk_size(exchange, headers):
    raw = STATUS_LINE + b"Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n" + b"x" * 5000
    await hostile_raw(exchange, raw)


async def hostile_content_length(exchange, headers):
    raw = STATUS_LINE + b'Content-Length: 18446744073709551617\r\n\r\n{"a":1}'
    await hostile_raw(exchange, raw)


async def hostile_sse_line(exchange, headers):
    """One line of a stream of 100 MB."""
    await exchange.head(200, headers, "chunked", content_type="text/event-stream")
    await exchange.body(b'data: {"choices":[{"index":0,"delta":{"content":"')
    block = b"x" * 65536
    for _ in range(100 * (1 << 20) // len(block)):
        await exchange.body(block)
    await exchange.body(b'"}}]}\n\ndata: [DONE]\n\n')
    await exchange.end()


async def hostile_truncated_json(exchange, headers):
    raw = b'{"id":"chatcmpl-x","choices":[{"index":0,"message":{"role":"assist'
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_invalid_utf8(exchange, headers):
    raw = b'{"id":"chatcmpl-\xff\xfe","model":"\xc0\xaf\xed\xa0\x80","choices":[]}'
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_nul(exchange, headers):
    choices = b'[{"index":0,"message":{"content":"x\\u0000y"}}]'
    raw = b'{"id":"a\\u0000b","model":"m\x00","choices":' + choices + b"}\x00\x00"
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_deep(exchange, headers):
    raw = b'{"choices":' + b"[" * 200_000
    await exchange.head(200, headers, "length", len(raw))
    await exchange.body(raw)
    await exchange.end()


async def hostile_random(exchange, headers):
    await hostile_raw(exchange, random.Random("random").randbytes(200_000))


HOSTILE = {
    "hostile-header": hostile_header,
    "hostile-many-headers": hostile_many_headers,
    "hostile-chunk-size": hostile_chunk_size,
    "hostile-content-length": hostile_content_length,
    "hostile-sse-line": hostile_sse_line,
    "hostile-truncated-json": hostile_truncated_json,
    "hostile-invalid-utf8": hostile_invalid_utf8,
    "hostile-nul": hostile_nul,
    "hostile-deep": hostile_deep,
    "hostile-random": hostile_random,
}


class Connection:
    def __init__(self, server, number, reader, writer):
        self.server = server
        self.number = number
        self.reader = reader
        self.writer = writer
        self.buffer = bytearray()
        self.keep = True
        tls = writer.get_extra_info("ssl_object")
        self.sni = getattr(tls, "asked_name", None)
        self.peer = writer.get_extra_info("peername")
        self.address = writer.get_extra_info("sockname")
        self.tls = tls.version()

    async def write(self, data):
        if self.writer.is_closing():
            raise Gone
        self.writer.write(data)
        await self.writer.drain()

    async def more(self):
        data = await self.reader.read(1 << 18)
        if not data:
            raise Gone
        self.buffer += data

    async def cut(self, how):
        """Ends the connection without a TLS close, after what was written has left."""
        transport = self.writer.transport
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        sock = self.writer.get_extra_info("socket")
        if how == "fin":
            sock.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.2)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        raise Gone

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
        headers = request.headers
        if headers.get("expect", "").lower() == "100-continue":
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
            request.body = b"".join(parts)
        elif "content-length" in headers:
            request.body = await self.take(int(headers["content-length"]))

    async def exchange(self):
        head = await self.take_until(b"\r\n\r\n", MAX_HEAD)
        record = {
            "seq": self.server.next_number(),
            "connection": self.number,
            "peer_address": text_of(self.peer).rpartition(":")[0],
            "peer_port": self.peer[1],
            "address": text_of(self.address),
            "sni": self.sni,
            "tls": self.tls,
            "times": {"head": time.time()},
        }
        try:
            request = Request(head)
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
            await self.read_body(request, record)
            record["request_body_len"] = len(request.body)
            record["request_body_sha256"] = answers.sha256(request.body)
            record["content_type"] = request.headers.get("content-type")
            record["times"]["request"] = time.time()
            request.parse_body()
            if "x-directive" in request.headers:
                request.options = json.loads(request.headers["x-directive"])
            self.describe(request, record)
            out = Exchange(self, request, record)
            try:
                await out.run()
            except Gone:
                record["response_body_sha256"] = out.hash.hexdigest()
                raise
        finally:
            record["times"]["end"] = time.time()
            self.server.write_record(record)

    def describe(self, request, record):
        """What the events should say about the request."""
        record["id"] = request.options.get("id")
        body = request.json
        if not isinstance(body, dict):
            return
        record["model"] = body.get("model")
        record["stream"] = body.get("stream") is True
        if "messages" in body:
            messages = body["messages"]
            record["messages_sha256"] = answers.sha256(answers.canonical(messages))
            if len(request.body) < 10_000:
                record["messages"] = messages
        if "tools" in body:
            record["tools"] = body["tools"]
        known = ("model", "messages", "tools", "stream")
        record["parameters"] = {key: value for key, value in body.items() if key not in known}

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


class Server:
    def __init__(self, truth):
        self.truth = truth
        self.connections = 0
        self.exchanges = 0
        self.tries = collections.Counter()

    def next_number(self):
        self.exchanges += 1
        return self.exchanges

    def write_record(self, record):
        record.setdefault("response_complete", False)
        self.truth.write(json.dumps(record) + "\n")
        self.truth.flush()

    async def accept(self, reader, writer):
        self.connections += 1
        await Connection(self, self.connections, reader, writer).run()


def remember_name(tls, name, context):
    tls.asked_name = name


async def serve(args):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    context.set_alpn_protocols(["http/1.1"])
    context.sni_callback = remember_name
    with open(args.truth, "a", encoding="utf-8") as truth:
        server = Server(truth)
        # A short closing handshake: clients that drop a connection are the normal case.
        listener = await asyncio.start_server(
            server.accept, args.address, args.port, ssl=context, limit=1 << 20, ssl_shutdown_timeout=0.5
        )
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        print("ready", flush=True)
        await stop.wait()
        listener.close()


def main():
    parser = argparse.ArgumentParser(description="Stand-in for OpenAI and Azure OpenAI.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--truth", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
