# SPDX-License-Identifier: Apache-2.0
"""AI traffic that cannot be read is named: one event for each process and host, with the right process, and none for
what can be read or for other hosts."""

import json
import shutil
import subprocess
import time

import pytest

import agent as agents
import drive
import truth
from matrix import clients
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

MBEDTLS = """#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	mbedtls_net_context net;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	unsigned char buf[512];
	(void)argc;
	mbedtls_net_init(&net);
	mbedtls_ssl_init(&ssl);
	mbedtls_ssl_config_init(&config);
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&random);
	if (mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) ||
	    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT))
		return 1;
	mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
	if (mbedtls_ssl_setup(&ssl, &config) || mbedtls_ssl_set_hostname(&ssl, argv[1]) ||
	    mbedtls_net_connect(&net, argv[1], "443", MBEDTLS_NET_PROTO_TCP))
		return 2;
	mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
	int n = snprintf((char *)buf, sizeof(buf), "GET /v1/models HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n", argv[1]);
	if (mbedtls_ssl_handshake(&ssl) || mbedtls_ssl_write(&ssl, buf, (size_t)n) != n)
		return 3;
	while (mbedtls_ssl_read(&ssl, buf, sizeof(buf)) > 0)
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


def mbedtls(sandbox, folder):
    (folder / "ask.c").write_text(MBEDTLS)
    build(["gcc", "-o", "mbedtls-ask", "ask.c", "-lmbedtls", "-lmbedx509", "-lmbedcrypto"], folder)
    return [folder / "mbedtls-ask"], "{}"


def nss(sandbox, folder):
    need("tstclnt", "certutil")
    build(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"], folder)
    ask = "printf 'GET /v1/models HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' $0"
    # It would wait for more input, or for ever.
    return ["sh", "-c", f"({ask}; sleep 1) | timeout 3 tstclnt -o -h $0 -p 443 -d sql:{folder} >/dev/null; true"], "{}"


def rustls(sandbox, folder):
    try:
        return [clients.built("rustls")], "{}"
    except clients.Missing as why:
        pytest.skip(str(why))


# client: what makes it, its process's name, the library that is guessed
CLIENTS = {
    "wget": (wget, "wget", "GnuTLS"),
    "gnutls-cli": (gnutls_cli, "gnutls-cli", "GnuTLS"),
    "go": (go, "go-ask", "Go"),
    "java": (java, "java", "Java"),
    "stripped": (stripped, "stripped-ask", "unknown"),
    "rustls": (rustls, "rustls", "rustls"),
    "nss": (nss, "tstclnt", "NSS"),
    "mbedtls": (mbedtls, "mbedtls-ask", "mbedTLS"),
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
        extra = [str(sandbox.bundle)] if name in ("go", "rustls") else []
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
        if name not in ("gnutls-cli", "nss"):  # which a shell starts
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


def test_without_probes(sandbox, endpoint, texts, agent_ready):
    """As on kernels where return probes would do harm: nothing is touched, everything is noticed."""
    endpoint.rest()
    with agents.Agent(sandbox.path / "agent-no-probes", flags=["--no-probes"]) as agent:
        status = agent.status()
        assert status["ways"]["attach"] == "none" and status["probes"]["files"] == 0
        with drive.Client(sandbox, "urllib") as client:
            (result,) = client.run(texts, flavour="openai", exchanges=[{}])
            uprobes = [line for line in open(f"/proc/{result['pid']}/maps") if "[uprobes]" in line]
        assert not uprobes
        endpoint.take(1)
        (event,) = agent.take(1)
        assert (event["event-type"], event["backend"]) == ("Blind", OPENAI)
        assert event["process"]["pid"] == result["pid"]
        assert event["library"] == "OpenSSL" and "no program is probed" in event["reason"]
        assert agent.status()["ring"]["records"] == 2  # who, and the ClientHello
        assert agent.stop() == 0


def test_doctor_says_who_talks(sandbox, endpoint, agent_ready):
    """Of each process that uses TLS: readable, blind and why, or not AI."""
    need("gnutls-cli")
    endpoint.rest()
    code = (
        "import http.client, sys\n"
        "c = http.client.HTTPSConnection(sys.argv[1])\n"
        "c.request('GET', '/v1/models')\n"
        "print(c.getresponse().status, flush=True)\n"
        "sys.stdin.read()\n"
    )
    gnutls = ["gnutls-cli", f"--x509cafile={sandbox.bundle}", "-p", "443", OPENAI]
    wanted = {
        "readable": ["/usr/bin/python3", "-B", "-c", code, OPENAI],
        "not AI": ["/usr/bin/python3", "-B", "-c", code, BLOCKED],
        "blind: GnuTLS is not OpenSSL": gnutls,
    }
    with agents.Agent(sandbox.path / "agent-doctor") as agent:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        started = {verdict: sandbox.spawn(command, **pipes) for verdict, command in wanted.items()}
        for process in started.values():
            assert process.stdout.readline()
        time.sleep(1)
        done = agent.command("doctor", "--json", "--socket", agent.socket)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["agent-runs"]
        found = {process["pid"]: process["tls"] for process in report["processes"]}
        assert {verdict: found.get(process.pid) for verdict, process in started.items()} == {
            verdict: verdict for verdict in wanted
        }
        text = agent.command("doctor", "--socket", agent.socket).stdout
        assert f"{started['not AI'].pid} python3  not AI: " in text
        for process in started.values():
            process.stdin.close()
            process.stdout.close()
            assert process.wait(10) == 0
        assert agent.stop() == 0
    # Without an agent nobody knows.
    done = agent.command("doctor", "--json", "--socket", agent.socket)
    assert not json.loads(done.stdout)["agent-runs"]
    assert "not AI" not in done.stdout


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
