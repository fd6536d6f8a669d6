# SPDX-License-Identifier: Apache-2.0
"""Recorded HTTP/2 conversations, and what is in them as the hyperframe and hpack packages read it: the ground truth of
the cases for tests/conformance/http2_cases.c.

    case NAME
    call client|server HEX                            one call of the client: SSL_write, or SSL_read
    request STREAM END METHOD TARGET LENGTH SHA256    END: complete, or cut for any other end
    response STREAM END STATUS LENGTH SHA256
    field request|response STREAM NAME VALUE          of the message above, in order
    hostile                                           the client breaks the protocol on purpose
    end

TARGET, NAME and VALUE are percent-encoded, "-" is none."""

import hashlib
import zlib

import hpack
import hyperframe.exceptions
import hyperframe.frame as fr

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = 9
ANY_TABLE = 1 << 32


def quoted(data):
    return "".join(chr(c) if 0x20 < c < 0x7F and c != 0x25 else f"%{c:02X}" for c in data) or "%"


def frames(data):
    """(frame, its bytes) for what is whole; UnknownFrameError never: such a frame is one of hyperframe's extensions."""
    at = 0
    while at + HEADER <= len(data):
        frame, length = fr.Frame.parse_frame_header(memoryview(data)[at : at + HEADER])
        if at + HEADER + length > len(data):
            return
        frame.parse_body(memoryview(data)[at + HEADER : at + HEADER + length])
        yield frame, data[at : at + HEADER + length]
        at += HEADER + length


class Half:
    """One message of a stream."""

    def __init__(self):
        self.fields = None  # (name, value), pseudo-header fields and all
        self.trailers = None
        self.body = bytearray()
        self.ended = False
        self.refused = False  # there will be no response

    def value(self, name):
        return next((value for key, value in self.fields or () if key == name), None)

    def plain_body(self):
        """Without its content-coding, as far as there is one."""
        coding = self.value(b"content-encoding")
        if coding == b"gzip" and self.body:
            return zlib.decompressobj(31).decompress(bytes(self.body))
        return bytes(self.body)

    def regular(self):
        """The fields as the agent gives them: :authority as the first, named host."""
        out = [(name, value.strip(b" \t")) for name, value in self.fields if not name.startswith(b":")]
        authority = self.value(b":authority")
        if authority and dict(out).get(b"host") != authority:
            out.insert(0, (b"host", authority))
        return out


class Stream:
    def __init__(self):
        self.request, self.response = Half(), Half()
        self.closed = False

    def complete(self, half):
        """As its framing says, or all that content-length promised."""
        length = half.value(b"content-length")
        bodiless = half is self.response and (
            self.request.value(b":method") == b"HEAD" or half.value(b":status") == b"304"
        )
        if length is None or bodiless:
            return half.ended
        return int(length) == len(half.body)


class Side:
    def __init__(self, preface):
        self.data = b""
        self.preface = preface
        self.decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self.decoder.max_allowed_table_size = ANY_TABLE
        self.block = None  # [frame that began it, bytes]
        self.broken = None  # the exception after which nothing is read any more


