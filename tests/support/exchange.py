# SPDX-License-Identifier: Apache-2.0
"""One request, and the answer that its directive asks for, over whatever protocol it came. The protocol's module
gives a wire: `await head(status, fields, framing, length)`, `await data(bytes)`, `await end(trailers)`,
`await cut(how)`, `version`, `server`."""

import asyncio
import json
import random
import time
import urllib.parse

import answers
import codings
import operations
from hostile import HOSTILE


class Gone(Exception):
    """The client ended the connection or the stream, or the directive said to."""


class Request:
    def __init__(self, method, target, fields):
        self.method = method
        self.target = target
        self.names = [name for name, _ in fields]
        self.headers = {name.lower(): value for name, value in fields}
        self.coded = b""
        self.body = b""
        split = urllib.parse.urlsplit(self.target)
        self.path = split.path
        self.query = dict(urllib.parse.parse_qsl(split.query))
        self.azure = self.path.startswith("/openai/")
        self.json = None
        self.options = {}
        self.row, self.deployment, self.ids = operations.find(method, self.path, self.query)
        if "x-directive" in self.headers:
            self.options = json.loads(self.headers["x-directive"])

    def take_body(self, coded):
        """The body as it came, without transfer-coding."""
        self.coded = self.body = coded
        try:
            self.body = codings.decode(self.headers.get("content-encoding", ""), coded)
        except ValueError:
            pass
        try:
            self.json = json.loads(self.body)
            if not self.options:
                self.options = answers.find_directive(self.json)
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
            self.json = None
        if not isinstance(self.options, dict):
            self.options = {}

    def describe(self, record):
        """What the events should say about the request."""
        record["id"] = self.options.get("id")
        record["request_wire_len"] = len(self.coded)
        record["request_coding"] = self.headers.get("content-encoding")
        record["request_body_len"] = len(self.body)
        record["request_body_sha256"] = answers.sha256(self.body)
        record["content_type"] = self.headers.get("content-type")
        record["operation"] = self.row.ids(self.azure_classic()) if self.row else "Unknown"
        record["kind"] = self.row.kind if self.row else None
        operations.describe(self, record)

    def azure_classic(self):
        return self.azure and not self.path.startswith("/openai/v1/")


