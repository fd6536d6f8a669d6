# SPDX-License-Identifier: Apache-2.0
"""An issuer of Entra's tokens for tests: keys, a key set (JWKS), and an HTTPS server that gives it out."""

import http.server
import json
import ssl
import subprocess
import threading
import time
import uuid

from credentials import base64url

AUDIENCE = "https://cognitiveservices.azure.com"


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **options).stdout


class Key:
    """An RSA key in a file of its own."""

    def __init__(self, folder, kid):
        self.kid = kid
        self.path = folder / f"{kid}.pem"
        openssl("genrsa", "-out", self.path, "2048")

    def jwk(self):
        modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "n": base64url(bytes.fromhex(modulus)),
            "e": "AQAB",
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        }

    def token(self, header=None, **claims):
        """A version 1 token of an application, good for an hour, and its claims. None removes a member."""
        tenant = str(uuid.uuid4())
        now = int(time.time())
        payload = {
            "aud": AUDIENCE,
            "iss": f"https://sts.windows.net/{tenant}/",
            "nbf": now,
            "exp": now + 3600,
            "appid": str(uuid.uuid4()),
            "appidacr": "1",
            "idtyp": "app",
            "oid": str(uuid.uuid4()),
            "tid": tenant,
            "uti": base64url(uuid.uuid4().bytes),
            "ver": "1.0",
            **claims,
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": self.kid, **(header or {})}
        parts = [
            base64url(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
            for part in (head, payload)
        ]
        signature = openssl("dgst", "-sha256", "-sign", self.path, input=".".join(parts).encode())
        return ".".join([*parts, base64url(signature)]), payload


def write_set(path, *keys):
    """Whole or not at all, as a key set is to be replaced."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": [key.jwk() for key in keys]}), encoding="utf-8")
    fresh.rename(path)


class Server:
    """Answers with the file at `path`. `ca` is the file of the authority that its certificate is of."""

    def __init__(self, folder, path):
        self.ca = folder / "jwks-ca.pem"
        self.requests = 0
        new_key = ["-newkey", "rsa:2048", "-nodes"]
        server_key, request, certificate = (folder / f"jwks.{end}" for end in ("key", "csr", "pem"))
        extensions = folder / "jwks.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")
        ca_key = folder / "jwks-ca.key"
        openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", self.ca, "-days", "2", "-subj", "/CN=CA")
        openssl("req", *new_key, "-keyout", server_key, "-out", request, "-subj", "/CN=server")
        openssl(
            *["x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-set_serial", "2"],
            *["-days", "2", "-extfile", extensions, "-out", certificate],
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, server_key)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):  # noqa: N802, N805
                self.requests += 1
                body = path.read_bytes()
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *args):  # noqa: N805
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/common/discovery/v2.0/keys"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
