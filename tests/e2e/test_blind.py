# SPDX-License-Identifier: Apache-2.0
"""AI traffic that cannot be read is named: one event for each process and host, with the right process, and none for
what can be read or for other hosts."""

import shutil
import subprocess
import time

import pytest

import agent as agents
import drive
import truth
from sandbox import BLOCKED, OPENAI

GO = """package main

import ("crypto/tls"; "fmt"; "io"; "os"; "crypto/x509")

func main() {
	pem, _ := os.ReadFile(os.Args[2])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c, err := tls.Dial("tcp", os.Args[1]+":443", &tls.Config{RootCAs: pool})
	if err != nil { panic(err) }
	fmt.Fprintf(c, "GET /v1/models HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n", os.Args[1])
	io.Copy(io.Discard, c)
}
"""

JAVA = """import java.net.URL;

public class Ask {
	public static void main(String[] args) throws Exception {
		new URL("https://" + args[0] + "/v1/models").openStream().readAllBytes();
	}
}
"""

C = """#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo *a, hints = {.ai_socktype = SOCK_STREAM};
	char buf[512];
	(void)argc;
	if (getaddrinfo(argv[1], "443", &hints, &a))
		return 1;
	int fd = socket(a->ai_family, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, argv[1]);
	if (connect(fd, a->ai_addr, a->ai_addrlen) || SSL_connect(ssl) != 1)
		return 2;
	int n = snprintf(buf, sizeof(buf), "GET /v1/models HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n", argv[1]);
	SSL_write(ssl, buf, n);
	while (SSL_read(ssl, buf, sizeof(buf)) > 0)
		;
	return 0;
}
"""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def build(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def wget(sandbox, folder):
    need("wget")
    return ["wget", "-q", "-O", "/dev/null", f"--ca-certificate={sandbox.bundle}"], "https://{}/v1/models"


def gnutls_cli(sandbox, folder):
    need("gnutls-cli")
    ask = "printf 'GET /v1/models HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' $0"
    run = f"({ask}; sleep 1) | gnutls-cli --x509cafile={sandbox.bundle} -p 443 $0 >/dev/null"
    return ["sh", "-c", run], "{}"


def go(sandbox, folder):
    need("go")
    (folder / "ask.go").write_text(GO)
    build(["go", "build", "-o", "go-ask", "ask.go"], folder)
    return [folder / "go-ask"], "{}"


def java(sandbox, folder):
    need("javac", "keytool")
    (folder / "Ask.java").write_text(JAVA)
    build(["javac", "Ask.java"], folder)
    store = ["-keystore", "trust.p12", "-storepass", "changeit"]
    build(["keytool", "-importcert", "-noprompt", "-alias", "test", "-file", str(sandbox.bundle), *store], folder)
    trust = f"-Djavax.net.ssl.trustStore={folder}/trust.p12"
    return [shutil.which("java"), trust, "-Djavax.net.ssl.trustStorePassword=changeit", "-cp", folder, "Ask"], "{}"


def stripped(sandbox, folder):
    (folder / "ask.c").write_text(C)
    libraries = ["-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-lpthread", "-ldl"]
    build(["gcc", "-s", "-o", "stripped-ask", "ask.c", *libraries], folder)
    return [folder / "stripped-ask"], "{}"


# client: what makes it, its process's name, the library that is guessed
CLIENTS = {
    "wget": (wget, "wget", "GnuTLS"),
    "gnutls-cli": (gnutls_cli, "gnutls-cli", "GnuTLS"),
    "go": (go, "go-ask", "Go"),
    "java": (java, "java", "Java"),
    "stripped": (stripped, "stripped-ask", "unknown"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(CLIENTS))
def test_client(sandbox, endpoint, texts, agent_ready, name):
    make, comm, library = CLIENTS[name]
    folder = sandbox.path / f"blind-{name}"
    folder.mkdir()
    command, target = make(sandbox, folder)
    endpoint.rest()
    with agents.Agent(sandbox.path / f"agent-blind-{name}") as agent:
        extra = [str(sandbox.bundle)] if name == "go" else []
        for host in (BLOCKED, OPENAI):
            process = sandbox.spawn([*command, target.format(host), *extra], stderr=subprocess.PIPE)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        records = endpoint.take(2)
        # What can be read is no blind spot, at the same time and from the same host.
        with drive.Client(sandbox, "curl") as client:
            results = client.run(texts, flavour="openai", exchanges=[{}] * 2)
        pairs = agent.take(4, settle=0.5)
        assert truth.compare_all(pairs, endpoint.take(2), results) == []
        (event,) = agent.take(1)
        assert event["event-type"] == "Blind"
        assert event["backend"] == OPENAI
        assert event["process"]["comm"] == comm
        if name != "gnutls-cli":
            assert event["process"]["pid"] == process.pid
        assert event["library"] == library
        assert event["connections"] == 1
        asked = next(record for record in records if record["host"] == OPENAI)
        assert event["connection"]["local"] == f"{asked['peer_address']}:{asked['peer_port']}"
        assert event["connection"]["remote"] == asked["address"]
        assert event["bytes-written"] > 400 and event["bytes-read"] > 1000
        status = agent.status()
        assert status["coverage"]["blind"] == 1
        assert status["coverage"]["connections"] == status["coverage"]["readable"] + 1
        assert status["coverage"]["lost"] == 0
        assert agent.stop() == 0


def test_failed_handshakes_are_not_blind(sandbox, endpoint, agent_ready):
    """A client that does not trust the server sends nothing that could be read."""
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-distrust") as agent:
        for _ in range(3):
            done = sandbox.run(["curl", "--silent", "--cacert", "/dev/null", f"https://{OPENAI}/"])
            assert done.returncode != 0
        time.sleep(6.5)
        assert agent.drain(0.1) == []
        assert agent.status()["coverage"]["readable"] == 3
        assert agent.stop() == 0


def test_rate_limit(sandbox, endpoint, agent_ready):
    """One event for each process and host; another process is told at once."""
    need("wget")
    endpoint.rest()
    urls = [f"https://{OPENAI}/v1/models"] * 4
    command = ["wget", "-q", "-O", "/dev/null", "--no-http-keep-alive", f"--ca-certificate={sandbox.bundle}", *urls]
    with agents.Agent(sandbox.path / "agent-rate") as agent:
        for _ in range(2):
            assert sandbox.run(command).returncode == 0
        endpoint.take(8)
        events = agent.take(2)
        assert len({event["process"]["pid"] for event in events}) == 2
        coverage = agent.status()["coverage"]
        assert (coverage["blind"], coverage["suppressed"]) == (8, 6)
        assert agent.stop() == 0


@pytest.mark.timeout(300)
def test_a_thousand_connections_to_other_hosts(sandbox, endpoint, agent_ready):
    """None makes an event, and none of their bytes enters the ring."""
    endpoint.rest()
    code = (
        "import socket, ssl\n"
        "context = ssl.create_default_context()\n"
        "for _ in range(1000):\n"
        f"    raw = socket.create_connection(('{BLOCKED}', 443))\n"
        f"    with context.wrap_socket(raw, server_hostname='{BLOCKED}') as s:\n"
        f"        s.sendall(b'GET /v1/models HTTP/1.1\\r\\nHost: {BLOCKED}\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "        while s.recv(65536):\n"
        "            pass\n"
    )
    with agents.Agent(sandbox.path / "agent-thousand") as agent:
        before = agent.status()
        assert sandbox.run(["/usr/bin/python3", "-c", code], timeout=120).returncode == 0
        endpoint.take(1000)
        time.sleep(6)
        after = agent.status()
        assert agent.drain(0.1) == []
        assert after["ring"] == before["ring"]
        assert after["left-out"]["hellos"]["count"] - before["left-out"]["hellos"]["count"] == 1000
        assert after["coverage"]["connections"] == 0
        assert agent.stop() == 0
