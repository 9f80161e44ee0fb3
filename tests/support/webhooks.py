"""Admission webhooks on loopback, which a control plane of the tests calls."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from localcluster import LocalCluster
from localcluster.certificates import CertificateAuthority
from tests.support.polling import eventually


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    patch: Sequence[Mapping[str, Any]] = ()

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = base64.b64encode(json.dumps(self.patch).encode()).decode()
        answer = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def mutating(cluster: LocalCluster, namespace: str, patch: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Have a webhook apply a JSON patch to each FloePlugin of a namespace, from when the block begins."""
    authority = CertificateAuthority()
    pair = authority.issue_server(["localhost"], ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Patching", (_Handler,), {"patch": patch}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    webhook = {
        "name": "mutating.floe.example",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {
            "url": f"https://127.0.0.1:{server.server_port}/",
            "caBundle": base64.b64encode(authority.certificate).decode(),
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [
            {
                "apiGroups": ["floe.dev"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["floeplugins"],
            }
        ],
    }
    document = json.dumps(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": f"mutating-{namespace}"},
            "webhooks": [webhook],
        }
    )
    cluster.kubectl("apply", "-f", "-", input=document)
    try:
        eventually(lambda: _is_called(cluster, namespace, patch), every=0.5)
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", input=document)
        server.shutdown()
        server.server_close()
        thread.join(5)


def _is_called(cluster: LocalCluster, namespace: str, patch: Sequence[Mapping[str, Any]]) -> bool:
    probe = {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": "dbt-probe", "namespace": namespace, "labels": {"probe": "yes"}},
        "spec": {"type": "dbt", "name": "probe"},
    }
    flags = ("--dry-run=server", "-o", "json", "-f", "-")
    found = cluster.kubectl("create", *flags, input=json.dumps(probe))
    return all(json.dumps(each["value"]) in found for each in patch)
