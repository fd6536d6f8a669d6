# SPDX-License-Identifier: Apache-2.0
"""A place of its own for test clients: network, mount and host-name namespaces with only a loopback
interface, an /etc/hosts in which the AI hosts are 127.0.0.1, and a certificate authority made for this one
run that unmodified clients trust. The host sees nothing of it, and nothing stays: the namespaces live as long
as one holder process, which ends when this process does."""

import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

AZURE = "contoso.openai.azure.com"
OPENAI = "api.openai.com"
BLOCKED = "blocked.example.org"
HOSTS = (AZURE, OPENAI, BLOCKED)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x20000, 0x4000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def why_not():
    """Why a sandbox cannot be made here, or None."""
    if os.geteuid() != 0:
        return "needs root: namespaces, mounts and BPF"
    for tool in ("nsenter", "setpriv", "openssl", "curl", "node"):
        if not shutil.which(tool):
            return f"{tool} is not installed (make deps)"
    return None


def lock(seconds=1800):
    """One end-to-end session at a time on a host: an agent sees everybody's clients. Held by the returned
    socket; an abstract socket name leaves no file behind."""
    holder = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + seconds
    told = False
    while True:
        try:
            holder.bind("\0oaitap-end-to-end")
            return holder
        except OSError:
            if time.monotonic() > deadline:
                holder.close()
                raise TimeoutError("another end-to-end session runs on this host") from None
            if not told:
                print("waiting for another end-to-end session on this host", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.5)


def make_certificates(folder):
    """A certificate authority and one server certificate for all names. The files' paths."""
    folder = pathlib.Path(folder)
    names = ",".join(f"DNS:{name}" for name in HOSTS)
    (folder / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nCN=oaitap test authority\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
        "[leaf]\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        f"subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName={names}\n"
    )

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "ca.cnf")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-sha256")
    openssl("req", *new_key, "-subj", f"/CN={AZURE}", "-keyout", "server.key", "-out", "server.csr")
    openssl(
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-set_serial",
        "2",
        "-days",
        "2",
        "-sha256",
        "-extfile",
        "ca.cnf",
        "-extensions",
        "leaf",
        "-out",
        "server.pem",
    )
    return folder / "ca.pem", folder / "server.pem", folder / "server.key"


class Sandbox:
    """Use as a context manager. `path` is a temporary folder that goes with it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="oaitap-test-"))
        self.path.chmod(0o755)
        self.children = []
        self.holder = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def start(self):
        certificates = self.path / "tls"
        certificates.mkdir()
        ca, self.cert, self.key = make_certificates(certificates)
        self.bundle = self.path / "ca-bundle.pem"
        shutil.copy(ca, self.bundle)
        hosts = self.path / "hosts"
        hosts.write_text(
            "127.0.0.1 localhost oaitap-test\n" + "".join(f"127.0.0.1 {name}\n" for name in HOSTS)
        )
        (self.path / "home").mkdir()
        binds = [[str(hosts), "/etc/hosts"]]
        if os.path.exists(BUNDLE):
            binds.append([str(self.bundle), os.path.realpath(BUNDLE)])
        self.holder = subprocess.Popen(
            [sys.executable, "-B", __file__, json.dumps(binds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError("the sandbox could not be made (its message is on standard error)")

    def environment(self):
        """What a client finds: nothing of the machine's own settings, and the authority where clients
        look."""
        bundle = str(self.bundle)
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SSL_CERT_FILE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
        }

    def inside(self, command):
        """The command line that runs a command in the namespaces. The process keeps its pid through it, and
        dies with this one."""
        namespaces = ["nsenter", "--target", str(self.holder.pid), "--mount", "--net", "--uts", "--"]
        return ["setpriv", "--pdeathsig", "KILL", *namespaces, *map(str, command)]

    def spawn(self, command, env=None, **options):
        """subprocess.Popen in the sandbox. What still runs when it closes is ended. Call from the main
        thread."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.inside(command), env={**self.environment(), **(env or {})}, **options)
        self.children = [child for child in self.children if child.poll() is None] + [process]
        return process

    def run(self, command, timeout=60, env=None, **options):
        """Runs a command to its end; the completed process with its output."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        given = options.pop("input", None)
        if given is not None:
            options["stdin"] = subprocess.PIPE
        process = self.spawn(command, env, **options)
        try:
            out, err = process.communicate(given, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def close(self):
        for child in self.children:
            end(child)
        self.children = []
        if self.holder:
            self.holder.stdin.close()
            end(self.holder)
            self.holder.stdout.close()
            self.holder = None
        shutil.rmtree(self.path, ignore_errors=True)


def end(process, seconds=5):
    """Ends one of our processes, gently first. Its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def hold(binds):
    """The holder: makes the namespaces, says so, and waits until its standard input closes."""
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result, what):
        if result != 0:
            sys.exit(f"sandbox: {what}: {os.strerror(ctypes.get_errno())}")

    check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "making mounts private")
    for source, target in binds:
        check(libc.mount(source.encode(), target.encode(), None, MS_BIND, None), f"bind mount over {target}")
    socket.sethostname("oaitap-test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    hold(json.loads(sys.argv[1]))
