"""Proxies on loopback: a TCP proxy that can hold bytes back (a hanging network), and an HTTP proxy."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self


class TcpProxy:
    """A context manager; `port` is the port that the proxy listens on."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def hold(self) -> None:
        """Stop passing bytes on; connections stay open, and new connections are accepted."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on the bytes that were held back, and all later bytes."""
        self._flowing.set()

    def cut(self) -> None:
        """End all connections; new ones are accepted."""
        sockets, self._sockets = self._sockets, []
        _end(sockets)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        self._flowing.set()
        _end([self._listener, *self._sockets])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._begin(near)
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _begin(self, near: socket.socket) -> None:
        """Talk to the client before bytes are passed on."""

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._flowing.wait()
                if self._closed:
                    return
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def _end(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


class ConnectProxy(TcpProxy):
    """A proxy for HTTPS_PROXY that always connects to the same host, whatever host the client asks for."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.asked: list[str] = []
        """The request lines, such as `CONNECT example.org:443 HTTP/1.1`."""

    def _begin(self, near: socket.socket) -> None:
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += near.recv(1)
        self.asked.append(said.partition(b"\r\n")[0].decode())
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
