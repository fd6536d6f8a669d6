# SPDX-License-Identifier: Apache-2.0
"""The endpoint's HTTP/2, on the h2 package: every stream is an exchange of its own."""

import asyncio
import ssl
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from endpoint_http1 import cut_connection
from exchange import Exchange, Gone, Request

WINDOW = 1 << 20


class Stream:
    """The wire of one exchange."""

    version = "h2"

    def __init__(self, connection, number, request, record):
        self.connection = connection
        self.server = connection.server
        self.number = number
        self.request = request
        self.record = record
        self.received = []
        self.gone = False
        self.task = None

    async def head(self, status, fields, framing, length):
        out = [(":status", str(status))]
        out += [(name.lower(), str(value)) for name, value in fields.items()]
        if framing == "length":
            out.append(("content-length", str(length)))
        self.check()
        self.connection.h2.send_headers(self.number, out)
        await self.connection.flush()

    def check(self):
        if self.gone or self.connection.gone:
            raise Gone

    async def data(self, data):
        """As much as the windows let pass; other streams get their turn between two frames."""
        state = self.connection.h2
        pad = self.request.options.get("pad")
        while data:
            self.check()
            room = state.local_flow_control_window(self.number) - (pad + 1 if pad else 0)
            size = min(room, state.max_outbound_frame_size - 300, len(data))
            if size <= 0:
                await self.connection.window_changed()
                continue
            state.send_data(self.number, data[:size], pad_length=pad)
            data = data[size:]
            await self.connection.flush()
            await asyncio.sleep(0)

    async def end(self, trailers=None):
        self.check()
        if trailers:
            self.connection.h2.send_headers(self.number, list(trailers.items()), end_stream=True)
        else:
            self.connection.h2.end_stream(self.number)
        await self.connection.flush()

    async def cut(self, how):
        """ "rst" ends the stream, the others the connection."""
        if how == "rst":
            self.connection.h2.reset_stream(self.number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self.connection.flush()
        else:
            self.connection.gone = True
            await cut_connection(self.connection.writer, how)
        raise Gone

    async def run(self):
        record = self.record
        record["times"]["request"] = time.time()
        out = Exchange(self, self.request, record)
        try:
            await out.run()
        except (Gone, OSError, ssl.SSLError, h2.exceptions.ProtocolError):
            record["response_body_sha256"] = out.hash.hexdigest()
        finally:
            self.connection.finish(self)


class Connection:
    version = "h2"

    def __init__(self, server, number, reader, writer):
        self.server = server
        self.number = number
        self.reader = reader
        self.writer = writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        codes = h2.settings.SettingCodes
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={codes.INITIAL_WINDOW_SIZE: WINDOW, codes.MAX_CONCURRENT_STREAMS: 256},
        )
        self.streams = {}
        self.changed = asyncio.Event()
        self.gone = False

    async def flush(self):
        data = self.h2.data_to_send()
        if data:
            if self.writer.is_closing():
                self.gone = True
                raise Gone
            self.writer.write(data)
            await self.writer.drain()

    async def window_changed(self):
        self.changed.clear()
        await self.changed.wait()

    def finish(self, stream):
        stream.record["times"]["end"] = time.time()
        self.streams.pop(stream.number, None)
        self.server.write_record(stream.record)

    def open(self, event):
        fields = dict(event.headers)
        record = self.server.new_record(self.writer, self.number, self.version)
        record["stream_id"] = event.stream_id
        plain = [(name, value) for name, value in event.headers if not name.startswith(":")]
        request = Request(fields[":method"], fields[":path"], plain)
        record.update(
            method=request.method,
            target=request.target,
            host=fields.get(":authority", request.headers.get("host")),
            header_names=request.names,
            user_agent=request.headers.get("user-agent"),
            retry=request.headers.get("x-stainless-retry-count"),
        )
        self.streams[event.stream_id] = Stream(self, event.stream_id, request, record)
        if request.options.get("early"):
            self.start(self.streams[event.stream_id], whole=False)

    def start(self, stream, whole=True):
        stream.request.take_body(b"".join(stream.received))
        stream.request.describe(stream.record)
        if not whole:
            stream.record["request_complete"] = False
        if stream.task is None:
            stream.task = asyncio.ensure_future(stream.run())

    def reset(self, event):
        stream = self.streams.get(event.stream_id)
        if not stream:
            return
        stream.gone = True
        stream.record["reset"] = int(event.error_code)
        if stream.task is None:
            stream.request.take_body(b"".join(stream.received))
            stream.request.describe(stream.record)
            stream.record["request_complete"] = False
            self.finish(stream)

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.open(event)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.received.append(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self.streams.get(event.stream_id)
            if stream and stream.task is None:
                self.start(stream)
        elif isinstance(event, h2.events.StreamReset):
            self.reset(event)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.server.goaways += 1
        self.changed.set()

    async def run(self):
        try:
            self.h2.initiate_connection()
            self.h2.increment_flow_control_window(WINDOW)
            await self.flush()
            while data := await self.reader.read(1 << 18):
                for event in self.h2.receive_data(data):
                    self.take(event)
                await self.flush()
        except (Gone, OSError, ssl.SSLError, h2.exceptions.ProtocolError):
            pass
        finally:
            self.gone = True
            self.changed.set()
            await self.leave()

    async def leave(self):
        tasks = [stream.task for stream in self.streams.values() if stream.task]
        for stream in list(self.streams.values()):
            if stream.task is None:
                stream.request.take_body(b"".join(stream.received))
                stream.request.describe(stream.record)
                stream.record["request_complete"] = False
                self.finish(stream)
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            pass
