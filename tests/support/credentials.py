# SPDX-License-Identifier: Apache-2.0
"""Credentials that look real and are made up at run time: no secret stands in the tree."""

import base64
import json
import secrets
import string
import time
import uuid

BASE62 = string.ascii_letters + string.digits


def openai_key():
    return "sk-proj-" + "".join(secrets.choice(BASE62) for _ in range(120))


def azure_key():
    return secrets.token_hex(16)


def azure_long_key():
    return "".join(secrets.choice(BASE62) for _ in range(84))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def entra_token(**claims):
    """An access token as Entra issues it (v1, application) and the claims in it. The signature is random
    bytes."""
    tenant = str(uuid.uuid4())
    now = int(time.time())
    payload = {
        "aud": "https://cognitiveservices.azure.com",
        "iss": f"https://sts.windows.net/{tenant}/",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "appid": str(uuid.uuid4()),
        "appidacr": "2",
        "idtyp": "app",
        "oid": str(uuid.uuid4()),
        "sub": str(uuid.uuid4()),
        "tid": tenant,
        "uti": base64url(secrets.token_bytes(16)),
        "ver": "1.0",
        "roles": ["Cognitive.Invoke"],
        **claims,
    }
    kid = base64url(secrets.token_bytes(20))
    header = {"typ": "JWT", "alg": "RS256", "x5t": kid, "kid": kid}
    parts = [base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)]
    return ".".join([*parts, base64url(secrets.token_bytes(256))]), payload
