# SPDX-License-Identifier: Apache-2.0
"""The test environment itself, without the agent: what the endpoint writes down is what the clients sent and
got."""

import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest

import answers
import credentials
import drive
import sandbox as sandboxes
import truth

USAGE = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize("flavour", ["azure", "azure-v1", "openai"])
@pytest.mark.parametrize("name", drive.CHATS)
def test_clients_and_endpoint_agree(sandbox, endpoint, texts, name, flavour):
    endpoint.rest()
    with drive.Client(sandbox, name) as client:
        for stream in (False, True):
            for size in (1, 1000, 100_000):
                extra = USAGE if stream else {}
                directives = [{"answer_bytes": size}] * 2
                results = client.run(
                    texts, flavour=flavour, stream=stream, size=size, exchanges=directives, extra=extra
                )
                records = truth.by_id(endpoint.take(len(results)))
                for result in results:
                    record = records[result["id"]]
                    assert truth.compare_client(result, record) == []
                    assert (
                        record["sni"]
                        == record["host"]
                        == ("api.openai.com" if flavour == "openai" else sandboxes.AZURE)
                    )
                    assert record["response_complete"] and record["stream"] is stream
        assert client.close() == 0
    assert endpoint.rest() == []


@pytest.mark.parametrize(
    "directive, members",
    [
        ({"answer_bytes": 3000, "framing": "chunked"}, {}),
        ({"answer_bytes": 3000, "framing": "close"}, {}),
        ({"answer_bytes": 3000, "escape": True}, {}),
        ({"answer_bytes": 3000}, {"n": 3}),
        ({"answer_bytes": 3000}, {"n": 3, "stream": True}),
        ({"answer_bytes": 3000, "ragged": True, "eol": "\r\n", "comments": True}, {"stream": True}),
        ({"answer_bytes": 3000, "eol": "\r"}, {"stream": True}),
        ({"answer_bytes": 3000, "async_filter": True}, {"stream": True}),
        ({}, {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}]}),
        (
            {},
            {
                "stream": True,
                "tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}],
            },
        ),
        *[({"scenario": name}, {}) for name in answers.ERRORS],
    ],
)
@pytest.mark.parametrize("name", ["httpx", "fetch"])
def test_directives(sandbox, endpoint, texts, name, directive, members):
    endpoint.rest()
    members = dict(members)
    stream = members.pop("stream", False)
    with drive.Client(sandbox, name) as client:
        (result,) = client.run(texts, flavour="azure", stream=stream, exchanges=[directive], extra=members)
    (record,) = endpoint.take(1)
    assert truth.compare_client(result, record) == []
    if "scenario" in directive:
        assert record["status"] == answers.ERRORS[directive["scenario"]][0]


@pytest.mark.parametrize("stream", [False, True])
def test_cut_is_seen(sandbox, endpoint, stream):
    endpoint.rest()
    body = drive.chat_body({"answer_bytes": 5000, "cut_after": 1234}, stream=stream)
    message = drive.message("POST", "/v1/chat/completions", sandboxes.OPENAI, body=body)
    result = drive.raw(sandbox, sandboxes.OPENAI, [drive.send(message), {"end": True}])
    (record,) = endpoint.take(1)
    assert record["response_body_len"] == 1234 and record["response_complete"] is False
    assert result["read_bytes"] > 1234 and result["answers"] == 0


def test_raw_client_counts_answers(sandbox, endpoint):
    endpoint.rest()
    requests = [
        drive.message("GET", "/v1/models", sandboxes.OPENAI),
        drive.message("DELETE", "/v1/brand/new", sandboxes.OPENAI),
    ]
    result = drive.raw(sandbox, sandboxes.OPENAI, [drive.send(b"".join(requests)), {"answers": 2}])
    first, second = endpoint.take(2)
    assert result["answers"] == 2 and result["error"] is None
    assert (first["status"], second["status"]) == (200, 204)
    assert first["response_body_sha256"] == answers.sha256(json.dumps(answers.models()))
    assert second["response_body_len"] == 0


