"""Proxies on loopback: one that is told to hold bytes back (a network that hangs), and an HTTP proxy."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class TcpProxy:
    """Use it with `with`; `port` is where it listens."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def hold(self) -> None:
        """Passes nothing on from now on; connections stay open, and new ones are accepted."""
        self._flowing.clear()

    def flow(self) -> None:
        """Passes on what was held back, and what comes."""
        self._flowing.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        self._flowing.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

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
        """What is said before bytes are passed on."""

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._flowing.wait()
                if self._closed:
                    return
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


class ConnectProxy(TcpProxy):
    """A proxy as HTTPS_PROXY names one: whatever host it is asked for, it connects to the same."""

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
