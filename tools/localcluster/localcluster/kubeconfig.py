"""The content of a kubeconfig file, as JSON, which every YAML reader accepts; pure."""

from __future__ import annotations

import base64
import json

from localcluster.certificates import KeyPair

NAME = "localcluster"


def kubeconfig(url: str, authority: bytes, user: str, client: KeyPair, namespace: str = "default") -> bytes:
    """Return a kubeconfig with one cluster, user and context, and all certificates (given as PEM) inline."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": NAME, "cluster": {"server": url, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _base64(client.certificate),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user, "namespace": namespace}}],
        "current-context": NAME,
    }
    return json.dumps(content, indent=2).encode() + b"\n"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