class Reader:
    """Both directions of a connection."""

    def __init__(self):
        self.sides = {"client": Side(PREFACE), "server": Side(b"")}
        self.streams = {}
        self.goaway = None

    def feed(self, side, data):
        state = self.sides[side]
        if state.broken:
            return
        state.data += data
        if len(state.data) < len(state.preface):
            return
        if not state.data.startswith(state.preface):
            state.broken = ValueError("no preface")
            return
        state.data = state.data[len(state.preface) :]
        state.preface = b""
        try:
            for frame, raw in frames(state.data):
                state.data = state.data[len(raw) :]
                self.frame(side, state, frame)
        except (hyperframe.exceptions.HyperframeError, hpack.HPACKError, ValueError) as error:
            state.broken = error

    def frame(self, side, state, frame):
        if isinstance(frame, (fr.HeadersFrame, fr.PushPromiseFrame)):
            state.block = [frame, b""]
        if isinstance(frame, (fr.HeadersFrame, fr.PushPromiseFrame, fr.ContinuationFrame)):
            if not state.block:
                raise ValueError("a block that was not begun")
            state.block[1] += frame.data
            if "END_HEADERS" in frame.flags:
                begin, data = state.block
                state.block = None
                self.fields(side, begin, state.decoder.decode(data, raw=True))
        elif state.block:
            raise ValueError("a block that is not finished")
        elif isinstance(frame, fr.DataFrame):
            self.data(side, frame)
        elif isinstance(frame, fr.RstStreamFrame):
            self.reset(frame.stream_id)
        elif isinstance(frame, fr.GoAwayFrame) and side == "server":
            last = frame.last_stream_id
            self.goaway = last if self.goaway is None else min(self.goaway, last)
            for number in self.streams:
                self.refuse(number)

    def half(self, side, number, make=False):
        if make and number % 2 and (side == "client" or number in self.streams):
            self.streams.setdefault(number, Stream())
        stream = self.streams.get(number)
        if not stream or stream.closed:
            return None
        half = stream.request if side == "client" else stream.response
        return None if half.ended else half

    def fields(self, side, frame, fields):
        half = self.half(side, frame.stream_id, make=True)
        if isinstance(frame, fr.PushPromiseFrame) or half is None:
            return
        fields = [(bytes(name), bytes(value)) for name, value in fields]
        ended = "END_STREAM" in frame.flags
        interim = side == "server" and dict(fields).get(b":status", b"").startswith(b"1")
        if half.fields is not None:
            half.trailers = fields
        elif not interim or ended:
            half.fields = fields
            self.refuse(frame.stream_id)
        half.ended |= ended

    def data(self, side, frame):
        half = self.half(side, frame.stream_id)
        if half is not None:
            half.body += frame.data
            half.ended |= "END_STREAM" in frame.flags

    def reset(self, number):
        stream = self.streams.get(number)
        if not stream or stream.closed:
            return
        stream.closed = True
        if stream.request.fields is not None and stream.response.fields is None:
            stream.response.refused = True

    def refuse(self, number):
        stream = self.streams[number]
        if self.goaway is None or number <= self.goaway or stream.closed:
            return
        if stream.request.fields is not None and stream.response.fields is None:
            stream.response.refused = True
            stream.response.ended = True


class Conversation:
    """What was recorded."""

    def __init__(self, name):
        self.name = name
        self.calls = []
        self.reader = Reader()
        self.hostile = False

    def add(self, side, data):
        if data:
            self.calls.append((side, bytes(data)))
            self.reader.feed(side, bytes(data))

    def streams(self):
        return self.reader.streams

    def check_whole(self):
        """A conversation between two that keep the rules has nothing that cannot be read."""
        for side, state in self.reader.sides.items():
            if state.broken:
                raise ValueError(f"{self.name}: {side}: {state.broken!r}")

    def write(self, out):
        out.write(f"case {self.name}\n")
        for side, data in self.calls:
            out.write(f"call {side} {data.hex()}\n")
        for number, stream in self.reader.streams.items():
            self.write_message(out, number, stream, "request", stream.request)
            self.write_message(out, number, stream, "response", stream.response)
        if self.hostile:
            out.write("hostile\n")
        out.write("end\n")

    @staticmethod
    def write_message(out, number, stream, word, half):
        if half.fields is None and not half.refused:
            return
        end = "complete" if half.fields is not None and stream.complete(half) else "cut"
        if word == "request":
            method, target = half.value(b":method"), half.value(b":path")
            if method == b"CONNECT" and target is None:
                target = half.value(b":authority")
            start = " ".join("-" if text is None else quoted(text) for text in (method, target))
        else:
            start = (half.value(b":status") or b"0").decode("latin-1")
        body = half.plain_body()
        out.write(f"{word} {number} {end} {start} {len(body)} {hashlib.sha256(body).hexdigest()}\n")
        for name, value in half.regular() if half.fields is not None else ():
            out.write(f"field {word} {number} {quoted(name)} {quoted(value)}\n")
