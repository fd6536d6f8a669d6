# SPDX-License-Identifier: Apache-2.0
"""Every file with OpenSSL inside is found, whatever its name, as soon as it is mapped, and let go of when nobody uses
it any more."""

import itertools
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import REPEAT, wait_for

import agent as agents
import drive
import truth
from sandbox import OPENAI

TRIES = 100 if REPEAT >= 50 else 20
numbers = itertools.count()


def libssl():
    """The library that curl uses."""
    out = subprocess.run(["ldd", shutil.which("curl")], capture_output=True, text=True, check=True).stdout
    return next(pathlib.Path(line.split()[2]) for line in out.splitlines() if "libssl.so" in line)


def start(sandbox, env=None, command=("curl",)):
    """A program of its own that makes one chat exchange."""
    body = sandbox.path / f"body-{next(numbers)}"
    body.write_bytes(drive.chat_body({"answer_bytes": 2000}))
    return sandbox.spawn(
        [*command, "--silent", "--fail", "--output", "/dev/null", "--data-binary", f"@{body}"]
        + ["-H", "Content-Type: application/json", f"https://{OPENAI}/v1/chat/completions"],
        env=env,
    )


def ask(sandbox, env=None, command=("curl",)):
    assert start(sandbox, env, command).wait(60) == 0


class Waiting:
    """A Python program that has mapped a library, and makes one request when told to."""

    def __init__(self, sandbox, library):
        self.gate = library.parent / "gate"
        os.mkfifo(self.gate)
        code = (
            "import ctypes\n"
            f"ctypes.CDLL('{library}')\n"
            "import urllib.request\n"  # which loads ssl: by its name that is the library above
            f"open('{self.gate}', 'w').write('mapped')\n"
            f"open('{self.gate}').read()\n"
            f"urllib.request.urlopen('https://{OPENAI}/v1/models').read()\n"
        )
        self.process = sandbox.spawn(["/usr/bin/python3", "-B", "-c", code])
        assert self.gate.read_text() == "mapped"

    def go(self):
        self.gate.write_text("go")
        assert self.process.wait(30) == 0


def check_pair(record, events, library=None):
    (slot,) = truth.pair(events).values()
    assert truth.compare_request(slot["Request"], record) == []
    assert truth.compare_response(slot["Response"], record) == []
    if library:
        assert slot["Request"]["connection"]["tls-library"] == library


def exchange(agent, endpoint, library):
    """Whether the one exchange that was made is on record; what is recorded must be right."""
    (record,) = endpoint.take(1)
    agent.wait(2, 2)
    events = agent.drain(0.1)
    if not events:
        return False
    check_pair(record, events, str(library))
    return True


@pytest.mark.timeout(300)
def test_files_never_seen_before(sandbox, endpoint, agent_ready):
    """Fresh copies of libssl, each used at once by a program that has just started: nearly all first requests are
    recorded. When their users are gone the probes are, too."""
    endpoint.rest()
    source = libssl()
    with agents.Agent(sandbox.path / "agent-discovery") as agent:
        before = agent.status()["probes"]
        captured = 0
        for number in range(TRIES):
            folder = sandbox.path / f"fresh-{number}"
            folder.mkdir()
            library = folder / source.name
            shutil.copyfile(source, library)
            ask(sandbox, {"LD_LIBRARY_PATH": str(folder)})
            captured += exchange(agent, endpoint, library)
        blind = agent.status()["coverage"]["blind"]
        print(f"{captured} of {TRIES} first requests recorded, {blind} misses told")
        print(f"from mapping to attached: {agent.status()['probes']['attach']}")
        assert captured >= 0.95 * TRIES
        assert agent.status()["probes"]["files"] == before["files"] + TRIES
        wait_for(lambda: agent.status()["probes"]["files"] == before["files"], 60)
        after = agent.status()
        assert after["probes"]["released"] == TRIES
        assert after["probes"]["functions"] == before["functions"]
        assert after["probes"]["failed"] == 0
        assert agents.dropped(after) == {}
        # A file that was let go of is found again.
        ask(sandbox, {"LD_LIBRARY_PATH": str(folder)})
        assert exchange(agent, endpoint, library)
        assert agent.stop() == 0


