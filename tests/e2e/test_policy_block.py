# SPDX-License-Identifier: Apache-2.0
"""The action `block`: after a violation the next connections of that cgroup to AI hosts fail at connect() for a time;
others, and other destinations, notice nothing."""

import datetime
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import agent as agents
import credentials
from conftest import wait_for
from sandbox import AZURE, OPENAI

SECONDS = 4
PORT = 8080  # where no AI host is: the endpoint without TLS
BLOCK = f"policy:\n  require_entra: block\n  block_for: {SECONDS}s\n"
KEY = f"api-key: {credentials.azure_key()}"
TOKEN = f"Authorization: Bearer {credentials.entra_token()[0]}"
BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})
URL = f"https://{AZURE}/openai/v1/chat/completions"
REFUSED = "REFUSED"  # what a client prints when connect() gives EPERM
_numbers = itertools.count(1)

PYTHON = """
import errno, http.client, sys, urllib.request, urllib.error
name, value = sys.argv[2].split(": ", 1)
request = urllib.request.Request(sys.argv[1], sys.argv[3].encode(), {"Content-Type": "application/json", name: value})
try:
    with urllib.request.urlopen(request, timeout=20) as response:
        print(len(response.read()) > 0 and "OK")
except urllib.error.URLError as error:
    print("REFUSED" if getattr(error.reason, "errno", None) == errno.EPERM else error)
except (OSError, http.client.HTTPException) as error:  # ended before the answer, or in it
    print(repr(error))
"""

NODE = """
const [url, header, body] = process.argv.slice(1);
const at = header.indexOf(": ");
fetch(url, {method: "POST", body, headers: {"content-type": "application/json", [header.slice(0, at)]: header.slice(at + 2)}})
  .then(async (response) => console.log((await response.text()).length ? "OK" : "?"))
  .catch((error) => console.log(error.cause?.code === "EPERM" ? "REFUSED" : String(error.cause)));
"""

CURL = """
curl -sS --max-time 20 -H "$2" -H 'Content-Type: application/json' -d "$3" "$1" >/dev/null 2>"$TMPDIR/curl.$$" && echo OK && exit
# libcurl names the error of connect() only in its log: strerror() of EPERM in some versions, a failed connect in all.
grep -q "Failed to connect" "$TMPDIR/curl.$$" && echo REFUSED || cat "$TMPDIR/curl.$$"
"""

COMMANDS = {
    "curl": ["sh", "-c", CURL, "sh"],
    "urllib": ["python3", "-B", "-c", PYTHON],
    "node": [shutil.which("node") or "node", "-e", NODE, "--"],
}


def mount():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    return pytest.skip("cgroup v2 is not mounted")


class Group:
    """A cgroup of its own in which commands can be run."""

    def __init__(self, sandbox, name):
        self.sandbox = sandbox
        self.path = mount() / f"oaitap-e2e-{os.getpid()}-{next(_numbers)}-{name}"
        self.path.mkdir()

    def command(self, command):
        join = f'echo $$ > {self.path}/cgroup.procs && exec "$@"'
        return ["sh", "-c", join, "sh", *command]

    def ask(self, name="curl", header=TOKEN, url=URL):
        done = self.sandbox.run(self.command([*COMMANDS[name], url, header, BODY]))
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def close(self):
        # The kernel lets go of a process a moment after it was waited for.
        for _ in range(100):
            try:
                return self.path.rmdir()
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"{self.path} is in use")


@pytest.fixture
def groups(sandbox):
    made = []

    def make(name):
        made.append(Group(sandbox, name))
        return made[-1]

    yield make
    for group in made:
        group.close()


@pytest.fixture
def blocking(sandbox, endpoint, agent_ready):
    made = []
    endpoint.rest()

    def start(policy=BLOCK, **options):
        made.append(agents.Agent(sandbox.path / f"agent-block-{next(_numbers)}", policy=policy, **options))
        return made[-1]

    yield start
    for agent in made:
        if agent.alive():
            assert agent.stop() == 0, agent.messages()[-2000:]
    endpoint.rest()


def blocks(events, state=None):
    told = [event for event in events if "block" in event]
    return [event for event in told if state in (None, event["block"]["state"])]


def refused(group):
    """From now on: a violation's answer may be back before the agent has seen the violation."""
    wait_for(lambda: group.ask() == REFUSED, 3)
    return group.ask() == REFUSED


def seconds_of(time_text):
    return datetime.datetime.fromisoformat(time_text.replace("Z", "+00:00")).timestamp()


def seen(agent):
    with agent.changed:
        return [event for _, event in agent.events]


