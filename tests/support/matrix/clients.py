# SPDX-License-Identifier: Apache-2.0
"""The clients of the fidelity matrix, which `make matrix` builds. A client reads jobs from standard input, one a line,
of seven fields between tabs:

    id  method  host  target  framing  path of the body's file  one more header

framing: "none" (no body), "length", "chunked". An empty line ends a batch. For each job it prints {"id", "pid",
"status", "sent_sha256", "body_sha256"}, in any order, and after a batch {"done": N}."""

import dataclasses
import itertools
import pathlib
import shutil
import subprocess

import drive

HERE = pathlib.Path(__file__).resolve().parent
BUILT = drive.BUILD / "matrix"
STORE = "changeit"  # a trust store's password: it holds one public certificate

_numbers = itertools.count(1)


class Missing(Exception):
    """This client cannot be had here, and why."""


def built(name):
    """The path of something that `make matrix` has made."""
    why = BUILT / f"{name}.why"
    if why.exists():
        raise Missing(f"{name} could not be built: {' '.join(why.read_text(encoding='utf-8').split())}")
    if not (BUILT / f"{name}.made").exists():
        raise FileNotFoundError(f"{BUILT / name} is not built (make matrix)")
    return BUILT / name


class Client(drive.Client):
    """One client process (or container); submit() takes tuples of the seven fields."""

    def __init__(self, sandbox, name, command, env=None, pid_file=None):
        drive.COMMANDS[name] = command
        self.pid_file = pid_file
        super().__init__(sandbox, name, env)

    def submit(self, jobs):
        self.process.stdin.write("".join("\t".join(job) + "\n" for job in jobs).encode() + b"\n")
        self.process.stdin.flush()

    def finish(self, timeout=120):
        """The results of what was submitted."""
        results = self.read(timeout)
        if self.pid_file:
            # Inside it is 1; events name it as the host does.
            pid = int(self.pid_file.read_text(encoding="utf-8"))
            assert {result["pid"] for result in results} == {1}
            results = [{**result, "pid": pid} for result in results]
        return results


def trust_store(sandbox):
    """The sandbox's authority, as Java takes it."""
    path = sandbox.path / "trust.p12"
    if not path.exists():
        command = ["keytool", "-importcert", "-noprompt", "-alias", "test", "-storetype", "PKCS12"]
        command += ["-file", str(sandbox.bundle), "-keystore", str(path), "-storepass", STORE]
        subprocess.run(command, check=True, capture_output=True)
    return path


def needs(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed")


def c_client(*options, name="c-system"):
    return lambda sandbox: [Client(sandbox, name, [built(name), *options])]


def hashed(sandbox):
    """libssl from a file that no process has mapped before, as a wheel just unpacked."""
    library = sandbox.path / "libssl-3a1b2c3d.so.3"
    program = built("c-dlopen")
    shutil.copyfile(BUILT / library.name, library)
    return [Client(sandbox, "c-dlopen", [program, "--libssl", library])]


def script(name, interpreter):
    return lambda sandbox: [Client(sandbox, name, [*interpreter, HERE / name])]


def java(sandbox):
    needs("java", "keytool")
    folder = built("java")
    command = ["java", "-XX:+UseSerialGC", "-Xmx512m", f"-Djavax.net.ssl.trustStore={trust_store(sandbox)}"]
    command += [f"-Djavax.net.ssl.trustStorePassword={STORE}", "-cp", f"{folder}:{folder}/jars/*", "MatrixClient"]
    return [Client(sandbox, "java", command)]


def rust(name):
    return lambda sandbox: [Client(sandbox, name, [built(name)])]


def libraries(program):
    """The files that a program's loader maps, itself among them."""
    lines = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
    words = [word for line in lines for word in line.split() if word.startswith("/")]
    return sorted(set(words))


def root_folder(sandbox, program):
    """A root file system with the C client and what it needs, nothing else."""
    root = sandbox.path / "root"
    if root.exists():
        return root
    for name in ("proc", "sys", "dev", "etc", "tmp", "run", "work"):
        (root / name).mkdir(parents=True)
    shutil.copy(program, root / "client")
    for path in libraries(program):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755)
    return root


def container(sandbox, root, overlay):
    number = next(_numbers)
    folder = sandbox.path / "podman"
    folder.mkdir(exist_ok=True)
    pid_file = folder / f"{number}.pid"
    command = ["podman", "--root", folder / "root", "--runroot", folder / "runroot", "--tmpdir", folder / "tmp"]
    command += ["--runtime", "runc", "--cgroup-manager=cgroupfs", "run", "--interactive", "--rm"]
    command += ["--network=host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    command += ["--log-driver=none", "--pidfile", pid_file]
    command += ["--volume", f"{sandbox.path}:{sandbox.path}:ro", "--env", f"SSL_CERT_FILE={sandbox.bundle}"]
    command += ["--rootfs", f"{root}:O" if overlay else root, "/client"]
    return Client(sandbox, "container", command, pid_file=pid_file)


def containers(count, overlay):
    def make(sandbox):
        needs("podman", "runc")
        root = root_folder(sandbox, built("c-system"))
        return [container(sandbox, root, overlay) for _ in range(count)]

    return make


SMALL = "17000"  # writes of one or seven bytes an exchange; what is left goes out in calls of 16 KiB



@dataclasses.dataclass
class Row:
    make: object  # of a sandbox: its clients, several if they run at once
    comm: str | None  # the process name in the events; None: not looked at
    rounds: int = 1  # exchanges of each size but the largest at once
    one_host: bool = False  # all over one connection


ROWS = {
    "curl": Row(script("with_curl.py", drive.PYTHON), "curl"),
    "CPython http.client": Row(script("with_python.py", drive.PYTHON), None),
    "CPython asyncio": Row(script("with_asyncio.py", drive.PYTHON), None, rounds=2),
    "Node https": Row(script("with_node.mjs", ["node"]), "node"),
    "C SSL_write": Row(c_client(), "c-system"),
    "C SSL_write_ex, 1 byte": Row(c_client("--ex", "--piece", "1", "--small", SMALL), "c-system"),
    "C SSL_write_ex, 7 bytes": Row(c_client("--ex", "--piece", "7", "--small", SMALL), "c-system"),
    "C non-blocking, partial": Row(c_client("--nonblock"), "c-system"),
    "C 32 threads, SSL_clear": Row(c_client("--threads", "32"), "c-system", rounds=16),
    "C forks": Row(c_client("--forks", "4"), "c-system", rounds=4),
    "C fork inherits connection": Row(c_client("--inherit"), "c-system", one_host=True),
    "C static OpenSSL, .symtab": Row(c_client(name="c-static"), "c-static"),
    "C static, non-blocking _ex": Row(c_client("--nonblock", "--ex", name="c-static"), "c-static"),
    "C libssl-3a1b2c3d, dlopen": Row(hashed, "c-dlopen"),
    "C OpenSSL 1.1": Row(c_client(name="c-openssl11"), "c-openssl11"),
    "C OpenSSL 1.1, non-bl. _ex": Row(c_client("--ex", "--nonblock", name="c-openssl11"), "c-openssl11"),
    "Java Azure SDK": Row(java, "java"),
    "Rust reqwest, system": Row(rust("rust-system"), "rust-system"),
    "Rust reqwest, vendored": Row(rust("rust-vendored"), "rust-vendored"),
    "container": Row(containers(1, False), "client"),
    "two containers of an image": Row(containers(2, True), "client", rounds=2),
}
