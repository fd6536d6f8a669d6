# SPDX-License-Identifier: Apache-2.0
"""Many processes, many mappings, files that vanish: nothing is lost, nothing is left behind in the agent or in the
kernel's tables. OAITAP_REPEAT=50 runs the storms at full size."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from conftest import LOAD_ADDRESS, REPEAT, wait_for

import agent as agents
import drive
import truth
from sandbox import OPENAI
from test_discovery import ask, libssl
from test_load import settle

FULL = REPEAT >= 50
TLS_PROCESSES = 10_000 if FULL else 2_000
FORKS, FORK_SECONDS = (5_000, 10) if FULL else (2_500, 5)
CURLS = 200
TABLES = ("conns", "procs", "calls", "scratches", "flows")
GROWTH_MAX = 8 << 20  # bytes of resident memory


def storm(sandbox, *command, timeout=300):
    done = sandbox.run([drive.BUILD / "storm", *command], timeout=timeout)
    assert done.returncode == 0, done.stderr
    print(done.stdout.decode().strip())


def map_ids(pid):
    """The ids of the maps that a process holds."""
    ids = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            found = re.search(r"^map_id:\s*(\d+)$", info.read_text(encoding="utf-8"), re.M)
        except FileNotFoundError:
            continue  # closed meanwhile
        if found:
            ids.add(found[1])
    return ids


def tables(agent):
    """How many entries each of the kernel's tables has: {name: count}."""
    tool = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin") or next(
        iter(sorted(pathlib.Path("/usr/lib").glob("linux-tools*/**/bpftool"))), None
    )
    assert tool, "bpftool is not installed, which the build needs"
    counts = {}
    for number in map_ids(agent.process.pid):
        show = [tool, "-j", "map", "show", "id", number]
        name = json.loads(subprocess.run(show, check=True, capture_output=True).stdout).get("name")
        if name in TABLES:
            dump = [tool, "-j", "map", "dump", "id", number]
            counts[name] = len(json.loads(subprocess.run(dump, check=True, capture_output=True).stdout))
    assert {"conns", "procs", "calls"} <= set(counts), counts
    return counts


def held(agent):
    """What would grow if something leaked, but for memory."""
    return {"descriptors": len(os.listdir(f"/proc/{agent.process.pid}/fd")), **tables(agent)}


class Watched:
    """Notes what the agent holds once it has seen an exchange, and judges later that it is back there."""

    def __init__(self, sandbox, agent, endpoint):
        check_alive(sandbox, agent, endpoint)
        self.agent = agent
        self.before = held(agent)
        self.memory = agent.memory()
        self.files = agent.status()["probes"]["files"]

    def judge(self):
        wait_for(lambda: self.agent.status()["probes"]["files"] == self.files, 90)
        deadline = time.monotonic() + 60
        while grown := self.grown():
            assert time.monotonic() < deadline, f"still more than before: {grown}"
            time.sleep(0.5)
        memory = self.agent.memory() - self.memory
        print(f"memory {self.memory >> 10} KiB + {memory >> 10} KiB; {self.before}")
        assert memory < GROWTH_MAX

    def grown(self):
        now = held(self.agent)
        return {name: (count, now[name]) for name, count in self.before.items() if now[name] > count}


def check_alive(sandbox, agent, endpoint):
    """An exchange by a program that starts now is recorded whole."""
    endpoint.rest()
    ask(sandbox)
    (record,) = endpoint.take(1)
    (slot,) = truth.pair(agent.take(2)).values()
    assert truth.compare_request(slot["Request"], record) == []
    assert truth.compare_response(slot["Response"], record) == []


@pytest.mark.timeout(900)
def test_short_lived_tls_processes(sandbox, endpoint, agent_ready, loadgen):
    """Each makes one exchange and ends."""
    client = [loadgen, "client", "--host", OPENAI, "--address", LOAD_ADDRESS, "--truth", "/dev/null"]
    client += ["--connections", 1, "--exchanges", 1, "--request", 800, "--response", 400, "--first", "{}"]
    with agents.Agent(sandbox.path / "agent-processes") as agent:
        storm(sandbox, "processes", 300, 4, 0, *client)
        assert len(settle(agent)) == 600
        watched = Watched(sandbox, agent, endpoint)
        agent.parsing.clear()
        storm(sandbox, "processes", TLS_PROCESSES, 4, 0, *client, timeout=600)
        agent.parsing.set()
        events = settle(agent)
        pairs = list(truth.pair(events).values())
        asked = sorted(int(slot["Request"]["parameters"]["user"].split("-")[1]) for slot in pairs)
        assert asked == list(range(1, TLS_PROCESSES + 1))
        for slot in pairs:
            request, response = slot["Request"], slot["Response"]
            assert response["response-id"] == request["parameters"]["user"]
            assert request["capture"]["complete"] and response["capture"]["complete"]
            assert {"local", "remote"} <= set(request["connection"])
        assert agents.dropped(agent.status()) == {}
        del events, pairs
        watched.judge()
        check_alive(sandbox, agent, endpoint)
        assert agent.stop() == 0


