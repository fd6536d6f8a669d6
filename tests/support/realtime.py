# SPDX-License-Identifier: Apache-2.0
"""The server's side of a realtime session and of the Responses API over WebSocket, on wsproto, with a record of the
truth.

What to answer is said by the session's own texts: a directive `[[{...}]]` in the last user text (or, with voice, in the
instructions) steers the next answer. Keys of a directive:

id            names the exchange in the record
text          what is answered; also the transcript of an answer in audio. pieces: number of its deltas
audio_bytes   of an answer in audio
tool          {name, arguments}: the answer is a call
status        "completed" (default), "incomplete", "failed"; reason: of "incomplete"
hold          the answer stops after its first half until the client cancels it
cut           the connection ends after the first half
error         the request is refused with this code; delay_ms: between the deltas
ping          a ping before each delta; fragments: each message in that many frames

With voice detection (session.audio.input.turn_detection is not null; in the beta session.turn_detection) an append of
nothing but zero bytes ends the user's turn. A header `OpenAI-Beta: realtime=v1`, or a path of Azure's preview, has the
beta's names.

record["exchanges"] has what each exchange was, in the order of their ends; sha256 and bytes are of the WebSocket
messages by the rules of agent/openai/session.h. The request of an answer that the server began by itself has none, nor
is the audio of a turn that voice detection ended certain: what the client had sent by then depends on where one looks.
What the record calls `output_audio` and `text` of an answer that was broken off is what had been sent."""

import asyncio
import base64
import hashlib
import inspect
import itertools
import json
import re
import urllib.parse

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

DIRECTIVE = re.compile(r"\[\[(\{.*?\})\]\]", re.S)
BETA_NAMES = {
    "response.output_text": "response.text",
    "response.output_audio_transcript": "response.audio_transcript",
    "response.output_audio": "response.audio",
    "conversation.item.added": "conversation.item.created",
}


def sum_of(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def directive_of(text):
    found = DIRECTIVE.findall(text or "")
    return json.loads(found[-1]) if found else {}


def halves(text, pieces):
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[i : i + size] for i in range(0, len(text), size)]


class Ended(Exception):
    """The client is gone, or is to be left."""