class Exchange:
    """Sends one answer and fills in its record."""

    def __init__(self, wire, request, record):
        self.wire = wire
        self.request = request
        self.record = record
        self.hash = answers.hashlib.sha256()
        self.silent = False
        self.coder = None
        self.damage_at = request.options.get("corrupt")
        self.cut_after = request.options.get("cut_after")
        record["response_body_len"] = record["response_wire_len"] = 0

    def coding(self):
        """The coding of the answer: what the directive says, if the client takes it."""
        coding = self.request.options.get("coding")
        if not coding:
            return None
        if self.request.options.get("force") or codings.accepted(
            coding, self.request.headers.get("accept-encoding")
        ):
            return coding
        return None

    async def head(
        self, status, headers, framing="length", length=None, content_type="application/json", coding=None
    ):
        record, options = self.record, self.request.options
        record["status"] = status
        record["times"]["answer"] = time.time()
        self.silent = self.request.method == "HEAD" or status in (204, 304)
        fields = dict(headers)
        fields["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        if content_type and status not in (204, 304):
            fields["Content-Type"] = content_type
        record["response_content_type"] = fields.get("Content-Type")
        if coding:
            fields["Content-Encoding"] = codings.header(coding)
            record["response_coding"] = coding
        if options.get("trailers") and framing == "chunked":
            fields["Trailer"] = ", ".join(options["trailers"])
        record["response_headers"] = fields
        if status in (204, 304):
            framing, length = "none", None
        if self.silent and framing == "chunked":
            framing = "chunked-head"
        await self.wire.head(status, fields, framing, length)

    async def body(self, data):
        """Sends bytes of the body, as one chunk if the body is chunked."""
        if self.silent or not data:
            return
        await self.send(data, self.coder.feed(data) if self.coder else data)

    async def send(self, data, coded):
        """`data` is what `coded` is without its coding."""
        cut = False
        if self.cut_after is not None:
            left = self.cut_after - self.record["response_wire_len"]
            if len(coded) >= left:
                cut = True
                if not self.coder:
                    data = coded = coded[:left]
        self.hash.update(data)
        self.record["response_body_len"] += len(data)
        self.record["response_wire_len"] += len(coded)
        await self.wire.data(self.damaged(coded))
        if cut:
            await self.wire.cut(self.request.options.get("cut", "fin"))
            raise Gone

    def damaged(self, coded):
        """The directive's `corrupt` is the offset, in coded bytes, from which on twenty are turned round."""
        if self.damage_at is None:
            return coded
        at = self.damage_at - (self.record["response_wire_len"] - len(coded))
        if not 0 <= at < len(coded):
            return coded
        self.damage_at = None
        wrong = bytes(byte ^ 0xFF for byte in coded[at : at + 20])
        return coded[:at] + wrong + coded[at + 20 :]

    async def end(self):
        if self.coder and not self.silent:
            rest = self.coder.finish()
            self.record["response_wire_len"] += len(rest)
            await self.wire.data(rest)
        await self.wire.end(self.request.options.get("trailers"))
        self.record["response_complete"] = True

    async def answer_json(self, status, headers, value, framing=None):
        raw = json.dumps(value, ensure_ascii=bool(self.request.options.get("escape"))).encode()
        await self.answer_bytes(status, headers, raw, "application/json", framing)

    async def answer_bytes(self, status, headers, raw, content_type, framing=None):
        framing = framing or self.request.options.get("framing", "length")
        coding = self.coding()
        if self.request.options.get("transfer") and self.wire.version == "http/1.1":
            framing, coding = "transfer-" + self.request.options["transfer"], None
        coded = codings.encode(coding, raw) if coding and framing != "chunked" else raw
        await self.head(status, headers, framing, len(coded), content_type, coding)
        if coding and framing != "chunked":
            await self.whole(raw, coded)
        else:
            self.coder = codings.coder(coding) if coding else None
            if framing.startswith("transfer-"):
                self.coder = codings.coder(self.request.options["transfer"])
            step = 65536 if framing in ("length", "close") else 7000
            for start in range(0, len(raw), step):
                await self.body(raw[start : start + step])
        await self.end()

    async def whole(self, raw, coded):
        """A body that was coded beforehand, since its length had to be said."""
        if self.silent:
            return
        self.hash.update(raw)
        self.record["response_body_len"] = len(raw)
        for start in range(0, len(coded), 65536):
            piece = coded[start : start + 65536]
            self.record["response_wire_len"] += len(piece)
            await self.wire.data(self.damaged(piece))

    async def run(self):
        request, options, record = self.request, self.request.options, self.record
        headers = answers.headers(options.get("id") or record["seq"], request.azure, options, request.headers)
        if options.get("wait_ms"):
            await asyncio.sleep(options["wait_ms"] / 1000)
        elif isinstance(request.json, dict) and answers.question(request.json) in answers.KNOWN:
            await asyncio.sleep(float(headers["openai-processing-ms"]) / 1000)
        scenario = options.get("scenario", "")
        tries = self.wire.server.tries
        tries[options.get("id")] += 1
        if tries[options.get("id")] <= options.get("fail_first", 0):
            scenario = "error-429"
        if scenario in answers.ERRORS:
            status, more, value = answers.ERRORS[scenario]
            await self.fail(status, {**headers, **more}, value)
        elif scenario == "bytes":
            await self.head(200, headers, options["framing"], options["body_bytes"], options["type"])
            await self.body(b":" * options["body_bytes"])
            await self.end()
        elif scenario == "bomb":
            await self.bomb(headers)
        elif scenario in HOSTILE:
            await HOSTILE[scenario](self, headers)
        else:
            await self.operation(headers, scenario)
        record["response_body_sha256"] = self.hash.hexdigest()

    async def fail(self, status, headers, value):
        self.record["error"] = value
        if isinstance(value, dict):
            await self.answer_json(status, headers, value)
        else:
            await self.answer_bytes(status, headers, value.encode(), "text/html")

    async def bomb(self, headers):
        """Little on the wire, much behind it."""
        coding, size = self.request.options["coding"], self.request.options["bomb_bytes"]
        await self.head(200, headers, "chunked", None, "application/json", coding)
        self.coder = codings.coder(coding)
        block = b" " * (1 << 20)
        for _ in range(size // len(block)):
            await self.body(block)
        await self.end()

    async def operation(self, headers, scenario):
        request, record = self.request, self.record
        answer = None
        if request.row and not (
            request.azure_classic() and request.deployment and "api-version" not in request.query
        ):
            answer = operations.answer(request)
        if (
            answer is None
            and request.path.startswith(("/v1/", "/openai/"))
            and (request.method in ("DELETE", "OPTIONS"))
        ):
            await self.head(204, headers, "none")
            await self.end()
            return
        if answer is None:
            await self.fail(404, headers, {"error": {"code": "404", "message": "Resource not found"}})
            return
        record.update(answer.facts)
        if answer.etag and "if-none-match" in request.headers:
            await self.head(304, {**headers, "etag": answer.etag}, "none")
            await self.end()
        elif answer.events is not None:
            record["stream"] = True
            await self.stream(headers, answer, scenario)
        elif answer.data is not None:
            await self.answer_bytes(answer.status, {**headers, **answer.headers}, answer.data, answer.type)
        else:
            more = {**answer.headers, **({"etag": answer.etag} if answer.etag else {})}
            await self.answer_json(answer.status, {**headers, **more}, answer.value)

    async def stream(self, headers, answer, scenario):
        options, record = self.request.options, self.record
        eol = options.get("eol", "\n")
        events, done = answer.events, answer.done
        if scenario == "stream-error":
            events = events[: len(events) // 2] + [answer.stream_error()]
            done = False
            record.update(error=events[-1][1], usage=None, tokens={})
        rng = random.Random(f"wire {options.get('id')}")
        content_type = "text/event-stream" if self.request.azure else "text/event-stream; charset=utf-8"
        coding = self.coding()
        await self.head(200, headers, "chunked", None, content_type, coding)
        self.coder = codings.coder(coding) if coding else None
        ragged = b""
        record["chunks"] = 0
        for name, value in events:
            escape = options.get("escape", rng.random() < 0.2)
            line = json.dumps(value, ensure_ascii=escape, separators=(",", ":"))
            raw = f"data: {line}{eol}{eol}".encode()
            if name and not options.get("unnamed"):
                raw = f"event: {name}{eol}".encode() + raw
            if options.get("comments") and rng.random() < 0.3:
                raw = f": keep-alive{eol}{eol}".encode() + raw
            record["chunks"] += 1
            if "first_content" not in record["times"] and answer.has_content(name, value):
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
        end = b""
        if done:
            end = (f"event: {done}{eol}" if isinstance(done, str) else "").encode()
            end += f"data: [DONE]{eol}{eol}".encode()
        if "body_bytes" in options:
            fill = options["body_bytes"] - record["response_body_len"] - len(end) - 1 - 2 * len(eol)
            await self.body(b":" + b"." * fill + 2 * eol.encode())
        await self.body(end)
        await self.end()