def test_retries_reach_the_endpoint(sandbox, endpoint, texts):
    for name in ("openai-python", "openai-node"):
        endpoint.rest()
        with drive.Client(sandbox, name) as client:
            (result,) = client.run(texts, flavour="openai", exchanges=[{"fail_first": 1}], max_retries=2)
        tries = endpoint.take(2)
        assert [one["status"] for one in tries] == [429, 200] and result["status"] == 200
        assert [one["retry"] for one in tries] == ["0", "1"]


def test_load_generator(sandbox, loadgen):
    path = sandbox.path / "load-small"
    done = sandbox.run(
        [
            loadgen,
            "client",
            "--host",
            sandboxes.OPENAI,
            "--truth",
            path,
            "--connections",
            3,
            "--exchanges",
            20,
        ]
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in path.read_text().splitlines()]
    assert sorted(line[0] for line in lines) == sorted(f"load-{c}-{n}" for c in range(3) for n in range(20))
    assert len({tuple(line[1:]) for line in lines}) == 60
    assert (
        not sandbox.run([loadgen, "client", "--host", "wrong.example.org", "--truth", path]).returncode == 0
    )


def test_texts_have_their_size_and_mix():
    for size in (0, 1, 2, 1000, 100_000):
        assert len(answers.text("a", size).encode()) == size
    sample = answers.text("a", 20_000)
    assert sample != answers.text("b", 20_000)
    assert (
        any(ord(c) > 0xFFFF for c in sample)
        and any(0x7FF < ord(c) < 0x10000 for c in sample)
        and "\\" in sample
    )


def test_credentials_look_real():
    token, claims = credentials.entra_token()
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]{342}", token)
    assert claims["tid"] in claims["iss"]
    assert re.fullmatch(r"sk-proj-[A-Za-z0-9]{120}", credentials.openai_key())
    assert re.fullmatch(r"[0-9a-f]{32}", credentials.azure_key())


def test_sandbox_is_apart_and_leaves_nothing(sandbox):
    """A second sandbox: the host's files are as before, and nothing of it is left when it is closed."""
    hosts = hashlib.sha256(pathlib.Path("/etc/hosts").read_bytes()).hexdigest()
    bundle = pathlib.Path(sandboxes.BUNDLE)
    before = hashlib.sha256(bundle.read_bytes()).hexdigest() if bundle.exists() else None
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
    with sandboxes.Sandbox() as second:
        path, holder = second.path, second.holder.pid
        stay = second.spawn(["sleep", "1000"])
        inside = second.run(
            ["sh", "-c", "cat /etc/hosts; hostname; ls /sys/class/net; readlink /proc/self/ns/net"]
        ).stdout
        assert b"127.0.0.1 api.openai.com" in inside and b"oaitap-test" in inside
        assert os.readlink("/proc/self/ns/net").encode() not in inside
        # No way out, and not into the other sandbox either, where the endpoint listens.
        out = second.run(["curl", "--silent", "--max-time", "2", "https://api.openai.com/v1/models"])
        assert out.returncode == 7
        assert pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8") == mounts
    assert not path.exists()
    assert stay.poll() is not None
    assert not pathlib.Path(f"/proc/{holder}").exists()
    assert hashlib.sha256(pathlib.Path("/etc/hosts").read_bytes()).hexdigest() == hosts
    assert before is None or hashlib.sha256(bundle.read_bytes()).hexdigest() == before


def test_one_session_at_a_time(sandbox):
    """The session holds the lock."""
    with pytest.raises(TimeoutError):
        sandboxes.lock(seconds=0)


def test_lock_files_name_no_registry():
    folder = pathlib.Path(drive.HERE)
    for name in ("requirements.txt", "node/package-lock.json", "node/package.json"):
        assert "://" not in (folder / name).read_text(encoding="utf-8"), name
    pinned = [
        line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pinned)


def test_certificates_are_trusted_by_file_alone(sandbox, endpoint):
    """Without any environment variable curl and CPython trust the bundle that lies at the usual place."""
    endpoint.rest()
    code = "import urllib.request; print(urllib.request.urlopen('https://api.openai.com/v1/models').status)"
    for command in (
        ["/usr/bin/curl", "--silent", "--fail", "https://api.openai.com/v1/models"],
        [*drive.PYTHON, "-c", code],
    ):
        done = subprocess.run(
            sandbox.inside(command), env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
    assert [record["status"] for record in endpoint.take(2)] == [200, 200]
