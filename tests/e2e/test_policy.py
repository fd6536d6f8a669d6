# SPDX-License-Identifier: Apache-2.0
"""The policy: who may ask what, and what is kept of it; changed while the agent runs; and no secret where it should
not be."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import uuid

import pytest

import agent as agents
import answers
import credentials
import drive
from conftest import wait_for
from sandbox import OPENAI

REPORT = "policy:\n  require_entra: report\n"


@pytest.fixture
def policed(sandbox, endpoint, agent_ready, request):
    """policed("policy: …"): an agent with that policy, for one test."""
    made = []
    endpoint.rest()

    def start(policy, **options):
        folder = sandbox.path / f"agent-policy-{re.sub('[^a-z0-9]', '-', request.node.name)}-{len(made)}"
        made.append(agents.Agent(folder, policy=policy, **options))
        return made[-1]

    yield start
    for agent in made:
        if agent.alive():
            assert agent.stop() == 0, agent.messages()[-2000:]


def ask(sandbox, endpoint, texts, name="httpx", exchanges=({},), **job):
    with drive.Client(sandbox, name) as client:
        results = client.run(texts, exchanges=list(exchanges), **job)
    endpoint.take(len(results))
    return results


def by_type(events):
    out = {"Request": [], "Response": [], "Policy": []}
    for event in events:
        out[event["event-type"]].append(event)
    return out


def windows(secret):
    size = min(16, len(secret))
    return {secret[i : i + size].encode() for i in range(len(secret) - size + 1)}


def traces(agent, secret):
    """Where any 16 bytes in a row of the secret are: everything in the agent's folder, and its output."""
    places = {"standard output": bytes(agent.raw)}
    for path in pathlib.Path(agent.folder).rglob("*"):
        if path.is_file() and path != agent.config:
            places[path.name] = path.read_bytes()
    return sorted(
        name for name, data in places.items() if any(window in data for window in windows(secret))
    )


# --- who may ask ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["curl", "openai-python", "openai-node"])
def test_api_keys_are_reported(policed, sandbox, endpoint, texts, name):
    """One Policy event for each call with a key, which names process and key; none for calls with a token."""
    agent = policed(REPORT)
    key = {"kind": "api-key", "value": credentials.azure_key()}
    token, claims = credentials.entra_token()
    with drive.Client(sandbox, name) as client:
        results = client.run(texts, exchanges=[{}] * 3, credential=key)
        results += client.run(texts, exchanges=[{}] * 2, credential={"kind": "bearer", "value": token})
        pid = client.process.pid
    endpoint.take(len(results))
    events = by_type(agent.take(2 * 5 + 3))
    assert len(events["Policy"]) == 3
    requests = {event["message-id"]: event for event in events["Request"]}
    for event in events["Policy"]:
        request = requests.pop(event["message-id"])
        assert request["identity"]["kind"] == "api-key"
        assert event["identity"] == request["identity"] and "key-fingerprint" in event["identity"]
        assert event["process"] == request["process"]
        assert name == "curl" or event["process"]["pid"] == pid
        assert (event["rule"], event["action"]) == ("default", "report")
        assert event["violations"] == [{"what": "require_entra", "found": "api-key"}]
        assert event["deployment-id"] == request["deployment-id"]
        assert event["event-time"] == request["event-time"]
    assert [event["identity"]["app-id"] for event in requests.values()] == [claims["appid"]] * 2
    assert agent.status()["policy"]["violations"] == 3

    shown = agent.command("tail", "-n", "100", "-c", agent.config)
    assert shown.stdout.count("policy report, rule default: api-key instead of a good Entra token") == 3
    shown = agent.command("show", event["message-id"], "-c", agent.config)
    assert "Not as the policy wants it" in shown.stdout


def test_lists_by_rule(policed, sandbox, endpoint, texts):
    """Allowed tenants, applications, deployments and models; a rule for one user lifts what the rest must hold."""
    token, claims = credentials.entra_token()
    policy = (
        f"policy:\n  tenants: [{uuid.uuid4()}]\n  applications: ['{claims['appid']}']\n"
        "  deployments: ['embed-*']\n  models: ['gpt-5*']\n"
    )
    agent = policed(policy)
    credential = {"kind": "bearer", "value": token}
    ask(sandbox, endpoint, texts, credential=credential)
    event = by_type(agent.take(3))["Policy"][0]
    assert event["violations"] == [
        {"what": "tenants", "found": claims["tid"]},
        {"what": "deployments", "found": "chat-prod"},
    ]
    assert event["identity"]["tenant-id"] == claims["tid"]
    ask(sandbox, endpoint, texts, flavour="openai")
    event = by_type(agent.take(3))["Policy"][0]
    assert event["violations"] == [{"what": "models", "found": "gpt-4o-mini"}]

    agent.write_config(
        policy + "  rules:\n    - name: free\n      when: {users: [root], operations: ['*Completion*']}\n"
        "      tenants: []\n      deployments: []\n      models: []\n"
    )
    reload(agent)
    ask(sandbox, endpoint, texts, credential=credential)
    events = agent.take(2)
    assert {event["capture"]["rule"] for event in events} == {"free"}


