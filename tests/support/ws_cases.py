#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes WebSocket conversations that independent implementations made (wsproto, websockets), for
tests/unit/http/websocket_cases_test.c: the bytes of both directions in the calls that carry them, and the messages that
must come out.

    case NAME
    call client|server HEX       one SSL_write of the client, or one SSL_read by it
    message client|server OPCODE LENGTH SHA256
    end

The first call of either side is the handshake. The same seed and versions write the same file. The committed one is
`ws_cases.py --small tests/unit/http/websocket.cases`; `make conformance` reads them all."""

import argparse
import base64
import email.utils
import hashlib
import itertools
import os
import random
import secrets
import sys

import websockets.client
import websockets.extensions.permessage_deflate as ws_deflate
import websockets.server
import websockets.uri
import wsproto
import wsproto.events as ev
from wsproto.extensions import PerMessageDeflate

SIZES = [0, 1, 2, 5, 31, 125, 126, 127, 128, 1000, 4095, 4096, 16383, 16384, 65535, 65536, 70000]
SMALL_SIZES = [0, 1, 125, 126, 300]

# Name -> (client_no_context_takeover, server_no_context_takeover, client_max_window_bits, server_max_window_bits).
DEFLATE = {
    "plain": None,
    "takeover": (False, False, 15, 15),
    "client-fresh": (True, False, 15, 15),
    "server-fresh": (False, True, 15, 15),
    "both-fresh": (True, True, 15, 15),
    "bits-9": (False, False, 9, 9),
    "bits-10-12": (True, False, 10, 12),
}
FRAGMENTS = [1, 2, 7]
CALLS = ["each", "joined", "pieces"]


class WsprotoPair:
    """Both ends by wsproto."""

    def __init__(self, deflate):
        def extensions():
            if not deflate:
                return []
            return [PerMessageDeflate(client_no_context_takeover=deflate[0], server_no_context_takeover=deflate[1],
                                      client_max_window_bits=deflate[2], server_max_window_bits=deflate[3])]

        self.client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self.request = self.client.send(ev.Request(host="example.org", target="/v1/realtime", extensions=extensions()))
        self.server.receive_data(self.request)
        assert isinstance(next(self.server.events()), ev.Request)
        self.response = self.server.send(ev.AcceptConnection(extensions=extensions()))
        self.client.receive_data(self.response)
        assert isinstance(next(self.client.events()), ev.AcceptConnection)

    def fragment(self, side, text, data, fin, first):
        del first
        kind, value = (ev.TextMessage, data.decode()) if text else (ev.BytesMessage, data)
        return self._side(side).send(kind(data=value, message_finished=fin))

    def ping(self, side, data):
        return self._side(side).send(ev.Ping(payload=data))

    def pong(self, side, data):
        return self._side(side).send(ev.Pong(payload=data))

    def close(self, side, code, reason):
        return self._side(side).send(ev.CloseConnection(code=code, reason=reason))

    def _side(self, side):
        return self.client if side == "client" else self.server


class WebsocketsPair:
    """Both ends by websockets."""

    def __init__(self, deflate):
        client_factories = server_factories = None
        if deflate:
            client_factories = [ws_deflate.ClientPerMessageDeflateFactory(
                client_no_context_takeover=deflate[0], server_no_context_takeover=deflate[1],
                client_max_window_bits=deflate[2], server_max_window_bits=deflate[3])]
            server_factories = [ws_deflate.ServerPerMessageDeflateFactory(
                client_no_context_takeover=deflate[0], server_no_context_takeover=deflate[1],
                client_max_window_bits=deflate[2], server_max_window_bits=deflate[3])]
        uri = websockets.uri.parse_uri("wss://example.org/v1/realtime")
        self.client = websockets.client.ClientProtocol(uri, extensions=client_factories)
        self.server = websockets.server.ServerProtocol(extensions=server_factories)
        self.client.send_request(self.client.connect())
        self.request = b"".join(self.client.data_to_send())
        self.server.receive_data(self.request)
        [request] = self.server.events_received()
        self.server.send_response(self.server.accept(request))
        self.response = b"".join(self.server.data_to_send())
        self.client.receive_data(self.response)
        assert self.client.handshake_exc is None and self.server.handshake_exc is None

    def fragment(self, side, text, data, fin, first):
        end = self._side(side)
        if not first:
            end.send_continuation(data, fin)
        elif text:
            end.send_text(data, fin)
        else:
            end.send_binary(data, fin)
        return b"".join(end.data_to_send())

    def ping(self, side, data):
        self._side(side).send_ping(data)
        return b"".join(self._side(side).data_to_send())

    def pong(self, side, data):
        self._side(side).send_pong(data)
        return b"".join(self._side(side).data_to_send())

    def close(self, side, code, reason):
        self._side(side).send_close(code, reason)
        return b"".join(part for part in self._side(side).data_to_send() if part)

    def _side(self, side):
        return self.client if side == "client" else self.server


ENGINES = {"wsproto": WsprotoPair, "websockets": WebsocketsPair}


class Case:
    def __init__(self, name, rng):
        self.name = name
        self.rng = rng
        self.calls = []
        self.messages = []
        self.remarks = []

    def send(self, side, data):
        self.calls.append((side, data))

    def expect(self, side, opcode, data):
        self.messages.append((side, opcode, len(data), hashlib.sha256(data).hexdigest()))

    def remark(self, word, side):
        """ "broken", "loose": see tests/conformance/autobahn.py."""
        if (word, side) not in self.remarks:
            self.remarks.append((word, side))

    def arrange(self, how):
        """How the bytes come in calls: as they were sent, runs of one side joined, or cut anywhere."""
        handshake, rest = self.calls[:2], self.calls[2:]
        if how != "each":
            rest = [(side, b"".join(data for _, data in run)) for side, run in itertools.groupby(rest, lambda c: c[0])]
        if how == "joined":
            # What the server says first may come with the end of the 101.
            first = next((i for i, (side, _) in enumerate(rest) if side == "server"), None)
            if first == 0:
                handshake[1] = ("server", handshake[1][1] + rest.pop(0)[1])
        if how == "pieces":
            rest = [piece for side, data in rest for piece in self._cut(side, data)]
        self.calls = handshake + rest

    def _cut(self, side, data):
        while data:
            n = self.rng.choice([1, 2, 3, 10, 100, 1000, 16384])
            yield side, data[:n]
            data = data[n:]

    def write(self, out):
        out.write(f"case {self.name}\n")
        for side, data in self.calls:
            out.write(f"call {side} {data.hex()}\n")
        for side, opcode, length, digest in self.messages:
            out.write(f"message {side} {opcode} {length} {digest}\n")
        for word, side in self.remarks:
            out.write(f"{word} {side}\n")
        out.write("end\n")


def payload(rng, size, text):
    """Something like JSON with audio in it, or bytes that do not compress."""
    if not text:
        return rng.randbytes(size)
    alphabet = ['{"type":"response.audio.delta",', '"delta":"', base64.b64encode(rng.randbytes(30)).decode(), '"}',
                "é", "\u4f60\u597d", "\U0001f600", " "]
    parts, length = [], 0
    while length < size:
        part = rng.choice(alphabet).encode()
        if length + len(part) > size:
            part = b"." * (size - length)
        parts.append(part)
        length += len(part)
    return b"".join(parts)


def split_text(data, n, text, rng):
    """n pieces; wsproto takes text, so a character is never cut there."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(n - 1))
    if text:
        cuts = [next(c for c in range(cut, -1, -1) if c == len(data) or data[c] & 0xC0 != 0x80) for cut in cuts]
    return [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]


