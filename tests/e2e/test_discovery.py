# SPDX-License-Identifier: Apache-2.0
"""Every file with OpenSSL inside is found, whatever its name, as soon as it is mapped, and let go of when nobody uses
it any more."""

import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import wait_for

import agent as agents
import drive
import truth
from sandbox import OPENAI

TRIES = 20


def libssl():
    """The library that curl uses."""
    out = subprocess.run(["ldd", shutil.which("curl")], capture_output=True, text=True, check=True).stdout
    return next(pathlib.Path(line.split()[2]) for line in out.splitlines() if "libssl.so" in line)


def ask(sandbox, env=None, command=("curl",)):
    """One chat exchange by a program of its own."""
    body = sandbox.path / "discovery-body"
    body.write_bytes(drive.chat_body({"answer_bytes": 2000}))
    done = sandbox.run(
        [*command, "--silent", "--fail", "--output", "/dev/null", "--data-binary", f"@{body}"]
        + ["-H", "Content-Type: application/json", f"https://{OPENAI}/v1/chat/completions"],
        env=env,
    )
    assert done.returncode == 0, done.stderr


def exchange(agent, endpoint, library):
    """Whether the one exchange that was made is on record; what is recorded must be right."""
    (record,) = endpoint.take(1)
    agent.wait(2, 2)
    events = agent.drain(0.1)
    if not events:
        return False
    (slot,) = truth.pair(events).values()
    assert truth.compare_request(slot["Request"], record) == []
    assert truth.compare_response(slot["Response"], record) == []
    assert slot["Request"]["connection"]["tls-library"] == str(library)
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
        print(f"{captured} of {TRIES} first requests recorded")
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
    """Upgraded while in use: the file is gone, its code is not."""
    endpoint.rest()
    folder = sandbox.path / "deleted"
    folder.mkdir()
    library = folder / libssl().name
    shutil.copyfile(libssl(), library)
    env = {"LD_LIBRARY_PATH": str(folder), "GATE": str(sandbox.path / "gate")}
    os.mkfifo(env["GATE"])
    code = (
        "import ctypes, os, urllib.request\n"
        f"ctypes.CDLL('{library}')\n"
        "import ssl\n"
        "open(os.environ['GATE'], 'w').write('mapped')\n"
        "open(os.environ['GATE']).read()\n"
        f"urllib.request.urlopen('https://{OPENAI}/v1/models').read()\n"
    )
    client = sandbox.spawn(["/usr/bin/python3", "-B", "-c", code], env=env)
    assert pathlib.Path(env["GATE"]).read_text() == "mapped"
    library.unlink()
    with agents.Agent(sandbox.path / "agent-deleted") as agent:
        pathlib.Path(env["GATE"]).write_text("go")
        assert client.wait(30) == 0
        (record,) = endpoint.take(1)
        events = agent.take(2)
        (slot,) = truth.pair(events).values()
        assert truth.compare_request(slot["Request"], record) == []
        assert slot["Request"]["connection"]["tls-library"] == f"{library} (deleted)"
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
        for name in ("a", "b", "a"):
            ask(sandbox, {"LD_LIBRARY_PATH": f"{base}/{name}/merged"})
            (record,) = endpoint.take(1)
            events = agent.take(2)
            (slot,) = truth.pair(events).values()
            assert truth.compare_request(slot["Request"], record) == []
            assert truth.compare_response(slot["Response"], record) == []
        status = agent.status()
        assert status["probes"]["files"] == before + 1
        assert status["left-out"]["twice"]["count"] == 0
        assert agent.stop() == 0
    assert sandbox.run(["umount", "-R", str(base)]).returncode == 0