def test_model_that_answers_is_judged(policed, sandbox, endpoint, texts):
    """On Azure the deployment is asked, and the model is known when it answers: still one Policy event."""
    agent = policed("policy:\n  models: ['gpt-5*']\n")
    ask(sandbox, endpoint, texts, flavour="azure")
    events = by_type(agent.take(3))
    (policy,), (answer,) = events["Policy"], events["Response"]
    assert policy["violations"] == [{"what": "models", "found": answer["model"]}]
    assert policy["event-time"] == answer["event-time"]


# --- what is kept ---------------------------------------------------------------------------------------

FIELDS = """policy:
  fields:
    request.messages: mask
    request.parameters: hash
    request.headers: drop
    response.choices: {truncate: 5}
    response.response: drop
"""


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_fields(policed, sandbox, endpoint, texts, stream):
    agent = policed(FIELDS, keep_raw=True)
    secret = "answer-" + secrets.token_hex(16)
    user = "user-" + secrets.token_hex(16)
    (result,) = ask(
        sandbox, endpoint, texts, stream=stream, exchanges=[{"answer": secret}], extra={"user": user}
    )
    events = by_type(agent.take(2))
    (request,), (response,) = events["Request"], events["Response"]
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert {message["content"] for message in request["messages"]} == {"[masked]"}
    assert request["parameters"]["user"].startswith("hmac-sha256:")
    assert set(request["headers"]) <= {"content-type"}
    assert response["choices"][0]["message"]["content"] == secret[:5]
    assert "response" not in response and response["usage-source"] in ("reported", "none")
    told = {(one["path"], one["how"], one["why"]) for one in request["capture"]["withheld"]}
    assert {("/messages", "mask", "fields"), ("/parameters", "hash", "fields")} <= told
    assert ("/choices", "truncate", "fields") in {
        (one["path"], one["how"], one["why"]) for one in response["capture"]["withheld"]
    }
    # Hashes are those of the wire.
    assert request["body-sha256"] == result["sent_sha256"]
    assert response["body-sha256"] == result["body_sha256"]
    assert traces(agent, secret) == [] and traces(agent, user) == []


def test_metadata_only(policed, sandbox, endpoint, texts):
    agent = policed("policy: {metadata_only: true}\n", keep_raw=True)
    secret = secrets.token_hex(24)
    ask(sandbox, endpoint, texts, stream=True, exchanges=[{"answer": secret}], extra={"user": secret})
    ask(sandbox, endpoint, texts, exchanges=[{"scenario": "error-400", "answer": secret}])
    for event in agent.take(4):
        kind = event["event-type"]
        content = {"messages", "tools", "parameters", "choices", "response", "body", "body-base64"}
        assert not content & set(event), content & set(event)
        assert {"metadata-only"} == {one["why"] for one in event["capture"]["withheld"]}
        assert event["body-bytes"] > 0 and "body-sha256" in event
        assert kind == "Request" or "message" not in event.get("error", {})
    assert traces(agent, secret) == []


def test_sampling(policed, sandbox, endpoint, texts):
    """Both events of an exchange agree, each says what it is, and the status counts all."""
    agent = policed("policy: {sample: 30%}\n")
    ask(sandbox, endpoint, texts, exchanges=[{}] * 60, flavour="openai")
    kept = {}
    for event in agent.take(120):
        sampled = event["capture"]["sampled"]
        assert kept.setdefault(event["message-id"], sampled) == sampled
        assert (("messages" in event) or ("choices" in event)) == sampled
        assert sampled or {one["why"] for one in event["capture"]["withheld"]} == {"sample"}
    counts = agent.status()["policy"]
    assert counts["sampled-in"] == sum(kept.values()) and counts["sampled-in"] + counts["sampled-out"] == 60
    assert 0 < counts["sampled-in"] < 60


REDACT = """policy:
  redact: [email, card, iban, secrets]
  redact_rules:
    - {name: badge, pattern: "BDG-[0-9a-f]{48}", replace: "<badge>"}
"""


def made_up():
    """Secrets of each kind, made now."""
    return {
        "email": f"{secrets.token_hex(8)}.{secrets.token_hex(6)}@example.com",
        "key": credentials.openai_key(),
        "badge": "BDG-" + secrets.token_hex(24),
    }


