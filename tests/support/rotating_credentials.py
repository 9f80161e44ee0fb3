"""Credentials in files that tests replace, and requests that are sent with them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from floe_operator.api import login as logins
from floe_operator.api.login import Login
from floe_operator.api.session import Session
from floe_operator.rules.backoff import Backoff
from localcluster.certificates import LIFETIME, CertificateAuthority
from tests.support.control_planes import write_kubeconfig
from tests.support.tls_servers import ADDRESSES, NAMES, TlsServer


class Rotating:
    """A kubeconfig whose credentials are files, and the server that it names."""

    def __init__(self, folder: Path, server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.server = server
        self.authority = CertificateAuthority()
        self.path = folder / "kubeconfig"
        monkeypatch.setenv("KUBECONFIG", str(self.path))
        for name in ("https_proxy", "HTTPS_PROXY", "KUBERNETES_SERVICE_HOST"):
            monkeypatch.delenv(name, raising=False)
        # What changed is seen at once, and read again without a pause.
        monkeypatch.setattr(logins, "_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(logins, "_SETTLE_SECONDS", 0.0)
        monkeypatch.setattr(logins, "_PAUSES", Backoff(0.0, 0.0))
        server.show(self.authority.issue_server(NAMES, ADDRESSES))

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def names(
        self, *, cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None
    ) -> None:
        """Write the kubeconfig, with the authority's certificate in a file."""
        trusted = {"certificate-authority": self.write("ca.crt", self.authority.certificate)}
        write_kubeconfig(self.path, {"server": self.server.url, **trusted, **(cluster or {})}, user)

    def client(self, name: str, *, lifetime: dt.timedelta = LIFETIME) -> dict[str, str]:
        """Write a client's certificate and key, and return the fields that name them."""
        pair = self.authority.issue_client(name, [], lifetime=lifetime)
        return {
            "client-certificate": self.write("client.crt", pair.certificate),
            "client-key": self.write("client.key", pair.key),
        }


@asynccontextmanager
async def session_of(made: Login) -> AsyncIterator[Session]:
    session = Session(made, limit=4)
    try:
        yield session
    finally:
        await session.close()


async def until(made: Login, condition: Callable[[], object]) -> None:
    """Ask for the credentials until something is true."""
    async with asyncio.timeout(10.0):
        while not condition():
            await made.fresh()
            await asyncio.sleep(0.01)


async def status(session: Session) -> int:
    async with await session.request("GET", "/version") as answer:
        return answer.status
