"""Asks the API server, as its administrator, whether it is ready."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

# The API server creates these shortly after it reports that it is ready.
INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class ApiServerProbe:
    """Asks the API server with a client certificate. Any failure to connect means "not yet"."""

    def __init__(self, host: str, port: int, authority: Path, certificate: Path, key: Path) -> None:
        self._host, self._port = host, port
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(certificate, key)

    def ready(self) -> bool:
        paths = ["/readyz", *(f"/api/v1/namespaces/{name}" for name in INITIAL_NAMESPACES)]
        return all(self.found(path) for path in paths)

    def found(self, path: str) -> bool:
        """Return whether a GET request for this path gets status 200."""
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=5, context=self._tls)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
