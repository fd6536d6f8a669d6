# SPDX-License-Identifier: Apache-2.0
"""What is watched is not harmed: exit code, output and memory stay as they are, strict seccomp filters included, and
nothing stays behind when the agent goes, not even by SIGKILL."""

import ctypes
import os
import pathlib
import platform
import signal
import subprocess

import pytest
from conftest import wait_for

import agent as agents
import drive
import truth
from sandbox import OPENAI

# Each line of standard input is one exchange; the end of it is the end.
CLIENT = f"""
import hashlib, http.client, os, signal, ssl, sys
body = open(sys.argv[1], "rb").read()
host = http.client.HTTPSConnection("{OPENAI}", context=ssl.create_default_context())
host.connect()
print("connected", flush=True)
for line in sys.stdin:
    host.request("POST", "/v1/chat/completions", body, {{"Content-Type": "application/json"}})
    answer = host.getresponse()
    print(answer.status, hashlib.sha256(answer.read()).hexdigest(), flush=True)
    print(line.strip(), file=sys.stderr, flush=True)
end = int(sys.argv[2])
if end < 0:
    os.kill(os.getpid(), -end)
sys.exit(end)
"""

# Between handshake and exit a program of this kind needs nothing else.
SYSCALLS = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16,
        "madvise": 28, "getpid": 39, "getsockname": 51, "getpeername": 52, "getsockopt": 55, "sendto": 44,
        "recvfrom": 45, "shutdown": 48, "exit": 60, "gettid": 186, "futex": 202, "clock_gettime": 228,
        "exit_group": 231, "sigaltstack": 131, "getrandom": 318,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "ppoll": 73, "lseek": 62, "mmap": 222,
        "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "ioctl": 29, "madvise": 233, "getpid": 172, "getsockname": 204,
        "getpeername": 205, "getsockopt": 209, "sendto": 206, "recvfrom": 207, "shutdown": 210, "exit": 93,
        "gettid": 178, "futex": 98, "clock_gettime": 113, "exit_group": 94, "sigaltstack": 132,
        "getrandom": 278,
    },
}
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KILL_PROCESS, ERRNO_ENOSYS, ALLOW = 0x80000000, 0x00050000 | 38, 0x7FFF0000


def seccomp(deny):
    """Python text that lets the process make the system calls above and no others."""
    allowed = sorted(SYSCALLS[platform.machine()].values())
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, AUDIT_ARCH[platform.machine()]), (0x06, 0, 0, KILL_PROCESS)]
    code += [(0x20, 0, 0, 0)]
    code += [(0x15, len(allowed) - index, 0, number) for index, number in enumerate(allowed)]
    code += [(0x06, 0, 0, deny), (0x06, 0, 0, ALLOW)]
    return f"""
import ctypes, struct
code = b"".join(struct.pack("HBBI", *one) for one in {code})
held = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", {len(code)}, ctypes.addressof(held)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
"""


