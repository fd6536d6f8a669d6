# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the kubelet's /pods: TLS with a certificate of its own, the token checked, requests counted."""

import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import uuid

OWNERS = (  # kind, what the name ends with, the workload's kind
    ("ReplicaSet", "-6d4cf56db6", "Deployment"),
    ("DaemonSet", "", "DaemonSet"),
    ("StatefulSet", "", "StatefulSet"),
    ("Job", "-28412345", "CronJob"),
)


def container_id(number):
    return f"{number:08x}" + uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex + "5" * 24


def make_pod(number):
    """A pod as the kubelet lists it, and what an event should say of it."""
    kind, end, workload_kind = OWNERS[number % len(OWNERS)]
    workload = f"app-{number}"
    uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"pod-{number}"))
    labels = {"team": f"team-{number % 7}", "app.kubernetes.io/part-of": "shop"}
    if kind == "ReplicaSet":
        labels["pod-template-hash"] = end[1:]
    if number % 2:
        labels["app.kubernetes.io/name"] = f"named-{number}"
    name = f"{workload}{end}-x{number:04d}"
    image = f"registry.example/shop/{workload}:1.{number}"
    pod = {
        "metadata": {
            "name": name,
            "generateName": f"{workload}{end}-",
            "namespace": f"ns-{number % 5}",
            "uid": uid,
            "resourceVersion": str(1000 + number),
            "creationTimestamp": "2026-11-01T10:00:00Z",
            "labels": labels,
            "annotations": {"kubernetes.io/config.seen": "2026-11-01T10:00:01.5Z", "kubernetes.io/config.source": "api"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": kind,
                    "name": workload + end,
                    "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"owner-{number}")),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "volumes": [{"name": "token", "projected": {"sources": [], "defaultMode": 420}}],
            "containers": [{"name": "main", "image": image, "resources": {}}],
            "serviceAccountName": f"sa-{number % 3}",
            "nodeName": "node-7",
            "tolerations": [],
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.1.{number // 250}.{number % 250}",
            "qosClass": "Burstable",
            "containerStatuses": [
                {
                    "name": "main",
                    "state": {"running": {"startedAt": "2026-11-01T10:00:02Z"}},
                    "ready": True,
                    "restartCount": 0,
                    "image": image,
                    "imageID": "registry.example/shop@sha256:" + "0" * 64,
                    "containerID": "containerd://" + container_id(number),
                }
            ],
        },
    }
    truth = {
        "namespace": f"ns-{number % 5}",
        "pod": name,
        "pod-uid": uid,
        "container": "main",
        "service-account": f"sa-{number % 3}",
        "workload": workload,
        "workload-kind": workload_kind,
        "node": "node-7",
        "labels": labels,
    }
    return pod, truth


def make_certificate(folder):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / "kubelet.pem", folder / "kubelet.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=node-7", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Kubelet:
    """Serves `pods` in a thread; .requests counts what was asked for, .refused those without the token."""

    def __init__(self, folder, pods):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.pods = pods
        self.requests = self.refused = 0
        self.token_path = self.folder / "token"
        self.rotate("made-up-token-1")
        self.cert, key = make_certificate(self.folder)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests += 1
                good = self.path == "/pods" and self.headers.get("Authorization") == f"Bearer {outer.token}"
                outer.refused += not good
                body = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": outer.pods}) if good else "Unauthorized"
                self.send_response(200 if good else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def rotate(self, token):
        """A new token; the old one is refused from now on."""
        self.token = token
        self.token_path.write_text(token, encoding="ascii")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
