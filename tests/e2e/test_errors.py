# SPDX-License-Identifier: Apache-2.0
"""What cannot be done is said in one line, with its exit code: 2 usage or configuration, 3 not permitted, 4
not possible on this kernel."""

import os
import pathlib
import shutil
import subprocess

import pytest

import agent as agents

NOBODY = 65534


@pytest.fixture(scope="module")
def place(sandbox, agent_ready):
    """A folder that anybody can write to, with a copy of the program that anybody can run."""
    folder = sandbox.path / "errors"
    folder.mkdir()
    folder.chmod(0o1777)
    shutil.copy(agents.BINARY, folder / "oaitap")
    (folder / "oaitap").chmod(0o755)
    return folder


def config(folder, text="", name="test.yaml"):
    path = pathlib.Path(folder) / name
    own = f"store: {{path: {folder}/x.db}}\nidentity: {{key_path: {folder}/x.key}}\n"
    own += f"status: {{socket: {folder}/x.sock}}\n"
    path.write_text(text or own, encoding="utf-8")
    path.chmod(0o644)
    return path


def run(command, **options):
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        **options,
    )


def one_line(done, code, *parts):
    assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, f"{len(lines)} lines: {done.stderr}"
    for part in parts:
        assert part in lines[0], lines[0]


def test_not_root(place):
    drop = [
        "setpriv",
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "--inh-caps",
        "-all",
        "--bounding-set",
        "-all",
    ]
    done = run([*drop, place / "oaitap", "run", "-c", config(place), "--output", "json"])
    one_line(done, 3, "CAP_")


@pytest.mark.parametrize("capability", ["bpf", "perfmon"])
def test_root_without_one_capability(place, capability):
    """The line names the one that is missing. Root that has CAP_SYS_ADMIN needs neither, so that goes too."""
    drop = [
        "setpriv",
        "--inh-caps",
        f"-{capability},-sys_admin",
        "--bounding-set",
        f"-{capability},-sys_admin",
    ]
    done = run([*drop, place / "oaitap", "run", "-c", config(place)])
    one_line(done, 3, f"CAP_{capability.upper()}")


def test_no_type_information(place):
    hide = f"mount -t tmpfs none /sys/kernel/btf && exec {place}/oaitap run -c {config(place)}"
    done = run(["unshare", "--mount", "sh", "-c", hide])
    one_line(done, 4, "BTF")


BROKEN = [
    ("hosts: [a.example.com\nstore: {}\n", 2, None),
    ("store:\n  path: [\n", 2, None),
    ("\tstore: 1\n", 1, None),
    ("store:\n  path: /tmp/x.db\nhots: [a.example.com]\n", 3, "hots"),
    ("capture:\n  max_body: 4MiB\n  max_bodi: 4MiB\n", 3, "max_bodi"),
    ("capture:\n  max_body: many\n", 2, "max_body"),
    ("capture:\n  ring_size: 100KiB\n", 2, "ring_size"),
    ("hosts: []\n", 1, "hosts"),
    ("hosts:\n  - api.openai.com\n  - https://api.openai.com\n", 3, "hosts"),
    ("store:\n  path: relative.db\n", 2, "store.path"),
]


@pytest.mark.parametrize("command", [["run"], ["config", "check"]], ids=["run", "check"])
@pytest.mark.parametrize("text, line, key", BROKEN, ids=range(len(BROKEN)))
def test_broken_configuration(place, text, line, key, command):
    path = config(place, text, "broken.yaml")
    done = run([agents.BINARY, *command, "-c", path])
    one_line(done, 2, str(path))
    if key:
        assert f"{path}:{line}: " in done.stderr and key in done.stderr, done.stderr
    else:
        assert f"{path}:" in done.stderr and any(f":{n}" in done.stderr for n in range(1, 4)), done.stderr


def test_missing_configuration(place):
    one_line(run([agents.BINARY, "run", "-c", place / "none.yaml"]), 2, "none.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["run", "--output", "nonsense"],
        ["show"],
        ["config", "nonsense"],
        [],
    ],
)
def test_usage(arguments, agent_ready):
    done = run([agents.BINARY, *arguments])
    assert done.returncode == 2 and done.stdout == "" and done.stderr, (done.returncode, done.stderr)


def test_help(agent_ready):
    for arguments in (
        ["--help"],
        ["run", "--help"],
        ["tail", "--help"],
        ["show", "--help"],
        ["doctor", "--help"],
    ):
        done = run([agents.BINARY, *arguments])
        assert done.returncode == 0 and "oaitap" in done.stdout and done.stderr == "", arguments


def test_store_that_cannot_be_opened(place):
    """Text is not a database; a folder is not a file."""
    (place / "text.db").write_text("this is no database\n" * 100)
    (place / "folder.db").mkdir()
    for name in ("text.db", "folder.db"):
        done = run([agents.BINARY, "run", "-c", config(place), "--store", place / name])
        assert done.returncode not in (0, 4) and name in done.stderr, (done.returncode, done.stderr)
    assert (place / "text.db").read_text().startswith("this is no database")


def test_status_without_an_agent(place):
    done = run([agents.BINARY, "status", "--json", "--socket", place / "nobody.sock"])
    assert done.returncode != 0 and "nobody.sock" in done.stderr and done.stdout == ""
