#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes HTTP/2 conversations between two ends of the h2 package, as cases for http2_cases.c. Each scenario is written as
h2 frames it, and with its frames arranged anew in the ways that RFC 9113 allows; the other end reads what is written,
and what it reports must agree with h2_read.py."""

import argparse
import gzip
import hashlib
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events as ev
import h2.settings
import hyperframe.frame as fr
from h2_read import PREFACE, Conversation, frames

REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.org"), (":path", "/v1/models")]
POST = [(":method", "POST"), *REQUEST[1:3], (":path", "/v1/chat/completions"), ("content-type", "application/json")]
ANSWER = [(":status", "200"), ("content-type", "application/json")]
Codes = h2.settings.SettingCodes
Errors = h2.errors.ErrorCodes
BLOCKS = (fr.HeadersFrame, fr.PushPromiseFrame)


def request(path="/", method="GET", *more):
    return [(":method", method), *REQUEST[1:3], (":path", path), ("user-agent", "h2"), *more]


def blob(seed, size):
    """Bytes that look like nothing."""
    out = b""
    while len(out) < size:
        out += hashlib.sha256(f"{seed}-{len(out)}".encode()).digest()
    return out[:size]


# --- frames arranged anew ---------------------------------------------------------------------


class Plain:
    """As h2 frames it."""

    def arrange(self, frame):
        return [frame]


class Fragments(Plain):
    """Header blocks in small pieces, the last one perhaps empty. h2 takes no more than 64 of them."""

    def arrange(self, frame):
        if not isinstance(frame, BLOCKS) or "END_HEADERS" not in frame.flags:
            return [frame]
        size = -(-len(frame.data) // 60)
        pieces = [frame.data[at : at + size] for at in range(0, len(frame.data), size)] + [b""]
        frame.data = pieces[0]
        frame.flags.discard("END_HEADERS")
        more = [fr.ContinuationFrame(frame.stream_id, data=piece) for piece in pieces[1:]]
        more[-1].flags.add("END_HEADERS")
        return [frame, *more]


class Padded(Plain):
    """Padding and priority wherever they may be. Small frames only: padding counts to the windows."""

    def __init__(self):
        self.n = 0

    def arrange(self, frame):
        self.n += 1
        if not isinstance(frame, (*BLOCKS, fr.DataFrame)) or len(frame.data) > 4000:
            return [frame]
        frame.flags.add("PADDED")
        frame.pad_length = (0, 1, 7, 255)[self.n % 4]
        if isinstance(frame, fr.HeadersFrame) and self.n % 2:
            frame.flags.add("PRIORITY")
            frame.depends_on, frame.stream_weight, frame.exclusive = 0, self.n % 256, False
        return [frame]


class Scattered(Plain):
    """DATA in small frames with empty ones between, and frames of other kinds wherever they may be."""

    def arrange(self, frame):
        if isinstance(frame, fr.ContinuationFrame) or isinstance(frame, BLOCKS) and "END_HEADERS" not in frame.flags:
            return [frame]
        if not isinstance(frame, fr.DataFrame):
            return [fr.PriorityFrame(99, depends_on=1, stream_weight=3), frame, self.unknown(0)]
        size = max(1, len(frame.data) // 5)
        pieces = [frame.data[at : at + size] for at in range(0, len(frame.data), size)] or [b""]
        out = []
        for piece in pieces:
            out += [fr.DataFrame(frame.stream_id, piece), fr.DataFrame(frame.stream_id, b""), self.unknown(frame.stream_id)]
        if "END_STREAM" in frame.flags:
            out[-2].flags.add("END_STREAM")
            out.pop()
        return out

    @staticmethod
    def unknown(stream):
        frame = fr.ExtensionFrame(0x42, stream, flag_byte=0xA5, body=b"\0\1\2")
        frame.body_len = len(frame.body)
        return frame


ARRANGEMENTS = {"plain": Plain, "fragments": Fragments, "padded": Padded, "scattered": Scattered}


# --- two ends ---------------------------------------------------------------------------------


class Pair:
    def __init__(self, name, arrangement):
        def end(client_side):
            return h2.connection.H2Connection(
                h2.config.H2Configuration(client_side=client_side, header_encoding=None, normalize_inbound_headers=False)
            )

        self.talk = Conversation(name)
        self.client, self.server = end(True), end(False)
        self.arrangement = arrangement
        self.events = {"client": [], "server": []}  # by who was told
        self.deaf = False  # bytes are on the wire, but the other end is gone
        self.client.initiate_connection()
        self.flush()
        self.server.initiate_connection()
        self.flush()

    def flush(self):
        """Until neither has anything to send."""
        moved = True
        while moved:
            moved = self.move("client", self.client, self.server)
            moved = self.move("server", self.server, self.client) or moved

    def move(self, side, sender, receiver):
        data = sender.data_to_send()
        if not data:
            return False
        out = PREFACE if data.startswith(PREFACE) else b""
        for frame, raw in frames(data[len(out) :]):
            # Of the connection's first frames the first must stay it.
            if isinstance(frame, fr.SettingsFrame):
                out += raw
            else:
                out += b"".join(piece.serialize() for piece in self.arrangement.arrange(frame))
        self.talk.add(side, out)
        if not self.deaf:
            self.events["server" if side == "client" else "client"] += receiver.receive_data(out)
        return True

    def ask(self, number, fields, body=None, end=True):
        self.client.send_headers(number, fields, end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.send(self.client, self.server, number, body, end)

    def answer(self, number, fields, body=None, end=True):
        self.server.send_headers(number, fields, end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.send(self.server, self.client, number, body, end)

    def send(self, sender, receiver, number, body, end=True):
        """As the windows allow, which the receiver opens only when they are used up."""
        while True:
            n = min(sender.local_flow_control_window(number), sender.max_outbound_frame_size, len(body))
            if body and not n:
                receiver.increment_flow_control_window(40000)
                receiver.increment_flow_control_window(40000, number)
                self.flush()
                continue
            sender.send_data(number, body[:n], end_stream=end and n == len(body))
            self.flush()
            body = body[n:]
            if not body:
                return

    def exchange(self, number, path="/", body=b"{}", fields=()):
        self.ask(number, request(path, "POST", *fields), b'{"q":%d}' % number)
        self.answer(number, ANSWER, body)

    def told(self):
        """By stream and who was told: [fields, body, ended]."""
        out = {}
        for who, events in self.events.items():
            for event in events:
                number = getattr(event, "stream_id", None)
                told = out.setdefault((number, who), [None, b"", False])
                if isinstance(event, (ev.RequestReceived, ev.ResponseReceived)):
                    told[0] = [(bytes(name), bytes(value)) for name, value in event.headers]
                elif isinstance(event, ev.DataReceived):
                    told[1] += event.data
                elif isinstance(event, ev.StreamEnded):
                    told[2] = True
        return out

    def check(self):
        self.talk.check_whole()
        for (number, who), (fields, body, ended) in self.told().items():
            if fields is None or number % 2 == 0:
                continue
            stream = self.talk.streams()[number]
            half = stream.request if who == "server" else stream.response
            if (half.fields, bytes(half.body), half.ended) != (fields, body, ended):
                raise ValueError(f"{self.talk.name}: stream {number}: h2 and h2_read.py differ")


# --- scenarios --------------------------------------------------------------------------------


def get(p):
    p.ask(1, REQUEST)
    p.answer(1, ANSWER, b'{"data":[]}')


def post(p):
    p.ask(1, [*POST, ("content-length", "17")], b'{"model":"gpt-4"}')
    p.answer(1, [*ANSWER, ("content-length", "2")], b"{}")


def upload(p):
    p.ask(1, POST, blob("up", 150000))
    p.answer(1, ANSWER, b"{}")


def download(p):
    p.ask(1, POST, b"{}")
    p.answer(1, ANSWER, blob("down", 200000))


def interleaved(p):
    numbers = range(1, 21, 2)
    for number in numbers:
        p.ask(number, request(f"/{number}", "POST"), b"a" * number, end=False)
    for number in reversed(numbers):
        p.send(p.client, p.server, number, b"b" * number)
    for number in numbers:
        p.answer(number, ANSWER, b"x" * number, end=False)
    for _ in range(3):
        for number in numbers:
            p.send(p.server, p.client, number, blob(number, 50), end=False)
    for number in reversed(numbers):
        p.send(p.server, p.client, number, b"z")


def trailers(p):
    p.ask(1, POST, b"{}", end=False)
    p.client.send_headers(1, [("x-checksum", "abc"), ("x-more", "1")], end_stream=True)
    p.flush()
    p.answer(1, ANSWER, b"data", end=False)
    p.server.send_headers(1, [("x-sum", "1"), ("grpc-status", "0")], end_stream=True)
    p.flush()
    p.exchange(3, "/after")


def interim(p):
    p.ask(1, [*POST, ("expect", "100-continue")], b"", end=False)
    p.answer(1, [(":status", "100")], end=False)
    p.send(p.client, p.server, 1, b'{"a":1}')
    p.answer(1, [(":status", "103"), ("link", "</style.css>; rel=preload")], end=False)
    p.answer(1, [(":status", "103"), ("link", "</more.css>; rel=preload")], end=False)
    p.answer(1, ANSWER, b"{}")


def client_resets(p):
    p.ask(1, POST, b"{}")
    p.answer(1, ANSWER, b"begun", end=False)
    p.client.reset_stream(1, Errors.CANCEL)
    p.flush()
    p.exchange(3)


def client_resets_upload(p):
    p.ask(1, POST, b"half of it", end=False)
    p.client.reset_stream(1, Errors.CANCEL)
    p.flush()
    p.exchange(3)


def server_refuses(p):
    p.ask(1, POST, b"{}")
    p.server.reset_stream(1, Errors.REFUSED_STREAM)
    p.flush()
    p.exchange(3)


def server_resets(p):
    p.ask(1, POST, b"{}")
    p.answer(1, ANSWER, b"begun", end=False)
    p.server.reset_stream(1, Errors.INTERNAL_ERROR)
    p.flush()
    p.exchange(3)


def early_answer(p):
    p.ask(1, POST, blob("early", 1000), end=False)
    p.answer(1, [(":status", "413")], b"too large")
    p.server.reset_stream(1, Errors.NO_ERROR)
    p.flush()
    p.exchange(3)


def goaway(p):
    p.exchange(1)
    p.ask(3, REQUEST)
    p.ask(5, REQUEST)
    p.server.close_connection(Errors.NO_ERROR, b"bye", last_stream_id=3)
    # h2 would not let the server go on.
    p.deaf = True
    p.flush()


def no_table(p):
    p.exchange(1, fields=[("x-one", "1")])
    p.client.update_settings({Codes.HEADER_TABLE_SIZE: 0})
    p.server.update_settings({Codes.HEADER_TABLE_SIZE: 0})
    p.flush()
    p.exchange(3, fields=[("x-one", "1")])
    p.exchange(5, fields=[("x-one", "1")])
    p.client.update_settings({Codes.HEADER_TABLE_SIZE: 65536})
    p.server.update_settings({Codes.HEADER_TABLE_SIZE: 65536})
    p.flush()
    for number in (7, 9, 11):
        p.exchange(number, fields=[("x-one", "1"), ("x-two", "2")])


def small_table(p):
    p.server.update_settings({Codes.HEADER_TABLE_SIZE: 300})
    p.client.update_settings({Codes.HEADER_TABLE_SIZE: 200})
    p.flush()
    for number in range(1, 60, 2):
        p.exchange(number, f"/{number % 14}", fields=[(f"x-{number % 10}", "v" * (number % 50))])


def large_frames(p):
    for end in (p.client, p.server):
        end.update_settings({Codes.MAX_FRAME_SIZE: 100000, Codes.INITIAL_WINDOW_SIZE: 1 << 20})
        end.increment_flow_control_window(1 << 20)
    p.flush()
    p.ask(1, POST, blob("large", 250000))
    p.answer(1, ANSWER, blob("larger", 350000))


def empty_data(p):
    p.ask(1, POST, b"", end=False)
    p.send(p.client, p.server, 1, b"", end=False)
    p.send(p.client, p.server, 1, b"one", end=False)
    p.send(p.client, p.server, 1, b"")
    p.answer(1, ANSWER, b"", end=False)
    p.send(p.server, p.client, 1, b"two", end=False)
    p.send(p.server, p.client, 1, b"")
    p.ask(3, POST, b"")
    p.answer(3, ANSWER, b"")


def no_bodies(p):
    p.ask(1, request("/", "HEAD"))
    p.answer(1, [(":status", "200"), ("content-length", "12345")])
    p.ask(3, request("/", "DELETE"))
    p.answer(3, [(":status", "204")])
    p.ask(5, request("/", "GET", ("if-none-match", '"a"')))
    p.answer(5, [(":status", "304"), ("content-length", "99")])
    p.ask(7, [(":method", "OPTIONS"), *REQUEST[1:3], (":path", "*")])
    p.answer(7, [(":status", "200")])


def statuses(p):
    for i, status in enumerate((200, 201, 202, 301, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 599)):
        p.ask(2 * i + 1, request(f"/{status}"))
        p.answer(2 * i + 1, [(":status", str(status)), ("retry-after", "1")], b"%d" % status)


def connect(p):
    p.ask(1, [(":method", "CONNECT"), (":authority", "db.example.org:443")], b"ping", end=False)
    p.answer(1, [(":status", "200")], b"pong", end=False)
    p.send(p.client, p.server, 1, b"more")
    p.send(p.server, p.client, 1, b"less")


def extended_connect(p):
    p.server.update_settings({Codes.ENABLE_CONNECT_PROTOCOL: 1})
    p.flush()
    p.ask(1, [(":method", "CONNECT"), (":protocol", "websocket"), *REQUEST[1:]], b"\x81\x80\0\0\0\0", end=False)
    p.answer(1, [(":status", "200")], b"\x81\x00")
    p.send(p.client, p.server, 1, b"\x88\x80\0\0\0\0")


def push(p):
    p.ask(1, REQUEST)
    p.server.push_stream(1, 2, request("/pushed"))
    p.flush()
    p.answer(2, ANSWER, b"unasked")
    p.answer(1, ANSWER, b"asked")
    p.exchange(3)


def framing(p):
    p.client.ping(b"12345678")
    p.ask(1, REQUEST)
    p.client.prioritize(1, weight=5, depends_on=0)
    p.server.ping(b"abcdefgh")
    p.server.increment_flow_control_window(1000)
    p.client.increment_flow_control_window(1000, 1)
    p.flush()
    p.server.advertise_alternative_service(b'h3=":443"', origin=b"https://api.example.org")
    p.answer(1, ANSWER, b"{}")
    p.client.ping(b"12345678")
    p.flush()


def large_headers(p):
    p.ask(1, request("/", "GET", ("x-large", "abc" * 15000), ("x-small", "1")))
    p.answer(1, [*ANSWER, ("x-larger", "xyz " * 14000)], b"{}")
    p.exchange(3, fields=[("x-large", "abc" * 1000)])


def many_headers(p):
    p.ask(1, request("/", "GET", *((f"x-{i}", f"value {i}") for i in range(150))))
    p.answer(1, [*ANSWER, *((f"y-{i}", "same") for i in range(150))], b"{}")
    p.exchange(3, fields=[(f"x-{i}", f"value {i}") for i in range(150)])


def repeated_headers(p):
    crumbs = [("cookie", f"crumb{i}={i}") for i in range(5)]
    p.exchange(1, fields=[*crumbs, ("accept", "a"), ("accept", "b"), ("x-empty", "")])
    p.ask(3, request("/", "GET", *crumbs))
    p.answer(3, [*ANSWER, ("set-cookie", "a=1"), ("set-cookie", "b=2")], b"{}")


def secrets(p):
    import hpack

    key = hpack.NeverIndexedHeaderTuple("authorization", "Bearer not-a-real-key")
    for number in (1, 3, 5):
        p.ask(number, request("/", "GET", key))
        p.answer(number, ANSWER, b"{}")


def obs_text(p):
    p.ask(1, request("/caf%C3%A9?q=%20", "GET", ("x-latin", b"caf\xe9".decode("latin-1")), ("x-tilde", "~!#$%&'*+")))
    p.answer(1, [*ANSWER, ("x-utf8", "\u4f60\u597d")], "\u4f60\u597d".encode())


def packed(p):
    data = gzip.compress(b'{"answer":"' + b"very " * 500 + b'good"}', mtime=0)
    p.ask(1, [*POST, ("accept-encoding", "gzip")], b"{}")
    p.answer(1, [*ANSWER, ("content-encoding", "gzip"), ("content-length", str(len(data)))], data)


def events(p):
    p.ask(1, POST, b'{"stream":true}')
    p.answer(1, [(":status", "200"), ("content-type", "text/event-stream")], b"", end=False)
    for i in range(40):
        p.send(p.server, p.client, 1, b'data: {"i":%d}\n\n' % i, end=False)
    p.send(p.server, p.client, 1, b"data: [DONE]\n\n")


def sparse(p):
    for number in (1, 5, 101, 103, 65537, 0x7FFFFFFF):
        p.exchange(number, f"/{number}")


def unfinished_upload(p):
    p.exchange(1)
    p.ask(3, POST, b"the connection ends here", end=False)


def unfinished_download(p):
    p.ask(1, POST, b"{}")
    p.answer(1, [*ANSWER, ("content-length", "100")], b"some of it", end=False)


def unanswered(p):
    p.exchange(1)
    p.ask(3, POST, b"{}")


def promised_length(p):
    p.ask(1, POST, b"{}")
    p.answer(1, [*ANSWER, ("content-length", "7")], b"all of", end=False)
    p.send(p.server, p.client, 1, b"7", end=False)
    p.client.reset_stream(1, Errors.CANCEL)
    p.flush()


def long_life(p):
    for i in range(80):
        fields = [("x-request-id", hashlib.md5(b"%d" % i).hexdigest()), ("x-stainless-retry-count", str(i % 3))]
        p.exchange(2 * i + 1, f"/v1/threads/{i % 7}", blob(i, i * 13 % 300), fields)


SCENARIOS = [get, post, upload, download, interleaved, trailers, interim, client_resets, client_resets_upload, server_refuses,
             server_resets, early_answer, goaway, no_table, small_table, large_frames, empty_data, no_bodies, statuses,
             connect, extended_connect, push, framing, large_headers, many_headers, repeated_headers, secrets, obs_text,
             packed, events, sparse, unfinished_upload, unfinished_download, unanswered, promised_length, long_life]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("output")
    args = parser.parse_args()
    with open(args.output, "w", encoding="ascii") as out:
        for scenario in SCENARIOS:
            for name, arrangement in ARRANGEMENTS.items():
                pair = Pair(f"h2-{scenario.__name__.replace('_', '-')}-{name}", arrangement())
                scenario(pair)
                pair.check()
                pair.talk.write(out)


if __name__ == "__main__":
    sys.exit(main())
