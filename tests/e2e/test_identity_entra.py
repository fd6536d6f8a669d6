# SPDX-License-Identifier: Apache-2.0
"""Entra's tokens are checked against key sets from files and URLs, keys get the operator's names, and on whose
behalf a request claims to be made is on record as a claim."""

import os
import time

import pytest

import agent as agents
import credentials
import drive
import issuer
from conftest import wait_for
from sandbox import OPENAI
from test_privacy import traces

TEAM_KEY = credentials.azure_key()
LABELS = {"team": "a", "cost-center": "4711"}


@pytest.fixture(scope="module")
def folder(sandbox):
    made = sandbox.path / "issuer"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def keys(folder):
    return {kid: issuer.Key(folder, kid) for kid in ("first", "second", "stranger")}


@pytest.fixture(scope="module")
def key_set(folder, keys):
    path = folder / "jwks.json"
    issuer.write_set(path, keys["first"])
    return path


@pytest.fixture(scope="module")
def known_keys(folder, agent_ready):
    """Names one key by its fingerprint with a fleet key: made before any agent, as it is spread to hosts."""
    fleet, names = folder / "fleet.key", folder / "known.yaml"
    fleet.write_bytes(os.urandom(32))
    fleet.chmod(0o600)
    for spelling in (TEAM_KEY, f"Bearer {TEAM_KEY}", f"  {TEAM_KEY}\n"):
        done = agents.Agent.command(None, "fingerprint", "--key", fleet, input=spelling)
        assert done.returncode == 0, done.stderr
        found = done.stdout.strip()
        names.write_text(
            f"- fingerprint: {found}\n  name: key of team A\n  labels: {{team: a, cost-center: '4711'}}\n",
            encoding="utf-8",
        )
    return fleet, names, found


@pytest.fixture(scope="module")
def agent(sandbox, endpoint, agent_ready, key_set, known_keys):
    home = sandbox.path / "agent-identity"
    home.mkdir()
    (home / "host.key").write_bytes(known_keys[0].read_bytes())
    (home / "host.key").chmod(0o600)
    options = {"jwks": key_set, "known_keys": known_keys[1], "claimed_headers": "[X-Forwarded-User, x-team]"}
    with agents.Agent(home, identity=options, keep_raw=True) as made:
        yield made
        assert made.alive(), made.messages()[-3000:]
        assert made.stop() == 0, made.messages()[-3000:]


def gone(agent, token):
    """Each part for itself: the middle one is the claims, the last one the signature."""
    return all(traces(agent, part) == [] for part in token.split(".") if len(part) > 16)


def ask(exchange, token, name="httpx", **job):
    ((slot, _, _),) = exchange(name, flavour="azure", credential={"kind": "bearer", "value": token}, **job)
    assert slot["Request"]["identity"] == slot["Response"]["identity"]
    return slot["Request"]["identity"]


@pytest.mark.parametrize("name", ["curl", "openai-python", "openai-node"])
def test_valid(exchange, agent, keys, name):
    token, claims = keys["first"].token()
    identity = ask(exchange, token, name)
    assert identity["verification"] == "valid" and "verification-problem" not in identity
    assert identity["kind"] == "entra" and identity["principal-type"] == "app"
    for key, claim in {"tenant-id": "tid", "object-id": "oid", "app-id": "appid", "token-id": "uti"}.items():
        assert identity[key] == claims[claim]
    assert gone(agent, token)


def test_managed_identity(exchange, agent, keys):
    resource = "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm-1"
    token, _ = keys["first"].token(appidacr="2", xms_mirid=resource)
    identity = ask(exchange, token)
    assert (identity["principal-type"], identity["resource-id"]) == ("managed-identity", resource)
    assert identity["verification"] == "valid"


def tampered(keys):
    token, _ = keys["first"].token()
    other, _ = keys["first"].token()
    head, _, signature = token.split(".")
    return ".".join([head, other.split(".")[1], signature])


@pytest.mark.parametrize(
    "make, verification, why",
    [
        (lambda k: k["first"].token(exp=int(time.time()) - 600)[0], "expired", "had expired"),
        (lambda k: k["first"].token(nbf=int(time.time()) + 600)[0], "invalid", "not valid yet"),
        (lambda k: k["first"].token(aud="https://graph.microsoft.com")[0], "invalid", "audience"),
        (lambda k: k["first"].token(iss="https://sts.windows.net/other/")[0], "invalid", "belong together"),
        (lambda k: k["stranger"].token({"kid": "first"})[0], "invalid", "signature"),
        (tampered, "invalid", "signature"),
        (lambda k: k["first"].token({"alg": "HS256"})[0], "invalid", "algorithm"),
        (lambda k: k["stranger"].token()[0], "unverified", "known ones"),
        (lambda k: k["first"].token({"kid": None})[0], "unverified", "kid"),
    ],
    ids=["expired", "early", "audience", "issuer", "stranger", "tampered", "confused", "unknown", "no-kid"],
)
def test_not_valid(exchange, agent, keys, make, verification, why):
    token = make(keys)
    identity = ask(exchange, token)
    assert identity["kind"] == "entra"
    assert identity["verification"] == verification, identity
    assert why in identity["verification-problem"]
    assert gone(agent, token)


