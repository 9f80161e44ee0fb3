"""A server that speaks TLS, and credentials for it in files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.rotating_credentials import Rotating
from tests.support.tls_servers import TlsServer, ok


@pytest.fixture
async def rotating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rotating]:
    async with TlsServer(tmp_path, ok).serving() as server:
        yield Rotating(tmp_path, server, monkeypatch)