@pytest.mark.parametrize("name", ["httpx", "openai-node"])
def test_secret_over_forty_chunks(policed, sandbox, endpoint, texts, name):
    """A secret in an answer whose stream has it in forty pieces; the same in the question."""
    agent = policed(REDACT, keep_raw=True)
    for kind, secret in made_up().items():
        answer = {"answer": secret, "pieces": 40}
        ask(sandbox, endpoint, texts, name, exchanges=[answer], stream=True, extra={"user": f"i am {secret}"})
        events = by_type(agent.take(2))
        (request,), (response,) = events["Request"], events["Response"]
        shown = response["choices"][0]["message"]["content"]
        assert secret[8:] not in shown and re.fullmatch(r"\[[a-z-]+\]|<badge>", shown), (kind, shown)
        assert response["timing"]["chunks"] >= 40
        (hit,) = [one for one in response["capture"]["redacted"] if one["path"].startswith("/choices")]
        assert hit["count"] == 1 and hit["path"] == "/choices/0/message/content"
        assert any(one["path"] == "/parameters/user" for one in request["capture"]["redacted"])
        assert secret not in json.dumps(events)
        assert traces(agent, secret) == [], kind
    assert agent.status()["policy"]["redactions"] >= 6


def test_websocket(policed, sandbox, endpoint):
    """Each exchange of a session is judged and redacted, by the handshake's credential."""
    agent = policed(REDACT + "  require_entra: report\n", keep_raw=True)
    known = made_up()
    text = answers.directive({"id": drive.new_id(), "text": known["badge"], "pieces": 40}) + known["email"]
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    steps = [
        {"wait": "session.created"},
        {"send": {"type": "session.update", "session": {"type": "realtime", "instructions": known["key"]}}},
        {"wait": "session.updated"},
        {"send": {"type": "conversation.item.create", "item": item}},
        {"send": {"type": "response.create"}},
        {"wait": "response.done"},
    ]
    with drive.Client(sandbox, "realtime-python") as client:
        job = {"flavour": "openai", "credential": drive.credential("openai"), "model": "gpt-realtime"}
        client.give({**job, "exchanges": [{"id": drive.new_id(), "steps": steps}]})
        client.read()
    endpoint.take(1)
    events = by_type(agent.take(2 * 2 + 2))
    assert {event["message-id"] for event in events["Policy"]} == {
        event["message-id"] for event in events["Request"]
    }
    (request,) = [event for event in events["Request"] if "input" in event]
    assert request["instructions"] != known["key"] and "[email]" in json.dumps(request["input"])
    assert "<badge>" in json.dumps([event.get("output") for event in events["Response"]])
    for kind, secret in known.items():
        assert traces(agent, secret) == [], kind


# --- reload ---------------------------------------------------------------------------------------------


def reload(agent, fails=False):
    counter = "reload-failures" if fails else "reloads"
    before = agent.status()["policy"][counter]
    os.kill(agent.process.pid, signal.SIGHUP)
    wait_for(lambda: agent.status()["policy"][counter] > before)


def test_reload(policed, sandbox, endpoint, texts):
    agent = policed("policy: {metadata_only: true}\n")

    def keeps():
        ask(sandbox, endpoint, texts)
        (request,) = by_type(agent.take(2))["Request"]
        return "messages" in request

    assert not keeps()
    agent.write_config("policy: {metadata_only: false}\n")
    reload(agent)
    assert keeps()
    # All or nothing: with file, line and key, and the policy that holds goes on.
    for bad, place in (
        ("policy:\n  metadata_only: true\n  fields: {request.message: drop}\n", ":14: policy.fields.request.message: "),
        ("policy:\n  metadata_only: true\n  redact: [nonsense]\n", ":14: policy.redact[0]: "),
        ("policy:\n  metadata_only: true\n  redact_rules: [{name: a, pattern: '(x'}]\n",
         ":14: policy.redact_rules[0].pattern: "),
    ):
        agent.write_config(bad)
        line = len(agent.settings.splitlines()) + 3
        reload(agent, fails=True)
        said = agent.messages().splitlines()[-1]
        assert str(agent.config) in said and place.replace(":14:", f":{line}:") in said, said
        assert "nothing has changed" in said
        assert keeps()
    # What cannot be changed is said.
    agent.settings = agent.settings.replace("max_body: 4MiB", "max_body: 5MiB")
    agent.write_config("policy: {metadata_only: true}\n")
    reload(agent)
    assert "need a restart, and stay as they were: capture.max_body" in agent.messages()
    assert not keeps()
    status = agent.status()["policy"]
    assert (status["reloads"], status["reload-failures"]) == (2, 3)