def test_not_signed(exchange, agent, keys):
    token, _ = keys["first"].token({"alg": "none"})
    identity = ask(exchange, token)
    assert (identity["kind"], identity["verification"]) == ("bearer", "invalid")
    assert identity["verification-problem"] == "the token is not signed"
    assert gone(agent, token)


def test_rotation(exchange, agent, keys, key_set):
    """A new key set is noticed while the agent runs, and tokens signed before it stay verifiable."""
    old, _ = keys["first"].token()
    new, _ = keys["second"].token()
    assert ask(exchange, new)["verification"] == "unverified"
    issuer.write_set(key_set, keys["second"])
    wait_for(lambda: ask(exchange, new)["verification"] == "valid", timeout=20)
    assert ask(exchange, old)["verification"] == "valid"


def test_known_key(exchange, agent, known_keys):
    for kind in ("api-key", "Ocp-Apim-Subscription-Key"):
        ((slot, _, _),) = exchange("httpx", flavour="azure", credential={"kind": kind, "value": TEAM_KEY})
        identity = slot["Response"]["identity"]
        assert identity["key-fingerprint"] == known_keys[2]
        assert (identity["key-name"], identity["key-labels"]) == ("key of team A", LABELS)
    other = credentials.azure_key()
    ((slot, _, _),) = exchange("httpx", flavour="azure", credential={"kind": "api-key", "value": other})
    assert not {"key-name", "key-labels"} & set(slot["Request"]["identity"])
    assert traces(agent, TEAM_KEY) == []


def test_claimed(agent, raw):
    context = {"end_user_id": "e-1", "end_user_tenant_id": "t-1", "source_ip": "10.1.2.3", "application_name": "Ä"}
    body = drive.chat_body(user="ann", safety_identifier="h-1", user_security_context=context)
    headers = {"X-Forwarded-User": "ann@contoso.com", "X-Other": "no", "api-key": credentials.azure_key()}
    request = drive.message("POST", "/v1/chat/completions", OPENAI, headers, body)
    _, events, _ = raw(OPENAI, [drive.send(request), {"answers": 1}])
    for event in events:
        assert event["identity"]["claimed"] == {
            "user": "ann",
            "safety-identifier": "h-1",
            "end-user-id": "e-1",
            "end-user-tenant-id": "t-1",
            "source-ip": "10.1.2.3",
            "application-name": "Ä",
            "headers": {"x-forwarded-user": "ann@contoso.com"},
        }
        assert event["identity"]["kind"] == "api-key"


def test_nothing_claimed(agent, raw):
    request = drive.message("POST", "/v1/chat/completions", OPENAI, {"X-Other": "no"}, drive.chat_body(user=7))
    _, events, _ = raw(OPENAI, [drive.send(request), {"answers": 1}])
    assert all("claimed" not in event["identity"] for event in events)


def chat_with(token):
    headers = {"Authorization": f"Bearer {token}"}
    return drive.message("POST", "/v1/chat/completions", OPENAI, headers, drive.chat_body())


def test_url(sandbox, endpoint, agent_ready, folder, keys):
    """A key set over HTTPS: fetched at the start, and again when a token names a key that is not in it."""
    served = folder / "served.json"
    issuer.write_set(served, keys["first"])
    server = issuer.Server(folder, served)

    def verification(agent, token):
        drive.raw(sandbox, OPENAI, [drive.send(chat_with(token)), {"answers": 1}])
        endpoint.take(1)
        events = agent.take(2)
        assert events[0]["identity"] == events[1]["identity"]
        return events[0]["identity"]["verification"]

    try:
        options = {"jwks": server.url, "jwks_ca": server.ca}
        with agents.Agent(sandbox.path / "agent-url", identity=options, keep_raw=True) as agent:
            old, _ = keys["first"].token()
            new, _ = keys["second"].token()
            wait_for(lambda: verification(agent, old) == "valid", timeout=20)
            issuer.write_set(served, keys["second"])
            before = server.requests
            assert verification(agent, new) == "unverified"
            wait_for(lambda: verification(agent, new) == "valid", timeout=20)
            assert verification(agent, old) == "valid"
            assert server.requests - before <= 3
            for token in (old, new):
                assert gone(agent, token)
            assert agent.stop() == 0
    finally:
        server.close()


def test_bad_names_are_refused(agent_ready, tmp_path):
    """With file and line, before anything is probed."""
    names = tmp_path / "known.yaml"
    names.write_text("- name: x\n  fingerprint: sk-not-one\n", encoding="utf-8")
    config = tmp_path / "oaitap.yaml"
    config.write_text(f"identity:\n  known_keys: {names}\n  key_path: {tmp_path}/key\n", encoding="utf-8")
    for command in ("config check", "run -c"):
        done = agents.Agent.command(None, *command.split(), config)
        assert done.returncode == 2
        assert f"{names}:2: fingerprint: expected" in done.stderr and "sk-not-one" not in done.stderr