class Wire:
    """Frames and messages; payloads by direction, as they came and went."""

    def __init__(self, read, write, target, headers, deflate):
        self.read, self.raw_write = read, write
        self.connection = WSConnection(ConnectionType.SERVER)
        self.incoming = asyncio.Queue()
        self.fragments = 1
        self.deflated = False
        self.lock = asyncio.Lock()
        self.connection.initiate_upgrade_connection(
            [(name.encode(), value.encode()) for name, value in headers.items()], target.encode()
        )
        request = next(iter(self.connection.events()))
        assert isinstance(request, Request)
        protocols = [name for name in request.subprotocols if name == "realtime"]
        extension = PerMessageDeflate()
        self.accept = AcceptConnection(
            subprotocol=protocols[0] if protocols else None, extensions=[extension] if deflate else []
        )
        self.extension = extension

    async def write(self, data):
        done = self.raw_write(data)
        if inspect.isawaitable(done):
            await done

    async def open(self):
        await self.write(self.connection.send(self.accept))
        self.deflated = self.extension.enabled()

    async def receive(self):
        """Puts each text message into the queue, None at the end."""
        parts = []
        while True:
            try:
                data = await self.read()
            except OSError:
                data = b""
            self.connection.receive_data(data or None)
            for event in self.connection.events():
                if isinstance(event, TextMessage):
                    parts.append(event.data)
                    if event.message_finished:
                        await self.incoming.put("".join(parts))
                        parts = []
                elif isinstance(event, Ping):
                    await self.write(self.connection.send(event.response()))
                elif isinstance(event, CloseConnection):
                    if data:
                        await self.write(self.connection.send(event.response()))
                    await self.incoming.put(event.code)
                    return
            if not data:
                await self.incoming.put(None)
                return

    async def send(self, text):
        size = -(-len(text) // self.fragments)
        async with self.lock:
            for start in range(0, len(text), size):
                last = start + size >= len(text)
                await self.write(
                    self.connection.send(TextMessage(data=text[start : start + size], message_finished=last))
                )

    async def ping(self):
        await self.write(self.connection.send(Ping(payload=b"are you there")))

    async def close(self, code=1000):
        await self.write(self.connection.send(CloseConnection(code=code)))


class Bytes:
    """Payloads that belong together."""

    def __init__(self):
        self.data = b""

    def add(self, text):
        self.data += text.encode()

    def take(self):
        taken, self.data = sum_of(self.data), b""
        return taken


class Answer:
    """One response in flight."""

    def __init__(self, number, asked, by_client):
        self.id = f"resp_{number}"
        self.item_id = f"item_r{number}"
        self.asked = asked or {}
        self.bytes = Bytes()
        self.task = None
        self.cancelled = None
        self.chunks = 0
        self.truth = {"kind": "response", "response_id": self.id, "by": "client" if by_client else "server"}
        self.options = {}
        self.apart = self.asked.get("conversation") == "none"

    def names(self):
        return {"response_id": self.id, "item_id": self.item_id, "output_index": 0, "content_index": 0}


class Session:
    def __init__(self, wire, target, headers, record):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
        path = urllib.parse.urlsplit(target).path.rstrip("/")
        self.wire, self.record = wire, record
        self.exchanges = record.setdefault("exchanges", [])
        self.numbers = itertools.count(1)
        self.events = itertools.count(1)
        self.responses_api = path.endswith("/responses")
        self.beta = not self.responses_api and (
            "realtime" in headers.get("openai-beta", "") or path.endswith("/openai/realtime")
        )
        self.transcribes = query.get("intent") == "transcription"
        self.model = query.get("model") or query.get("deployment") or "gpt-realtime"
        self.config = {"type": "transcription" if self.transcribes else "realtime", "model": self.model}
        self.config["audio"] = {"input": {"turn_detection": None, "transcription": None}, "output": {"voice": "marin"}}
        self.config["instructions"] = "Be helpful."
        self.config["tools"] = []
        if self.transcribes:
            self.config["audio"]["input"]["transcription"] = {"model": "whisper-1"}
        self.client, self.loose = Bytes(), Bytes()
        self.open = []
        self.audio = b""
        self.items = {}
        self.waiting = []  # items since the last exchange
        self.last_text = ""
        record.update(client_messages=0, server_messages=0, audio_in=0, exchanges=self.exchanges)

    # --- sending ---

    def name(self, kind):
        if not self.beta:
            return kind
        stem, _, end = kind.rpartition(".")
        return BETA_NAMES.get(kind) or f"{BETA_NAMES.get(stem, stem)}.{end}"

    async def say(self, kind, answer=None, own=None, **members):
        event = {"type": self.name(kind), **members}
        if not self.responses_api:
            event["event_id"] = f"event_{next(self.events)}"
        text = json.dumps(event)
        await self.say_text(text, answer, own)

    async def say_text(self, text, answer=None, own=None):
        self.record["server_messages"] += 1
        if answer:
            answer.chunks += 1
        place = own or (answer.bytes if answer else self.open[0].bytes if self.open else self.loose)
        place.add(text)
        await self.wire.send(text)

    def take_loose(self, answer):
        if not self.open:
            answer.bytes, self.loose = self.loose, Bytes()
        self.open.append(answer)

    # --- configuration ---

    def turn_detection(self):
        return self.config.get("turn_detection") or self.config["audio"]["input"].get("turn_detection")

    def transcription(self):
        return self.config.get("input_audio_transcription") or self.config["audio"]["input"].get("transcription")

    async def on_update(self, event):
        for key, value in event.get("session", {}).items():
            if key == "audio":
                for side in value:
                    self.config["audio"].setdefault(side, {}).update(value[side])
            else:
                self.config[key] = value
        await self.say("session.updated", session=self.config)

    # --- input ---

    async def add_item(self, item):
        self.items[item["id"]] = item
        self.waiting.append(item["id"])
        texts = [part.get("text") for part in item.get("content", []) if part.get("text")]
        if texts:
            self.last_text = texts[-1]
        shown = json.loads(json.dumps(item))
        for part in shown.get("content", []):
            part.pop("audio", None)
        await self.say("conversation.item.added", previous_item_id=None, item={"object": "realtime.item", **shown})
        if not self.beta:
            await self.say("conversation.item.done", previous_item_id=None, item={"object": "realtime.item", **shown})

    async def on_item(self, event):
        item = dict(event["item"])
        item.setdefault("id", f"item_{next(self.numbers)}")
        await self.add_item(item)

    async def on_append(self, event):
        data = base64.b64decode(event["audio"], validate=True)
        self.audio += data
        self.record["audio_in"] += len(data)
        if self.turn_detection() and data and not any(data):
            await self.commit()
            if not self.transcribes:
                await self.answer(None, None, False)

    async def commit(self):
        item_id = f"item_{next(self.numbers)}"
        audio, self.audio = self.audio, b""
        await self.say("input_audio_buffer.committed", previous_item_id=None, item_id=item_id)
        part = {"type": "input_audio", "transcript": None}
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": [part]}
        await self.add_item(item)
        self.items[item_id]["sum"] = sum_of(audio)
        if self.transcription():
            await self.transcribe(item_id)

    async def on_commit(self, event):
        if self.audio:
            await self.commit()
            return
        error = {"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty", "message": "it is empty"}
        await self.say("error", error={**error, "param": None, "event_id": event.get("event_id")})

    async def transcribe(self, item_id):
        total = self.items[item_id]["sum"]
        transcript = f"{total['bytes']} bytes were heard"
        usage = {"type": "tokens", "input_tokens": total["bytes"] // 10, "output_tokens": 5}
        usage["total_tokens"] = usage["input_tokens"] + 5
        usage["input_token_details"] = {"text_tokens": 0, "audio_tokens": usage["input_tokens"]}
        kind = "conversation.item.input_audio_transcription"
        own = None if self.transcribes else Bytes()
        for piece in halves(transcript, 2):
            await self.say(f"{kind}.delta", item_id=item_id, content_index=0, delta=piece)
        await self.say(
            f"{kind}.completed", own=own, item_id=item_id, content_index=0, transcript=transcript, usage=usage
        )
        self.exchanges.append(
            {
                "kind": "transcription",
                "item_id": item_id,
                "input_audio": [total],
                "text": transcript,
                "usage": usage,
                "model": self.transcription().get("model"),
                "response": (own or self.loose).take(),
                "request": self.client.take() if self.transcribes and not self.turn_detection() else None,
                "outcome": "ok",
            }
        )

    # --- answers ---

    async def on_create(self, event):
        body = event if self.responses_api else event.get("response") or {}
        await self.answer(body, event, True)

    def options_for(self, body):
        source = body.get("input") if self.responses_api else None
        text = source if isinstance(source, str) else self.last_text
        if isinstance(source, list):
            text = json.dumps(source).replace('\\"', '"')
        return directive_of(text) or directive_of(body.get("instructions")) or directive_of(self.config["instructions"])

    async def answer(self, body, event, by_client):
        answer = Answer(next(self.numbers), body, by_client)
        answer.options = options = self.options_for(body or {})
        answer.truth["id"] = options.get("id")
        answer.truth["request"] = self.client.take() if by_client else None
        if not by_client:
            self.client.take()
        self.last_text = ""
        waits = list(self.waiting)
        if not (body or {}).get("input"):
            answer.truth["input_audio"] = [self.items[i]["sum"] for i in waits if "sum" in self.items[i]]
            answer.truth["input_items"] = len(waits)
            self.waiting.clear()
        self.take_loose(answer)
        self.wire.fragments = options.get("fragments", 1)
        if options.get("error"):
            await self.refuse(answer, options["error"], event)
            return
        answer.task = asyncio.ensure_future(self.tell(answer))
        if not answer.apart:
            await asyncio.sleep(0)

    async def refuse(self, answer, code, event):
        error = {"type": "invalid_request_error", "code": code, "message": "refused", "param": None}
        if self.responses_api:
            await self.say("error", answer, status=400, error=error)
        else:
            await self.say("error", answer, error={**error, "event_id": (event or {}).get("event_id")})
        self.finish(answer, outcome="stream-error", error=code)

    def object_of(self, answer, status, output, **more):
        kind = "response" if self.responses_api else "realtime.response"
        made = {"id": answer.id, "object": kind, "status": status, "output": output, **more}
        if self.responses_api:
            made["model"] = answer.asked.get("model", self.model)
        else:
            made["conversation_id"] = None if answer.apart else "conv_1"
            made["metadata"] = answer.asked.get("metadata")
        return made

    async def tell(self, answer):
        try:
            await self.tell_all(answer)
        except (Ended, OSError):
            await self.wire.incoming.put("cut")

    async def tell_all(self, answer):
        options = answer.options
        await self.say("response.created", answer, response=self.object_of(answer, "in_progress", []))
        if not self.responses_api:
            limits = [{"name": "tokens", "limit": 1000, "remaining": 900, "reset_seconds": 1.5}]
            await self.say("rate_limits.updated", rate_limits=limits)
        if options.get("tool"):
            output, said = await self.call_tool(answer, options["tool"])
        else:
            output, said = await self.speak(answer)
        await self.end(answer, output, said)

    async def call_tool(self, answer, tool):
        arguments = json.dumps(tool.get("arguments", {}))
        item = {"id": answer.item_id, "type": "function_call", "name": tool["name"], "call_id": f"call_{answer.id}"}
        names = {"response_id": answer.id, "output_index": 0}
        if self.responses_api:
            names.pop("response_id")
        await self.say("response.output_item.added", answer, **names, item={**item, "arguments": ""})
        names["item_id"] = answer.item_id
        for piece in halves(arguments, 3):
            await self.say("response.function_call_arguments.delta", answer, **names, delta=piece)
        item["arguments"], item["status"] = arguments, "completed"
        await self.say("response.function_call_arguments.done", answer, **names, arguments=arguments)
        answer.truth["tool"] = tool["name"]
        return [item], {"arguments": arguments}

    def with_audio(self, answer):
        wanted = answer.asked.get("output_modalities") or answer.asked.get("modalities")
        wanted = wanted or self.config.get("output_modalities") or self.config.get("modalities")
        return not self.responses_api and (wanted is None or "audio" in wanted)

    async def speak(self, answer):
        options, names = answer.options, answer.names()
        if self.responses_api:
            names.pop("response_id")
        text = options.get("text", "All is well, and the sky is blue.")
        spoken = self.with_audio(answer)
        audio = bytes(i * 7 % 251 for i in range(options.get("audio_bytes", 2000))) if spoken else b""
        item = {"id": answer.item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        added = {key: names[key] for key in ("response_id", "output_index") if key in names}
        await self.say("response.output_item.added", answer, **added, item=item)
        pieces = halves(text, options.get("pieces", 4))
        size = -(-len(audio) // len(pieces)) if pieces else 0
        said, heard = "", b""
        kind = "response.output_audio_transcript.delta" if spoken else "response.output_text.delta"
        for i, piece in enumerate(pieces):
            if await self.stops(answer, i, len(pieces)):
                break
            await self.say(kind, answer, **names, delta=piece)
            said += piece
            if spoken:
                part = audio[i * size : (i + 1) * size]
                heard += part
                delta = base64.b64encode(part).decode()
                await self.say("response.output_audio.delta", answer, **names, delta=delta)
            answer.truth["transcript" if spoken else "text"] = said
            answer.truth["output_audio"] = sum_of(heard) if spoken else None
        kind = "output_audio" if spoken else "output_text"
        part = {"type": kind.removeprefix("output_") if self.beta else kind, "transcript" if spoken else "text": said}
        item = {**item, "status": "incomplete" if answer.cancelled else "completed", "content": [part]}
        return [item], {"text": said}

    async def stops(self, answer, index, count):
        """Before a delta: pauses, pings, and whether the answer ends here."""
        options = answer.options
        if options.get("ping"):
            await self.wire.ping()
        await asyncio.sleep(options.get("delay_ms", 0) / 1000)
        if index == (count + 1) // 2:
            if options.get("cut"):
                self.finish(answer, outcome="interrupted")
                raise Ended
            while options.get("hold") and not answer.cancelled:
                await asyncio.sleep(0.01)
        return answer.cancelled

    def usage_of(self, answer, said):
        heard = sum(total["bytes"] for total in answer.truth.get("input_audio", [])) // 10
        spoken = (answer.truth.get("output_audio") or {}).get("bytes", 0) // 10
        written = len("".join(said.values())) // 4 + 1
        usage = {"input_tokens": 20 + heard, "output_tokens": written + spoken}
        usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
        if self.responses_api:
            usage["input_tokens_details"] = {"cached_tokens": 4}
            usage["output_tokens_details"] = {"reasoning_tokens": 2}
        else:
            usage["input_token_details"] = {"text_tokens": 20, "audio_tokens": heard, "cached_tokens": 4}
            usage["output_token_details"] = {"text_tokens": written, "audio_tokens": spoken}
        return usage

    async def end(self, answer, output, said):
        status = "cancelled" if answer.cancelled else answer.options.get("status", "completed")
        reason = answer.cancelled or answer.options.get("reason")
        usage = self.usage_of(answer, said)
        outcome = {"cancelled": "interrupted", "failed": "stream-error"}.get(status, "ok")
        outcome = "filtered" if reason == "content_filter" else outcome
        error = {"type": "server_error", "code": "server_error", "message": "it failed"} if status == "failed" else None
        if self.responses_api:
            more = {"error": error, "incomplete_details": {"reason": reason} if reason else None}
            kind = f"response.{status}"
        else:
            more = {"status_details": None}
            if status != "completed":
                more = {"status_details": {"type": status, **({"reason": reason} if reason else {"error": error})}}
            kind = "response.done"
        await self.say(kind, answer, response=self.object_of(answer, status, output, usage=usage, **more))
        self.finish(answer, outcome=outcome, usage=usage, finish_reason=[reason or status])

    def finish(self, answer, **truth):
        answer.truth.update(truth)
        answer.truth["response"] = answer.bytes.take()
        answer.truth["chunks"] = answer.chunks
        self.open.remove(answer)
        self.exchanges.append(answer.truth)

    async def on_cancel(self, event):
        wanted = event.get("response_id")
        for answer in self.open:
            if not answer.cancelled and wanted in (None, answer.id):
                answer.cancelled = "client_cancelled"
                return
        error = {"type": "invalid_request_error", "code": "response_cancel_not_active", "message": "nothing to cancel"}
        await self.say("error", error={**error, "param": None, "event_id": event.get("event_id")})

    async def on_truncate(self, event):
        told = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        await self.say("conversation.item.truncated", **told)

    async def on_clear(self, event):
        del event
        self.audio = b""
        await self.say("input_audio_buffer.cleared")

    # --- all of it ---

    async def on_message(self, text):
        self.record["client_messages"] += 1
        self.client.add(text)
        event = json.loads(text)
        handlers = {
            "session.update": self.on_update,
            "transcription_session.update": self.on_update,
            "conversation.item.create": self.on_item,
            "conversation.item.truncate": self.on_truncate,
            "input_audio_buffer.append": self.on_append,
            "input_audio_buffer.commit": self.on_commit,
            "input_audio_buffer.clear": self.on_clear,
            "response.create": self.on_create,
            "response.cancel": self.on_cancel,
        }
        if event["type"] in handlers:
            await handlers[event["type"]](event)
        elif not self.responses_api:
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no such event"}
            await self.say("error", error={**error, "param": "type", "event_id": event.get("event_id")})

    async def run(self):
        if not self.responses_api:
            await self.say("session.created", session={"object": "realtime.session", "id": "sess_1", **self.config})
        while True:
            message = await self.wire.incoming.get()
            if not isinstance(message, str) or message == "cut":
                return message
            await self.on_message(message)

    async def stop(self):
        for answer in list(self.open):
            if answer.task:
                answer.task.cancel()
            self.finish(answer, outcome="interrupted")


async def serve(read, write, target, headers, record, deflate=True):
    """From the handshake's answer to the end of the session. read() gives bytes, b"" at the end; write() takes them,
    and may have to be awaited. headers: by their lower-case names. permessage-deflate is used if the client offers it
    and `deflate` is true."""
    wire = Wire(read, write, target, headers, deflate)
    await wire.open()
    record["deflated"] = wire.deflated
    session = Session(wire, target, headers, record)
    receiver = asyncio.ensure_future(wire.receive())
    try:
        record["closed"] = await session.run()
    finally:
        receiver.cancel()
        await session.stop()
