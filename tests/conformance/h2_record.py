#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records HTTP/2 conversations in plain text on the loopback, as cases for http2_cases.c: curl, Node and Go's http2 package
as clients, Node, Go, nginx and nghttpx as servers (and nghttpx as the client of those behind it), and h2spec, which breaks
the protocol on purpose, with each of the servers. h2_read.py reads what went by; what both ends themselves report must
agree with it.

FOLDER has the programs of go/, if they could be made. It gets SOURCE.cases and SOURCE.version for each source, or
SOURCE.why with the reason why there is none, and servers.why if there are servers that are not."""

import argparse
import asyncio
import contextlib
import hashlib
import json
import pathlib
import re
import shutil
import socket
import sys
import tempfile

from h2_read import Conversation

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 150  # seconds; of h2spec's tests some wait a second for an answer that does not come
PADDING_MAX = 1  # http2.constants.PADDING_STRATEGY_MAX

NGINX = """
user root;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr emerg;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/b;
    proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    keepalive_timeout 60;
    server {{
        listen 127.0.0.1:{port} http2;
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
        }}
    }}
}}
"""


class Missing(Exception):
    """What a source needs is not there."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pattern(n):
    return bytes(97 + i % 23 for i in range(n))


# --- between two peers ------------------------------------------------------------------------


