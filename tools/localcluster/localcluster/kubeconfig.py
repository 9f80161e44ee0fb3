"""The content of a kubeconfig file; pure. JSON, which every reader of YAML reads."""

from __future__ import annotations

import base64
import json

from localcluster.certificates import KeyPair

NAME = "localcluster"


def kubeconfig(url: str, authority: bytes, user: str, client: KeyPair, namespace: str = "default") -> bytes:
    """One cluster, one user, one context, all certificates within; the authority and the client are PEM."""
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