def test_hashed_name(sandbox, endpoint, agent_ready):
    """As inside Python wheels: the name says nothing."""
    endpoint.rest()
    library = sandbox.path / "libs5l-3f2a9c1d"
    shutil.copyfile(libssl(), library)
    with agents.Agent(sandbox.path / "agent-hashed") as agent:
        ask(sandbox, {"LD_PRELOAD": str(library)})
        assert exchange(agent, endpoint, library)
        assert agent.stop() == 0


def test_deleted_library(sandbox, endpoint, agent_ready):
    """Deleted while in use, before the agent starts: the file is gone, its code is not."""
    endpoint.rest()
    folder = sandbox.path / "deleted"
    folder.mkdir()
    library = folder / libssl().name
    shutil.copyfile(libssl(), library)
    client = Waiting(sandbox, library)
    library.unlink()
    with agents.Agent(sandbox.path / "agent-deleted") as agent:
        client.go()
        (record,) = endpoint.take(1)
        check_pair(record, agent.take(2), f"{library} (deleted)")
        assert agent.stop() == 0


@pytest.mark.timeout(180)
def test_upgraded_library(sandbox, endpoint, agent_ready):
    """Another file takes its name: both are probed as long as both are used."""
    endpoint.rest()
    folder = sandbox.path / "upgraded"
    folder.mkdir()
    library = folder / libssl().name
    shutil.copyfile(libssl(), library)
    with agents.Agent(sandbox.path / "agent-upgraded") as agent:
        before = agent.status()["probes"]["files"]
        old = Waiting(sandbox, library)
        shutil.copyfile(libssl(), folder / "new")
        (folder / "new").rename(library)
        ask(sandbox, {"LD_LIBRARY_PATH": str(folder)})
        (record,) = endpoint.take(1)
        check_pair(record, agent.take(2), str(library))
        assert agent.status()["probes"]["files"] == before + 2
        old.go()
        (record,) = endpoint.take(1)
        check_pair(record, agent.take(2), str(library))
        wait_for(lambda: agent.status()["probes"]["files"] == before, 60)
        assert agent.status()["probes"]["released"] == 2
        assert agent.stop() == 0


def test_one_file_through_two_overlays(sandbox, endpoint, agent_ready):
    """Two mounts of one lower folder, as two containers of one image have: each call counts once."""
    endpoint.rest()
    base = sandbox.path / "overlays"
    script = ["set -e", f"mkdir {base}", f"mount -t tmpfs tmpfs {base}", f"mkdir {base}/lower"]
    script += [f"cp {libssl()} {base}/lower/"]
    for name in ("a", "b"):
        script += [f"mkdir -p {base}/{name}/up {base}/{name}/work {base}/{name}/merged"]
        options = f"lowerdir={base}/lower,upperdir={base}/{name}/up,workdir={base}/{name}/work"
        script += [f"mount -t overlay overlay -o {options} {base}/{name}/merged"]
    done = sandbox.run(["sh", "-c", "\n".join(script)])
    assert done.returncode == 0, done.stderr
    with agents.Agent(sandbox.path / "agent-overlays") as agent:
        before = agent.status()["probes"]["files"]
        for name in ("a", "b"):
            ask(sandbox, {"LD_LIBRARY_PATH": f"{base}/{name}/merged"})
            (record,) = endpoint.take(1)
            check_pair(record, agent.take(2))
        for _ in range(5):
            at_once = [start(sandbox, {"LD_LIBRARY_PATH": f"{base}/{name}/merged"}) for name in ("a", "b")]
            assert [client.wait(60) for client in at_once] == [0, 0]
            records = endpoint.take(2)
            assert truth.compare_all(agent.take(4), records, []) == []
        status = agent.status()
        assert status["probes"]["files"] == before + 1
        assert status["left-out"]["twice"]["count"] == 0
        assert agent.stop() == 0
    assert sandbox.run(["umount", "-R", str(base)]).returncode == 0