class Tee:
    """A port that passes everything on to another one and keeps a copy, one conversation a connection."""

    def __init__(self, name, target):
        self.name = name
        self.target = target
        self.talks = []
        self.label = ""
        self.hostile = False
        self.open = set()

    async def start(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def accept(self, reader, writer):
        task = asyncio.create_task(self.connected(reader, writer))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def stop(self):
        """Connections that nobody closed."""
        self.server.close()
        for task in self.open:
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)

    async def connected(self, reader, writer):
        talk = Conversation(f"{self.label}-{self.name}-{len(self.talks)}")
        talk.hostile = self.hostile
        self.talks.append(talk)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pass_on(talk, "client", reader, far_writer), self.pass_on(talk, "server", far_reader, writer))
        writer.close()
        far_writer.close()

    @staticmethod
    async def pass_on(talk, side, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                talk.add(side, data)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


class Lab:
    """The processes, and what they say of the exchanges."""

    def __init__(self, folder, peer, h2spec):
        self.folder = folder
        self.peer = peer
        self.h2spec = h2spec
        self.processes = []
        self.listening = []
        self.received = {"request": {}, "response": {}}
        self.tees = {}
        self.servers = {}  # name: port
        self.behind = None
        self.n = 0

    async def spawn(self, *command):
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def note(self, line, kind):
        with contextlib.suppress(ValueError, KeyError):
            seen = json.loads(line)
            self.received[kind][seen["id"]] = seen

    async def listen(self, process, kind):
        async for line in process.stdout:
            self.note(line, kind)

    async def start_peer(self, *command):
        """A server that says its port and then what it receives."""
        process = await self.spawn(*command)
        port = int(await asyncio.wait_for(process.stdout.readline(), TIMEOUT))
        self.listening.append(asyncio.create_task(self.listen(process, "request")))
        return port

    async def start_proxy(self, name, port, *command):
        await self.spawn(*command)
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                self.servers[name] = port
                return
            await asyncio.sleep(0.05)

    async def start(self):
        node = self.servers["node"] = await self.start_peer("node", HERE / "peer.mjs", "server")
        self.servers["node-padded"] = await self.start_peer("node", HERE / "peer.mjs", "server", "padded")
        if self.peer:
            self.servers["go"] = await self.start_peer(self.peer, "server")
        # Behind nghttpx, recorded as well.
        self.behind = await Tee("behind", self.servers.get("go", node)).start()
        self.behind.label = "nghttpx"
        if shutil.which("nghttpx"):
            port = free_port()
            await self.start_proxy(
                "nghttpx", port, "nghttpx", f"--frontend=127.0.0.1,{port};no-tls",
                f"--backend=127.0.0.1,{self.behind.port};;proto=h2", "--workers=1", "--errorlog-file=/dev/null",
                "--accesslog-file=/dev/null", "--no-ocsp")
        if shutil.which("nginx") and self.peer:
            port = free_port()
            conf = self.folder / "nginx.conf"
            conf.write_text(NGINX.format(folder=self.folder, port=port, backend=self.servers["go"]))
            await self.start_proxy("nginx", port, "nginx", "-e", "stderr", "-p", self.folder, "-c", conf)

    async def stop(self):
        for process in self.processes:
            if process.returncode is None:
                process.terminate()
        for process in self.processes:
            await process.wait()
        await asyncio.gather(*self.listening)
        for tee in sum(self.tees.values(), [self.behind] if self.behind else []):
            await tee.stop()

    async def tee(self, source, server):
        tee = await Tee(server, self.servers[server]).start()
        tee.label = source
        self.tees.setdefault(source, []).append(tee)
        return tee

    def request(self, method, path, size=0, **more):
        self.n += 1
        return {"id": f"r{self.n}", "method": method, "path": path, "size": size, **more}

    def check(self, talk):
        """What the ends said they received is what went by. How often that was compared."""
        compared = 0
        talk.check_whole()
        for stream in talk.streams().values():
            number = (stream.request.value(b"x-id") or b"h2spec's").decode()
            for kind in ("request", "response"):
                half, said = getattr(stream, kind), self.received[kind].get(number)
                if not half.ended or not said:
                    continue
                body = half.plain_body()
                same = said["sha256"] == hashlib.sha256(body).hexdigest() and said["length"] == len(body)
                if kind == "request":
                    same = same and said["method"] == half.value(b":method").decode()
                else:
                    same = same and said["status"] == int(half.value(b":status"))
                if not same:
                    raise ValueError(f"{talk.name}: {number}: its {kind} is not what the other end received: {said}")
                compared += 1
        return compared


# --- the clients ------------------------------------------------------------------------------


def common_plans(lab, server):
    get, post = (lambda path: lab.request("GET", path)), (lambda path, size: lab.request("POST", path, size))
    return [
        [get("/bytes/0"), get("/bytes/1"), get("/bytes/16384"), get("/bytes/100000")],
        [post("/echo", 10), post("/echo", 70000), post("/bytes/5", 1)],
        [lab.request("HEAD", "/bytes/500"), get("/status/404"), get("/status/204"), lab.request("DELETE", "/status/200")],
        # An interim answer is the last that nginx passes on.
        [get("/early" if server != "nginx" else "/bytes/4"), get("/trailers"), get("/chunks/20"), get("/bytes/3")],
        [get("/bytes/10"), *(get(f"/chunks/{i}") for i in range(1, 12)), post("/echo", 30000), get("/bytes/60000")],
        [get("/bytes/10"), get("/reset"), get("/bytes/11")],
    ]


async def finish(process):
    """What the client said; one that fails, as for /reset, is no concern."""
    out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
    return out.decode(errors="replace").splitlines()


async def with_curl(lab, tee, request):
    # With --head curl writes the head, as if it were a body.
    name, head = request["id"], request["method"] == "HEAD"
    got, sent = lab.folder / name, lab.folder / f"{name}.sent"
    command = ["curl", "--silent", "--max-time", "20", "--http2-prior-knowledge", "--header", f"x-id: {name}",
               "--write-out", "%{http_code}", "--output", "/dev/null" if head else got]
    command += ["--head"] if head else ["--request", request["method"]]
    if request["size"]:
        sent.write_bytes(pattern(request["size"]))
        command += ["--data-binary", f"@{sent}"]
    [status] = await finish(await lab.spawn(*command, f"http://127.0.0.1:{tee.port}{request['path']}"))
    body = got.read_bytes() if got.exists() else b""
    lab.received["response"][name] = {"status": int(status), "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


async def record_curl(lab, server):
    """A connection each: Debian 12's curl cannot use one twice in plain text."""
    tee = await lab.tee("curl", server)
    for plan in common_plans(lab, server):
        await asyncio.gather(*(with_curl(lab, tee, request) for request in plan))


def node_plans(lab, server):
    def get(path, **more):
        return lab.request("GET", path, **more)

    for plan in common_plans(lab, server):
        yield {"requests": plan}
    long = {f"x-{i}": "v" * i * 20 for i in range(20)}
    yield {"requests": [lab.request("POST", "/echo", 40000, trailers=True), lab.request("POST", "/echo", 0, trailers=True)]}
    yield {"requests": [get("/bytes/1"), get("/chunks/50", cancel=True), get("/bytes/90000", cancel=True), get("/bytes/2")]}
    yield {"requests": [get("/settings/0", fields=long), *(get("/bytes/9", fields=long) for _ in range(4))]}
    yield {"requests": [get("/settings/16384", fields=long), *(get("/bytes/9", fields=long) for _ in range(4))]}
    yield {"requests": [get("/push"), get("/bytes/7")]}
    yield {"requests": [get("/goaway")]}
    if server.startswith("node"):
        yield {"requests": [lab.request("CONNECT", "/", 2000)]}
    yield {"options": {"paddingStrategy": PADDING_MAX, "settings": {"headerTableSize": 0, "enablePush": False}},
           "requests": [lab.request("POST", "/echo", 50000), get("/bytes/100"), get("/push")]}
    yield {"options": {"settings": {"initialWindowSize": 1000, "maxFrameSize": 20000, "headerTableSize": 65536}},
           "requests": [get("/bytes/30000", fields=long), *(get(f"/bytes/{i * 700}", fields=long) for i in range(8))]}


async def record_node(lab, server):
    tee = await lab.tee("node", server)
    plans = list(node_plans(lab, server))
    for line in await finish(await lab.spawn("node", HERE / "peer.mjs", "client", tee.port, json.dumps(plans))):
        lab.note(line, "response")


async def record_go(lab, server):
    tee = await lab.tee("go", server)
    plans = [{"requests": plan} for plan in common_plans(lab, server)]
    for line in await finish(await lab.spawn(lab.peer, "client", tee.port, json.dumps(plans))):
        lab.note(line, "response")


async def record_h2spec(lab, server):
    # The first is Node too, and nginx says nothing where others refuse: half a minute of waiting.
    if server in ("node-padded", "nginx"):
        return
    tee = await lab.tee("h2spec", server)
    tee.hostile = True
    await finish(await lab.spawn(lab.h2spec, "--port", tee.port, "--path", "/echo", "--timeout", 1))


SOURCES = {"curl": record_curl, "node": record_node, "go": record_go, "h2spec": record_h2spec}


def needs(lab, source):
    program = {"curl": shutil.which("curl"), "node": shutil.which("node"), "go": lab.peer, "h2spec": lab.h2spec}[source]
    if not program:
        raise Missing(f"{source} is not there")


async def version(lab, source):
    if source == "h2spec":
        # It does not know.
        return "h2spec " + re.search(r"h2spec (v[0-9.]+)", (HERE / "go/go.mod").read_text())[1]
    command, text = {
        "curl": (["curl", "--version"], "curl {1}"),
        "node": (["node", "--version"], "node {0}"),
        "nghttpx": (["nghttpx", "--version"], "{1}"),
        "go": (["go", "version"], "{2}"),
    }[source]
    [line, *_] = await finish(await lab.spawn(*command))
    return text.format(*line.split())


# --- the whole --------------------------------------------------------------------------------


async def write(lab, out, source, talks):
    compared = sum(lab.check(talk) for talk in talks if not talk.hostile)
    talks = [talk for talk in talks if talk.calls]
    if not talks or not (compared or talks[0].hostile):
        raise Missing("nothing was recorded")
    with (out / f"{source}.cases").open("w", encoding="ascii") as cases:
        for talk in talks:
            talk.write(cases)
    (out / f"{source}.version").write_text(await version(lab, source))


async def record(lab, out):
    reasons = {}

    async def run(source):
        try:
            needs(lab, source)
            await asyncio.gather(*(SOURCES[source](lab, server) for server in lab.servers))
        except Missing as error:
            reasons[source] = str(error)

    try:
        await lab.start()
        await asyncio.gather(*(run(source) for source in SOURCES))
    finally:
        await lab.stop()
    lab.tees["nghttpx"] = [lab.behind]
    for source, tees in lab.tees.items():
        try:
            await write(lab, out, source, [talk for tee in tees for talk in tee.talks])
        except Missing as error:
            reasons[source] = str(error)
    absent = {"go", "nghttpx", "nginx"} - set(lab.servers)
    if absent:
        reasons["servers"] = f"{', '.join(sorted(absent))}: not installed, or without what it needs"
    for source in (*SOURCES, "nghttpx", "servers"):
        (out / f"{source}.why").unlink(missing_ok=True)
        if source in reasons:
            (out / f"{source}.why").write_text(reasons[source])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    out = parser.parse_args().folder.resolve()
    peer, h2spec = (path if path.exists() else None for path in (out / "peer", out / "h2spec"))
    with tempfile.TemporaryDirectory(prefix="oaitap-h2-") as folder:
        asyncio.run(record(Lab(pathlib.Path(folder), peer, h2spec), out))


if __name__ == "__main__":
    sys.exit(main())