class Client:
    """A watched program. ask() makes an exchange; end() gives exit code, output and messages."""

    def __init__(self, sandbox, end=0, filter_text="", connect=True):
        self.body = sandbox.path / "harm-body"
        if not self.body.exists():
            self.body.write_bytes(drive.chat_body({"answer_bytes": 40_000}))
        text = CLIENT.replace('print("connected"', filter_text + 'print("connected"', 1)
        self.process = sandbox.spawn(
            ["/usr/bin/python3", "-B", "-c", text, self.body, end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.output = self.process.stdout.readline()
        assert self.output == b"connected\n", self.process.stderr.read().decode()

    def ask(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        self.output += self.process.stdout.readline()

    def end(self):
        output, messages = self.process.communicate(timeout=30)
        return self.process.returncode, self.output + output, messages


def text_of(pid):
    """{(file, offset in it): bytes} of all code that a process has mapped from files, as its memory holds it, and the
    names of other executable mappings."""
    files, others = {}, set()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            parts = line.split(None, 5)
            name = parts[5].strip() if len(parts) > 5 else ""
            if "x" not in parts[1]:
                continue
            if not name.startswith("/"):
                others.add(name)
                continue
            start, end = (int(part, 16) for part in parts[0].split("-"))
            memory.seek(start)
            files[name, int(parts[2], 16)] = memory.read(end - start)
    return files, others


def differences(before, now):
    """{file: offsets at which its code differs}."""
    assert before.keys() == now.keys()
    found = {}
    for (name, offset), code in before.items():
        if code != now[name, offset]:
            places = [offset + i for i, pair in enumerate(zip(code, now[name, offset])) if pair[0] != pair[1]]
            found.setdefault(name, []).extend(places)
    return found


def function_offsets(path):
    """File offsets of the SSL_ functions of a library."""
    lines = subprocess.run(["readelf", "-W", "--segments", path], capture_output=True, text=True, check=True).stdout
    loads = [line.split() for line in lines.splitlines() if line.strip().startswith("LOAD")]
    loads = [(int(one[1], 16), int(one[2], 16), int(one[4], 16)) for one in loads]
    lines = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    offsets = {}
    for parts in map(str.split, lines.splitlines()):
        if len(parts) > 7 and parts[3] == "FUNC" and parts[7].startswith("SSL_"):
            value = int(parts[1], 16)
            for offset, address, size in loads:
                if address <= value < address + size:
                    offsets[value - address + offset] = parts[7].split("@")[0]
    return offsets


# Kernel objects by id: BPF_PROG_GET_FD_BY_ID and its like.
BPF_GET = {"prog_id": 13, "map_id": 14, "link_id": 30}
SYS_BPF = {"x86_64": 321, "aarch64": 280}


def kernel_objects(pid):
    """BPF programs, maps and links that a process holds."""
    found = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in info.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name in BPF_GET:
                found.add((name, int(value)))
    return found


def still_there(objects):
    """Those of them that the kernel still has."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    for name, number in objects:
        attributes = (ctypes.c_uint32 * 16)(number)
        fd = libc.syscall(SYS_BPF[platform.machine()], BPF_GET[name], attributes, ctypes.sizeof(attributes))
        if fd >= 0:
            os.close(fd)
            found.append((name, number))
    return found


def pinned():
    return sorted(str(path) for path in pathlib.Path("/sys/fs/bpf").rglob("*"))


def check_events(agent, endpoint, count):
    """The watched exchanges are on record, all of them right: it was being watched."""
    slots = truth.pair(agent.take(2 * count)).values()
    for slot, record in zip(slots, endpoint.take(count), strict=True):
        assert truth.compare_response(slot["Response"], record) == []


@pytest.mark.parametrize("end", [0, 37, -signal.SIGABRT])
def test_exit_code_and_output(sandbox, endpoint, agent_ready, end):
    endpoint.rest()
    results = []
    for watched in (False, True):
        held = agents.Agent(sandbox.path / f"agent-harm-{end}") if watched else None
        client = Client(sandbox, end)
        for _ in range(3):
            client.ask()
        results.append(client.end())
        if held:
            check_events(held, endpoint, 3)
            assert held.stop() == 0
        else:
            endpoint.take(3)
    assert results[0] == results[1]
    assert results[0][0] == end and results[0][1].count(b"\n200 ") == 3


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_memory(sandbox, endpoint, agent_ready, how):
    """The code in a watched process differs by breakpoints on OpenSSL's functions while the agent runs, and not at all
    afterwards. Nothing of the agent's stays in the kernel."""
    endpoint.rest()
    pins = pinned()
    client = Client(sandbox)
    pid = client.process.pid
    client.ask()
    before, others = text_of(pid)
    held = agents.Agent(sandbox.path / f"agent-memory-{how}")
    objects = kernel_objects(held.process.pid)
    assert {name for name, _ in objects} == set(BPF_GET) and len(still_there(objects)) == len(objects)
    client.ask()
    changed = differences(before, text_of(pid)[0])
    assert len(changed) == 1, f"changed files: {list(changed)}"
    ((library, places),) = changed.items()
    functions = function_offsets(library)
    if platform.machine() == "x86_64":
        assert set(places) <= set(functions), "bytes other than the first of a function have changed"
        assert {"SSL_write", "SSL_read"} <= {functions[place] for place in places}
        during = text_of(pid)[0]
        for (name, offset), code in during.items():
            if name == library:
                assert {code[p - offset] for p in places if 0 <= p - offset < len(code)} <= {0xCC}
    if how == "SIGKILL":
        held.kill()
    else:
        assert held.stop() == 0
    # The kernel lets go in the background.
    wait_for(lambda: differences(before, text_of(pid)[0]) == {}, 30)
    # An empty program array can outlive its programs in the kernel: 24 bytes that run nothing.
    acting = {(name, number) for name, number in objects if not name.startswith("map")}
    wait_for(lambda: not still_there(acting), 30)
    assert pinned() == pins
    # The kernel's page for stepping over breakpoints may stay, nothing else.
    assert text_of(pid)[1] - others <= {"[uprobes]"}
    client.ask()
    code, output, _ = client.end()
    assert code == 0
    lines = output.splitlines()
    assert len(lines) == 4 and len(set(lines[1:])) == 1
    endpoint.take(3)


@pytest.mark.skipif(platform.machine() not in SYSCALLS, reason="system call numbers of this machine are not listed")
@pytest.mark.parametrize("deny", [KILL_PROCESS, ERRNO_ENOSYS], ids=["kill", "errno"])
def test_seccomp(sandbox, endpoint, agent_ready, deny):
    """A program that may make few system calls survives being watched, and is on record."""
    endpoint.rest()
    results = []
    for watched in (False, True):
        held = agents.Agent(sandbox.path / f"agent-seccomp-{deny}") if watched else None
        client = Client(sandbox, 3, seccomp(deny))
        for _ in range(2):
            client.ask()
        results.append(client.end())
        if held:
            check_events(held, endpoint, 2)
            assert held.stop() == 0
        else:
            endpoint.take(2)
    assert results[0] == results[1]
    assert results[0][0] == 3, results[0]


@pytest.mark.skipif(platform.machine() not in SYSCALLS, reason="system call numbers of this machine are not listed")
def test_seccomp_filter_works(sandbox, endpoint):
    """The filter of the test above ends a program that does something else."""
    endpoint.rest()
    client = Client(sandbox, -signal.SIGABRT, seccomp(KILL_PROCESS))
    assert client.end()[0] == -signal.SIGSYS