@pytest.mark.timeout(300)
def test_sequential_curls(sandbox, endpoint, agent_ready):
    """Processes that live for some milliseconds, one after the other: two events each."""
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-curls") as agent:
        for _ in range(CURLS):
            ask(sandbox)
        records = endpoint.take(CURLS)
        assert truth.compare_all(agent.take(2 * CURLS), records) == []
        assert agents.dropped(agent.status()) == {}
        assert agent.stop() == 0


@pytest.mark.timeout(300)
def test_fork_storm(sandbox, endpoint, agent_ready):
    """Programs that have nothing to do with TLS."""
    with agents.Agent(sandbox.path / "agent-forks") as agent:
        storm(sandbox, "processes", 200, 4, 0, "/bin/true")
        watched = Watched(sandbox, agent, endpoint)
        storm(sandbox, "processes", FORKS, 8, FORK_SECONDS, "/bin/true")
        check_alive(sandbox, agent, endpoint)
        watched.judge()
        print(f"lost mapping records: {agent.status()['probes']['lost-mappings']}")
        assert agents.dropped(agent.status()) == {}
        assert agent.stop() == 0


@pytest.mark.timeout(300)
def test_library_mapped_a_thousand_times(sandbox, endpoint, agent_ready):
    library = sandbox.path / "remapped.so"
    shutil.copyfile(libssl(), library)
    with agents.Agent(sandbox.path / "agent-remap") as agent:
        watched = Watched(sandbox, agent, endpoint)
        for _ in range(3):
            storm(sandbox, "remap", 1000, library)
        check_alive(sandbox, agent, endpoint)
        status = agent.status()["probes"]
        assert status["files"] + status["released"] >= watched.files + 1
        assert status["failed"] == 0
        watched.judge()
        assert agent.stop() == 0


@pytest.mark.timeout(600)
def test_mount_namespaces_that_vanish(sandbox, endpoint, agent_ready):
    """Each has a libssl of its own, uses it and is gone: found, or counted as vanished, and let go of."""
    runs = 60
    folder = sandbox.path / "vanish"
    folder.mkdir()
    script = sandbox.path / "vanish.sh"
    script.write_text(
        f"mount -t tmpfs vanish {folder} && cp {libssl()} {folder}/libssl.so.3\n"
        f"LD_LIBRARY_PATH={folder} exec openssl version\n",
        encoding="utf-8",
    )
    with agents.Agent(sandbox.path / "agent-vanish") as agent:
        watched = Watched(sandbox, agent, endpoint)
        before = agent.status()["probes"]
        storm(sandbox, "processes", runs, 2, 0, "unshare", "--mount", "sh", script)
        check_alive(sandbox, agent, endpoint)
        after = agent.status()["probes"]
        seen = {name: after[name] - before[name] for name in ("files", "released", "vanished", "failed")}
        print(f"{runs} namespaces: {seen}")
        assert seen["failed"] == 0
        assert seen["files"] + seen["released"] + seen["vanished"] > 0
        watched.judge()
        wait_for(lambda: agent.status()["probes"]["namespaces"] <= before["namespaces"], 60)
        assert agent.stop() == 0


def test_crafted_files_are_counted(sandbox, endpoint, agent_ready):
    """Files that lie about their sections, mapped as code one after the other."""
    corpus = sorted((agents.ROOT / "tests" / "fuzz" / "corpus" / "elf").iterdir())
    broken = [file for file in corpus if file.name.startswith(("eio", "e2big"))]
    assert len(broken) > 20
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-crafted") as agent:
        before = agent.status()["probes"]["malformed"]
        for file in corpus:
            if file.stat().st_size == 0:
                continue  # cannot be mapped
            copy = sandbox.path / f"crafted-{file.name}"
            shutil.copyfile(file, copy)
            storm(sandbox, "remap", 1, copy)
        time.sleep(1)
        check_alive(sandbox, agent, endpoint)
        assert agent.status()["probes"]["malformed"] - before >= len(broken) * 0.9
        assert agent.stop() == 0


@pytest.mark.timeout(180)
def test_unfinished_heads_of_dead_processes(sandbox, endpoint, agent_ready):
    """Connections without a server name that have sent less than a head when their process ends: what was held back
    of them goes, too."""
    code = (
        "import os, socket, ssl\n"
        "context = ssl._create_unverified_context()\n"
        "kept = []\n"
        "for _ in range(20):\n"
        "    kept.append(context.wrap_socket(socket.create_connection(('127.0.0.1', 443))))\n"
        "    kept[-1].sendall(b'GET /v1/mod')\n"
        "print('sent', flush=True)\n"
        "input()\n"
        "os._exit(0)\n"
    )
    with agents.Agent(sandbox.path / "agent-heads") as agent:
        watched = Watched(sandbox, agent, endpoint)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = sandbox.spawn(["/usr/bin/python3", "-B", "-c", code], **pipes)
        assert process.stdout.readline() == b"sent\n"
        assert tables(agent)["scratches"] == watched.before["scratches"] + 20
        process.communicate(b"\n", timeout=10)
        assert process.returncode == 0
        watched.judge()
        endpoint.rest()
        assert agent.stop() == 0