def converse(case, pair, sizes, fragments):
    rng = case.rng
    case.send("client", pair.request)
    case.send("server", pair.response)
    for size in sizes:
        side, text = rng.choice(["client", "server"]), rng.random() < 0.6
        data = payload(rng, size, text)
        pieces = split_text(data, fragments, text, rng)
        for i, piece in enumerate(pieces):
            case.send(side, pair.fragment(side, text, piece, i + 1 == len(pieces), i == 0))
            if rng.random() < 0.4:
                case.send(side, rng.choice([pair.ping, pair.pong])(side, rng.randbytes(rng.choice([0, 4, 125]))))
        case.expect(side, 1 if text else 2, data)
        # The other side, between the messages.
        other = "server" if side == "client" else "client"
        if rng.random() < 0.5:
            word = payload(rng, rng.choice([3, 40, 200]), True)
            case.send(other, pair.fragment(other, True, word, True, True))
            case.expect(other, 1, word)
    for side, code, reason in (("client", 1000, "done"), ("server", 1000, "done")):
        case.send(side, pair.close(side, code, reason))
        case.expect(side, 8, code.to_bytes(2, "big") + reason.encode())


def cases(seed, small):
    engines = list(ENGINES)
    combinations = list(itertools.product(engines, DEFLATE, FRAGMENTS, CALLS))
    if small:
        combinations = combinations[::11]
    for number, (engine, deflate, fragments, calls) in enumerate(combinations):
        rng = random.Random(f"{seed}-{number}")
        # Masks, keys and the date, so that the same seed gives the same bytes.
        os.urandom = secrets.token_bytes = rng.randbytes
        email.utils.formatdate = lambda **_: "Mon, 23 Nov 2026 12:00:00 GMT"
        case = Case(f"{engine}-{deflate}-{fragments}-{calls}", rng)
        sizes = rng.sample(SMALL_SIZES, 4) if small else rng.sample(SIZES, 8)
        converse(case, ENGINES[engine](DEFLATE[deflate]), sizes, fragments)
        case.arrange(calls)
        yield case


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="few and short ones: the committed file")
    parser.add_argument("output", help="path, or - for standard output")
    args = parser.parse_args()
    with open(args.output, "w", encoding="ascii") if args.output != "-" else sys.stdout as out:
        for case in cases(args.seed, args.small):
            case.write(out)


if __name__ == "__main__":
    main()
