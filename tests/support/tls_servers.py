"""API servers on loopback that speak TLS, and that tests can give other certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from localcluster.certificates import CertificateAuthority, KeyPair

NAMES = ["localhost", "api.example"]
ADDRESSES = ["127.0.0.1"]


class TlsServer:
    """A server that remembers the headers and the client's certificate of each request."""

    def __init__(self, folder: Path, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        self._folder = folder
        self._answer = answer
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.headers: list[list[tuple[str, str]]] = []
        self.clients: list[str] = []
        """The common name of each request's client certificate; empty if it had none."""
        self.url = ""

    def show(self, pair: KeyPair) -> None:
        """Show another certificate to connections that begin from now on."""
        path = self._folder / "server.pem"
        path.write_bytes(pair.certificate + pair.key)
        self._context.load_cert_chain(path)

    def ask_for_certificates_of(self, authority: CertificateAuthority) -> None:
        """Refuse clients without a certificate of this authority, from now on."""
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(cadata=authority.certificate.decode())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(list(request.headers.items()))
        shown = request.transport.get_extra_info("peercert") if request.transport else None
        names = [
            value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"
        ]
        self.clients.append(names[0] if names else "")
        return await self._answer(request)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TlsServer]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        server = TestServer(application, host="127.0.0.1", scheme="https")
        await server.start_server(ssl=self._context)
        self.url = f"https://127.0.0.1:{server.port}"
        try:
            yield self
        finally:
            await server.close()


@contextmanager
def refusing(
    folder: Path,
    authority: CertificateAuthority,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    *,
    clients: CertificateAuthority | None = None,
) -> Iterator[str]:
    """Yield the URL of a server that ends each handshake with an alert; its certificate is of the authority.

    The only authority of clients that it knows is `clients`. asyncio's servers only end the connection.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    path = folder / "refusing.pem"
    pair = authority.issue_server(NAMES, ADDRESSES)
    path.write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_REQUIRED
    if clients is not None:
        context.load_verify_locations(cadata=clients.certificate.decode())
    context.maximum_version = version

    def refuse(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                secure = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with contextlib.suppress(OSError):
                    secure.do_handshake()
                # Closed with a request unread, the connection would be reset, and the alert be lost.
                with socket.socket(fileno=secure.detach()) as bare, contextlib.suppress(OSError):
                    bare.shutdown(socket.SHUT_WR)
                    bare.settimeout(5)
                    while bare.recv(65_536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


async def ok(_: web.Request) -> web.StreamResponse:
    """Answer with an empty object, and end the connection so that the next request needs a handshake."""
    return web.json_response({}, headers={"Connection": "close"})
