# SPDX-License-Identifier: Apache-2.0
"""Stand-in for OpenAI and Azure OpenAI: TLS, HTTP/1.1 and HTTP/2, WebSocket, and a record of the truth.

What to answer is said by the request itself: a directive `[[{...}]]` opens the last user message, so unmodified
SDKs can steer it. A request without messages can carry its directive in the header X-Directive. Keys of a
directive:

id            names the exchange in the record
answer_bytes  size of each answer text; pieces: number of content chunks of a stream
scenario      an entry of answers.ERRORS, "stream-error", "bomb", or a hostile answer (hostile.py)
framing       plain answers: "length" (default), "chunked", "close"
coding        content coding of the answer, if the client takes it: gzip, deflate, raw-deflate, br, zstd, "gzip, br";
              force: whether it does or not; transfer: "gzip", as a transfer coding (HTTP/1.1)
corrupt       offset, in coded bytes, of damage; bomb_bytes: what the scenario "bomb" unpacks to
trailers      fields after the body; pad: padding of HTTP/2 data frames
cut_after     ends the answer after that many bytes of the body, coded ones if it is coded; cut: "fin" (default),
              "reset", or "rst" for one HTTP/2 stream
early         answers before the request's body was read, and then "close" or "read" the rest
delay_ms      between chunks; wait_ms: before the answer
fail_first    answers 429 to that many tries of this id first
async_filter  Azure's asynchronous content filter; filtered: finish_reason content_filter; escape: \\u escapes
eol           of the stream: "\\n" (default), "\\r\\n", "\\r"; comments: adds comment lines; unnamed: no event lines
ragged        cuts the stream's bytes into HTTP chunks without regard to its events
body_bytes    size of the answer's whole body: the text, or a comment in the stream, is filled up to it

The scenario "bytes" answers body_bytes bytes, which are no JSON, as the content type `type`.

One line of JSON an exchange goes to the truth file, when the exchange ends. No credential is written to it."""

import argparse
import asyncio
import collections
import json
import signal
import ssl
import sys
import time

import endpoint_http1
import endpoint_http2


def text_of(address):
    """ADDRESS:PORT, with brackets for IPv6 (RFC 3986 section 3.2.2)."""
    return ("[{}]:{}" if ":" in address[0] else "{}:{}").format(*address[:2])


class Server:
    def __init__(self, truth):
        self.truth = truth
        self.connections = 0
        self.exchanges = 0
        self.goaways = 0
        self.tries = collections.Counter()

    def new_record(self, writer, connection, protocol):
        self.exchanges += 1
        tls = writer.get_extra_info("ssl_object")
        peer = writer.get_extra_info("peername")
        return {
            "seq": self.exchanges,
            "connection": connection,
            "protocol": protocol,
            "peer_address": text_of(peer).rpartition(":")[0],
            "peer_port": peer[1],
            "address": text_of(writer.get_extra_info("sockname")),
            "sni": getattr(tls, "asked_name", None),
            "tls": tls.version() if tls else None,
            "times": {"head": time.time()},
        }

    def write_record(self, record):
        record.setdefault("response_complete", False)
        self.truth.write(json.dumps(record) + "\n")
        self.truth.flush()

    async def accept(self, reader, writer):
        self.connections += 1
        tls = writer.get_extra_info("ssl_object")
        kind = endpoint_http2 if tls and tls.selected_alpn_protocol() == "h2" else endpoint_http1
        await kind.Connection(self, self.connections, reader, writer).run()


def remember_name(tls, name, context):
    tls.asked_name = name


async def serve(args):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = remember_name
    with open(args.truth, "a", encoding="utf-8") as truth:
        server = Server(truth)
        # A short closing handshake: clients that drop a connection are the normal case.
        listeners = [
            await asyncio.start_server(
                server.accept, args.address, args.port, ssl=context, limit=1 << 20, ssl_shutdown_timeout=0.5
            )
        ]
        if args.plain_port:
            listeners.append(
                await asyncio.start_server(server.accept, args.address, args.plain_port, limit=1 << 20)
            )
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        print("ready", flush=True)
        await stop.wait()
        for listener in listeners:
            listener.close()


def main():
    parser = argparse.ArgumentParser(description="Stand-in for OpenAI and Azure OpenAI.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--plain-port", type=int, help="also without TLS, for a proxy in front")
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--truth", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
