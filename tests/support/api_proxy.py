"""A proxy to an API server in which a test can intervene: before a request, or before its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config

from tests.support.control_planes import write_kubeconfig

Step = Callable[[str, str], None]
"""Receives a request's method and path; can do anything and take any time."""


class ApiProxy:
    """A context manager. The proxy has the kubeconfig's permissions and requires no credentials itself."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api: client.ApiClient = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self.before: Step = lambda method, path: None
        self.after: Step = lambda method, path: None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                proxy.before(self.command, self.path)
                status, answer = proxy._send(self.command, self.path, body, self.headers.get("Content-Type"))
                proxy.after(self.command, self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class defines the name
                pass

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.pass_on)
        self._server = _Server(("127.0.0.1", 0), Handler)

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that points to this proxy, and return its path."""
        server = f"http://127.0.0.1:{self._server.server_port}"
        return write_kubeconfig(path, {"server": server})

    def _send(self, method: str, path: str, body: bytes, content_type: str | None) -> tuple[int, bytes]:
        headers = {"Content-Type": content_type} if body and content_type else {}
        pool: Any = self._api.rest_client.pool_manager
        url = f"{self._api.configuration.host}{path}"
        answer = pool.request(method, url, body=body or None, headers=headers)
        return answer.status, answer.data

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._api.rest_client.pool_manager.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of clients that have disconnected."""