@pytest.mark.parametrize("name", COMMANDS)
def test_next_connection_is_refused(blocking, groups, name):
    seconds = 5 * SECONDS if name == "node" else SECONDS  # it starts slowly
    agent = blocking(BLOCK.replace(f"{SECONDS}s", f"{seconds}s"))
    wrong, right = groups("wrong"), groups("right")
    assert wrong.ask(name) == "OK" and right.ask(name) == "OK"
    # Its answer may or may not come in before the connection is ended.
    assert wrong.ask(name, KEY) != REFUSED
    over = time.monotonic()
    answers = []
    while time.monotonic() < over + 1:
        answers.append(wrong.ask(name))
        if answers[-1] == REFUSED:
            break
    assert answers[-1] == REFUSED, f"not within a second: {answers}"
    # Whoever else, and wherever else.
    assert right.ask(name) == "OK"
    assert wrong.ask(name, url=f"http://127.0.0.1:{PORT}/v1/chat/completions") == "OK"
    assert wrong.ask(name) == REFUSED
    assert right.ask(name, url=f"https://{OPENAI}/v1/chat/completions") == "OK"
    wait_for(lambda: blocks(seen(agent), "over"), seconds + 5)
    assert time.monotonic() - over > seconds - 1
    (told,) = blocks(seen(agent), "over")  # by the agent's own clock: the clients before may have been slow
    assert seconds_of(told["event-time"]) - seconds_of(told["block"]["until"]) < 5
    assert wrong.ask(name) == "OK"
    events = agent.drain(0.5)
    violations = [event for event in events if event["event-type"] == "Policy" and "violations" in event]
    begun, ended = blocks(events)
    assert len(violations) == 1 and violations[0]["action"] == "block"
    assert begun["message-id"] == ended["message-id"] == violations[0]["message-id"]
    assert begun["process"]["pid"] == ended["process"]["pid"] == violations[0]["process"]["pid"]
    assert begun["block"]["state"] == "begun" and begun["block"]["scope"] == "cgroup"
    assert begun["block"]["cgroup"] == ended["block"]["cgroup"] == "/" + wrong.path.name
    assert seconds_of(begun["block"]["since"]) - seconds_of(violations[0]["event-time"]) < 1
    # A client may try more than once for a call.
    assert ended["block"]["refused-connections"] >= 2
    assert f"{ended['block']['refused-connections']} connections were refused" in ended["reason"]


def test_open_connection_is_ended(blocking, groups):
    """A streamed answer that takes long: the connection ends in the middle of it."""
    agent = blocking()
    group = groups("stream")
    directive = '[[{"id": "x-block-1", "answer_bytes": 4000, "delay_ms": 100, "pieces": 100}]] Hello'
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": directive}]})
    command = ["curl", "-sSN", "-H", KEY, "-H", "Content-Type: application/json", "-d", body, URL]
    begun = time.monotonic()
    done = group.sandbox.run(group.command(command))
    # Receiving, or, since the key is in the head, still sending the body.
    assert done.returncode in (55, 56), (done.returncode, done.stderr)
    assert b"abort" in done.stderr or b"reset" in done.stderr, done.stderr
    assert time.monotonic() - begun < 5, "the stream would have taken ten seconds"
    wait_for(lambda: blocks(seen(agent), "over"), SECONDS + 5)
    (ended,) = blocks(seen(agent), "over")
    assert ended["block"]["ended-connections"] == 1
    agent.drain()


def test_process_scope(blocking, groups):
    """Only the process and what it starts: a neighbour in the same cgroup goes on."""
    agent = blocking(BLOCK + "  block_scope: process\n")
    group = groups("shared")
    ask = " ".join(f"'{part}'" for part in ["curl", "-sS", "--max-time", "20", "-H", "Content-Type: application/json"])
    shell = f"{ask} -d \"$2\" -H \"$1\" \"$0\" >/dev/null; echo $?"
    # The shell lives on; its first child breaks the rule, and only that child is blocked.
    done = group.sandbox.run(group.command(["sh", "-c", f"{shell}; {shell}", URL, KEY, BODY]))
    assert done.stdout.split()[-1] == b"0" or b"abort" in done.stderr, done
    wait_for(lambda: blocks(seen(agent), "begun"))
    assert blocks(seen(agent), "begun")[0]["block"]["scope"] == "process"
    assert group.ask() == "OK"
    # One process that goes on is refused.
    program = (
        "import http.client, sys, time\n"
        "begun = time.monotonic()\n"
        "said = ''\n"
        "while said != '1' and time.monotonic() < begun + 5:\n"
        "    c = http.client.HTTPSConnection(sys.argv[1], timeout=20)\n"
        "    try:\n"
        "        c.request('POST', '/v1/chat/completions', sys.argv[3], dict([sys.argv[2].split(': ', 1)]))\n"
        "        c.getresponse().read(); said = 'OK'\n"
        "    except (OSError, http.client.HTTPException) as e:\n"
        "        said = str(getattr(e, 'errno', e))\n"
        "    c.close()\n"
        "    print(said)\n"
    )
    done = group.sandbox.run(group.command(["python3", "-c", program, AZURE, KEY, BODY]))
    assert done.stdout.split()[-1] == b"1", (done.stdout, done.stderr)
    assert group.ask() == "OK"
    agent.drain()


def test_reload_lifts(blocking, groups):
    agent = blocking(BLOCK.replace(f"{SECONDS}s", "1h"))
    group = groups("lifted")
    group.ask(header=KEY)
    assert refused(group)
    agent.write_config("policy:\n  require_entra: report\n")
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: blocks(seen(agent), "lifted"))
    assert group.ask() == "OK"
    group.ask(header=KEY)
    assert group.ask() == "OK"
    agent.write_config(BLOCK)
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: agent.status()["policy"]["reloads"] == 2)
    group.ask(header=KEY)
    assert refused(group)
    assert agent.status()["block"]["blocked"] == 1
    agent.drain()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_end_of_the_agent_lifts(blocking, groups, how):
    agent = blocking(BLOCK.replace(f"{SECONDS}s", "1h"))
    group = groups("ended")
    group.ask(header=KEY)
    assert refused(group)
    if how == signal.SIGTERM:
        assert agent.stop() == 0
        (lifted,) = blocks(seen(agent), "lifted")
        assert lifted["block"]["refused-connections"] >= 1
    else:
        agent.kill()
    wait_for(lambda: group.ask() == "OK")


def test_off_by_default(blocking, groups):
    """Nothing of it is loaded unless a policy asks for it."""
    agent = blocking("policy:\n  require_entra: report\n")
    assert "block" not in agent.status()
    group = groups("free")
    group.ask(header=KEY)
    assert group.ask() == "OK"
    shown = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True)
    if shown.returncode == 0:
        assert "block_connect4" not in shown.stdout
    agent.drain()
