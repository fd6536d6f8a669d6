# SPDX-License-Identifier: Apache-2.0
"""Credentials are reduced to claims or a fingerprint and are nowhere else; traffic that is not AI's is not
touched."""

import pathlib

import pytest

import credentials
import drive
import truth
from sandbox import BLOCKED, OPENAI

AGENT = {"keep_raw": True}


def traces(agent, secret):
    """Where any 16 bytes of the secret in a row are found: output, log, store and everything beside it."""
    windows = {secret[i : i + 16].encode() for i in range(0, max(1, len(secret) - 15))}
    places = {"standard output": bytes(agent.raw)}
    for path in pathlib.Path(agent.folder).rglob("*"):
        if path.is_file():
            places[path.name] = path.read_bytes()
    assert {"oaitap.db", "agent.log", "host.key"} <= set(places)
    return sorted(name for name, data in places.items() if any(window in data for window in windows))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", ["curl", "openai-python", "openai-node"])
def test_entra_token(exchange, agent, name, stream):
    token, claims = credentials.entra_token()
    ((slot, _, _),) = exchange(
        name, flavour="azure", stream=stream, credential={"kind": "bearer", "value": token}
    )
    for event in slot.values():
        identity = event["identity"]
        assert identity["kind"] == "entra"
        assert identity["tenant-id"] == claims["tid"]
        assert identity["object-id"] == claims["oid"]
        assert identity["app-id"] == claims["appid"]
        assert identity["token-id"] == claims["uti"]
        assert identity["issuer"] == claims["iss"] and identity["audience"] == claims["aud"]
        assert identity["roles"] == claims["roles"]
        assert identity["verification"] == "unverified"
        assert identity["principal-type"] in ("app", "managed-identity")
    # Each part for itself: the middle one is the claims, the last one the signature.
    for part in token.split("."):
        if len(part) > 16:
            assert traces(agent, part) == []


def test_user_token_v2(exchange, agent):
    claims = {
        "appid": None,
        "idtyp": None,
        "scp": "user_impersonation",
        "ver": "2.0",
        "azp": "1f2e3d4c-0000-4000-8000-0123456789ab",
    }
    claims["preferred_username"] = "zoë@contoso.com"
    token, claims = credentials.entra_token(**claims)
    ((slot, _, _),) = exchange("httpx", flavour="azure", credential={"kind": "bearer", "value": token})
    identity = slot["Response"]["identity"]
    assert (identity["app-id"], identity["object-id"]) == (claims["azp"], claims["oid"])
    assert identity["principal-type"] == "user" and identity["scopes"] == ["user_impersonation"]


@pytest.mark.parametrize(
    "flavour, kind, make",
    [
        ("openai", "bearer", credentials.openai_key),
        ("azure", "api-key", credentials.azure_key),
        ("azure", "api-key", credentials.azure_long_key),
        ("azure", "Ocp-Apim-Subscription-Key", credentials.azure_key),
    ],
)
def test_keys_leave_a_fingerprint_only(exchange, agent, flavour, kind, make):
    key, other = make(), make()
    prints = []
    for value in (key, key, other):
        ((slot, _, _),) = exchange("httpx", flavour=flavour, credential={"kind": kind, "value": value})
        identity = slot["Request"]["identity"]
        assert identity == slot["Response"]["identity"]
        assert identity["kind"] == ("subscription-key" if kind.startswith("Ocp") else "api-key")
        prints.append(identity["key-fingerprint"])
    assert prints[0] == prints[1] != prints[2]
    assert prints[0].startswith("hmac-sha256:")
    assert traces(agent, key) == [] and traces(agent, other) == []


def test_key_repeated_in_the_body(agent, raw):
    """A key where it does not belong is no less a key."""
    key = credentials.openai_key()
    body = drive.chat_body(user=key, metadata={"note": f"my key is {key}."})
    request = drive.message("POST", "/v1/chat/completions", OPENAI, {"Authorization": f"Bearer {key}"}, body)
    _, events, (record,) = raw(OPENAI, [drive.send(request), {"answers": 1}])
    assert [event["body-sha256"] for event in events if event["event-type"] == "Request"] == [
        record["request_body_sha256"]
    ]
    assert traces(agent, key) == []


def test_files_are_for_their_owner_only(agent):
    for path in (agent.store, agent.key):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in agent.folder.glob("oaitap.db-*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.parametrize("server_name", [True, False])
def test_other_hosts_are_not_touched(agent, sandbox, endpoint, quiet, server_name):
    """No event and no record in the ring, whatever is sent to a host that is not configured."""
    before = agent.status()
    body = drive.chat_body({"answer_bytes": 100_000})
    if server_name:
        (sandbox.path / "blocked-body").write_bytes(body)
        for _ in range(5):
            command = [
                "curl",
                "--silent",
                "--fail",
                "--output",
                "/dev/null",
                "--data-binary",
                f"@{sandbox.path}/blocked-body",
            ]
            done = sandbox.run(
                [*command, "-H", "Content-Type: application/json", f"https://{BLOCKED}/v1/chat/completions"]
            )
            assert done.returncode == 0, done.stderr
    else:
        request = drive.message("POST", "/v1/chat/completions", BLOCKED, body=body)
        drive.raw(sandbox, BLOCKED, [drive.send(request), {"answers": 1}], server_name=False)
    assert all(record["status"] == 200 for record in endpoint.take(5 if server_name else 1))
    assert agent.drain(1.0) == []
    after = agent.status()
    if server_name:
        assert after["ring"] == before["ring"]
    assert after["events"] == before["events"]


def test_other_hosts_at_the_same_time(agent, sandbox, endpoint, texts, quiet):
    """AI traffic and other traffic of the same kind of program together: only the former becomes events."""
    ask = f"curl --silent --fail --output /dev/null https://{BLOCKED}/v1/models"
    other = sandbox.spawn(["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do {ask} || exit 1; done"])
    with drive.Client(sandbox, "curl") as client:
        results = client.run(texts, flavour="openai", exchanges=[{}] * 6)
    assert other.wait(30) == 0
    records = endpoint.take(16)
    ours = [record for record in records if record["host"] == OPENAI]
    assert len(ours) == 6
    assert truth.compare_all(agent.take(12), ours, results) == []