def test_exchange_keeps_its_policy(policed, sandbox, endpoint, texts):
    """An answer that comes after a reload is kept as its request was."""
    agent = policed("policy: {metadata_only: true}\n")
    with drive.Client(sandbox, "httpx") as client:
        client.submit(texts, exchanges=[{"wait_ms": 2500}])
        assert agent.wait(1)
        agent.write_config("policy: {metadata_only: false}\n")
        reload(agent)
        client.read()
    endpoint.take(1)
    events = by_type(agent.take(2))
    assert "choices" not in events["Response"][0] and "messages" not in events["Request"][0]
    ask(sandbox, endpoint, texts)
    assert "choices" in by_type(agent.take(2))["Response"][0]


# --- policy test ----------------------------------------------------------------------------------------


def test_samples_become_what_events_become(policed, sandbox, endpoint, texts):
    """`policy test` on what was stored without a policy gives what the agent gives with it."""
    agent = policed("")
    secret = made_up()["email"]
    ask(sandbox, endpoint, texts, exchanges=[{"answer": f"write to {secret}"}])
    events = agent.take(2)
    sample = agent.folder / "sample.json"
    sample.write_text(
        agent.command("show", events[0]["message-id"], "--json", "-c", agent.config).stdout, encoding="utf-8"
    )
    agent.write_config(REDACT + "  require_entra: report\n")
    done = agent.command("policy", "test", sample, "--json", "-c", agent.config)
    assert done.returncode == 0, done.stderr
    tried = agents.load_lines(done.stdout)
    assert secret not in done.stdout and "[email]" in done.stdout
    assert [(one["rule"], one["action"], one["violations"]) for one in tried] == [
        ("default", "report", ["require_entra"])
    ] * 2
    for one, event in zip(tried, events):
        assert one["event"]["message-id"] == event["message-id"]
        assert set(one["event"]) == set(event)
        assert not list(agent.validator.iter_errors(one["event"]))
    done = agent.command("policy", "test", sample, "-c", agent.config)
    assert done.returncode == 0 and "Redacted" in done.stdout and secret not in done.stdout


# --- nothing is left ------------------------------------------------------------------------------------


def cores(folder):
    return [path for path in pathlib.Path(folder).iterdir() if path.name.startswith("core")]


def memory_with(pid, secret):
    """Mappings of a process that hold the secret; the kernel's ring is the kernel's."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, _, _, inode, *name = line.split()
            if "w" not in rights or inode != "0" or "bpf" in line or "perf" in line or name == ["[vvar]"]:
                continue
            begin, end = (int(half, 16) for half in span.split("-"))
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except OSError:
                continue
            found += [f"{line.strip()} +{data.find(secret):x}"] if secret in data else []
    return found


def test_nothing_is_left(policed, sandbox, endpoint, texts):
    """Store, log of the store, output, log, memory and a forced core after redaction: no secret anywhere."""
    agent = policed(REDACT, keep_raw=True, wrapper=("prlimit", "--core=unlimited:unlimited"), flags=("-v",))
    known = made_up()
    for name in ("httpx", "curl", "openai-python"):
        for stream in (False, True):
            ask(
                sandbox,
                endpoint,
                texts,
                name,
                stream=stream,
                exchanges=[{"answer": " ".join(known.values()), "pieces": 40}],
                extra={"user": known["email"], "metadata": {"a": known["badge"], "b": known["key"]}},
            )
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}).encode()
    request = drive.message(
        "POST",
        f"/v1/unknown/{known['badge']}",
        OPENAI,
        {"User-Agent": f"by {known['email']}", "X-Client-Request-Id": known["badge"]},
        body,
    )
    drive.raw(sandbox, OPENAI, [drive.send(request), {"answers": 1}])
    endpoint.take(1)
    events = agent.take(14)
    assert "<badge>" in json.dumps(events) and all("redacted" in event["capture"] for event in events[:12])
    assert (agent.folder / "oaitap.db-wal").stat().st_size > 0
    for kind, secret in known.items():
        assert traces(agent, secret) == [], kind
        assert memory_with(agent.process.pid, secret.encode()) == [], kind

    # A process beside it leaves a core in the same folder, if this host lets any.
    other = subprocess.Popen(["prlimit", "--core=unlimited:unlimited", "sleep", "60"], cwd=agent.folder)
    wait_for(lambda: pathlib.Path(f"/proc/{other.pid}/comm").read_text(encoding="utf-8") == "sleep\n")
    os.kill(other.pid, signal.SIGABRT)
    other.wait()
    control = cores(agent.folder)
    for path in control:
        path.unlink()
    os.kill(agent.process.pid, signal.SIGABRT)
    assert agent.process.wait(20) == -signal.SIGABRT
    agent._finish()
    assert cores(agent.folder) == []
    for kind, secret in known.items():
        assert traces(agent, secret) == [], kind
    print("cores can be made here:", bool(control))
