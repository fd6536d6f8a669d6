# SPDX-License-Identifier: Apache-2.0
"""`make demo`: the agent, a stand-in for the AI services and a few real clients, in a place of their own on
this host; then what the agent saw of them. Half a minute; nothing stays. Exit code 0 if every expected event
came."""

import os
import subprocess
import sys
import time

import agent as agents
import answers
import drive
import truth
from sandbox import AZURE, OPENAI, Sandbox, lock, why_not

BOLD, DIM, PLAIN = (
    ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("",) * 3
)

USAGE = {"stream_options": {"include_usage": True}}
STEPS = [
    ("curl", "azure", False, {}, "curl asks an Azure OpenAI deployment"),
    ("openai-python", "openai", True, USAGE, "openai-python asks OpenAI, streaming"),
    ("openai-node", "azure", False, {}, "openai-node asks Azure OpenAI"),
]


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n{BOLD}{text}{PLAIN}")


def indent(text):
    for line in text.rstrip("\n").splitlines():
        say("    " + line)


class View:
    """What the agent printed since the last look."""

    def __init__(self, agent):
        self.agent = agent
        self.shown = 0

    def more(self, seconds=3):
        """Waits until the agent has stored both events of one more exchange, then gives what it printed
        meanwhile."""
        time.sleep(0.3)
        deadline = time.monotonic() + seconds
        size = -1
        while time.monotonic() < deadline and (
            len(self.agent.raw) == self.shown or size != len(self.agent.raw)
        ):
            size = len(self.agent.raw)
            time.sleep(0.4)
        text = bytes(self.agent.raw[self.shown :]).decode(errors="replace")
        self.shown += len(text.encode())
        return text


def ask(sandbox, endpoint, view, name, flavour, stream, extra, question):
    path = sandbox.path / "question"
    path.write_text(question, encoding="utf-8")
    with drive.Client(sandbox, name) as client:
        job = {"flavour": flavour, "stream": stream, "extra": extra, "text_file": str(path), "question": True}
        (result,) = client.run(drive.Texts(sandbox.path), **job)
    (record,) = endpoint.take(1)
    if result["status"] != 200:
        raise RuntimeError(f"{name}: {result}")
    indent(view.more())
    return record


def stored(agent):
    done = agent.command("tail", "-c", agent.config, "--json", "-n", 100)
    if done.returncode != 0:
        raise RuntimeError(f"oaitap tail: {done.stderr}")
    return agents.load_lines(done.stdout)


def check(events, records):
    """Two events for each exchange and none more, each right. A list of what is wrong."""
    wrong = []
    left = {
        slot["Response"].get("response-id"): slot
        for slot in truth.pair(events).values()
        if "Response" in slot
    }
    if len(events) != 2 * len(records):
        wrong.append(f"{len(events)} events instead of {2 * len(records)}")
    for record in records:
        wrong += truth.compare_exchange(left.pop(record["response_id"], {}), record)
    return wrong


def run(sandbox):
    endpoint = truth.Endpoint(sandbox)
    title("1. The agent starts. It watches every process of this host that uses OpenSSL.")
    started = time.monotonic()
    with agents.Agent(sandbox.path / "agent", output="pretty", keep_raw=True) as agent:
        say(f"    ready after {time.monotonic() - started:.1f} s")
        view, records = View(agent), []
        title("2. Programs ask their questions. None of them was changed, none knows of the agent.")
        for (name, flavour, stream, extra, what), question in zip(STEPS, answers.KNOWN, strict=True):
            host = OPENAI if flavour == "openai" else AZURE
            say(f"  {what} {DIM}(https://{host}){PLAIN}")
            records.append(ask(sandbox, endpoint, view, name, flavour, stream, extra, question))
        title("3. A program that talks to somebody else is left alone.")
        sandbox.run(["curl", "--silent", "--output", "/dev/null", "https://blocked.example.org/v1/models"])
        endpoint.take(1)
        indent(view.more(1) or "(nothing)")
        events = stored(agent)
        wrong = check(events, records)
        title("4. One exchange, from the store: oaitap show")
        chosen = next((event["message-id"] for event in events if event["stream"]), None)
        if chosen:
            done = agent.command("show", chosen, "-c", agent.config)
            indent(done.stdout + done.stderr)
            if done.returncode != 0:
                wrong.append(f"oaitap show ended with {done.returncode}")
        code = agent.stop()
        if code != 0:
            wrong.append(f"the agent ended with {code}: {agent.messages()[-1000:]}")
    endpoint.close()
    say()
    for line in wrong:
        say(f"  wrong: {line}")
    verdict = f"{len(events)} events of {len(records)} exchanges, all right."
    say(BOLD + ("Not every event was right." if wrong else verdict) + PLAIN)
    if not wrong:
        say("On this host: sudo make run")
    return 1 if wrong else 0


def main():
    reason = why_not() or agents.why_not()
    if reason:
        say(f"demo: {reason}")
        return 3 if os.geteuid() else 1
    held = lock()
    try:
        with Sandbox() as sandbox:
            return run(sandbox)
    except (RuntimeError, TimeoutError, subprocess.SubprocessError) as problem:
        say(f"demo: {problem}")
        return 1
    finally:
        held.close()


if __name__ == "__main__":
    sys.exit(main())
