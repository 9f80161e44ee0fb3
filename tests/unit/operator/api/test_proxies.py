"""Proxies: which one is used for the API server, and what is said if it does not do its work."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from floe_operator.api.errors import ClusterConfigError, ClusterUnreachable
from tests.support.connections import connected
from tests.support.control_planes import write_kubeconfig
from tests.support.ports import free_port

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        ("https://api.example:6443", {}, None),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.example:6443", {"https_proxy": PROXY}, PROXY),
        ("https://api.example:6443", {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ("https://api.example:6443", {"HTTP_PROXY": PROXY}, None),
        ("http://api.example:8080", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example"}, None),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.org, .example"}, None),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example:6443"}, None),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example:443"}, PROXY),
        ("https://api.example:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ("https://10.96.0.1:443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.1"}, None),
        ("https://10.96.0.1:443", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".svc,10.0.0.0/8"}, None),
        ("https://10.96.0.1:443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "192.168.0.0/16"}, PROXY),
        ("https://[fd00::1]:443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, None),
        ("https://[fd00::1]:443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, PROXY),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
async def test_proxies_from_the_environment_are_used_as_kubectl_uses_them(
    server: str,
    environment: dict[str, str],
    proxy: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", {"server": server})
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {"KUBECONFIG": str(kubeconfig), **environment}.items():
        monkeypatch.setenv(name, value)
    async with connected() as connection:
        assert connection.login.current.transport.proxy == proxy


def kubeconfig_with(folder: Path, monkeypatch: pytest.MonkeyPatch, **cluster: str) -> None:
    path = write_kubeconfig(folder / "kubeconfig", {"server": "https://api.example:6443", **cluster})
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Yield the port of a proxy that gives every request this answer, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "asks for a user and a password, or refuses those it got (407): its URL takes them",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>", "answered 502 Bad Gateway"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", "cannot be reached: "),
        (b"<html>", "what answers does not speak HTTP: "),
        (b"\x05\x00", "what answers does not speak HTTP: "),
        (b"", "Server disconnected"),
    ],
    ids=["a password", "HTML and an error", "HTML", "no HTTP", "SOCKS", "nothing"],
)
async def test_what_is_wrong_with_a_proxy_is_said_without_its_password(
    answer: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(answer) as (port, asked):
        url = f"http://jane:s3cr%C3%A9t@127.0.0.1:{port}"
        kubeconfig_with(tmp_path, monkeypatch, **{"proxy-url": url})
        async with connected() as connection:
            with pytest.raises(ClusterUnreachable) as error:
                await connection.request("GET", "/version", timeout=10)
    said = str(error.value)
    assert words in said
    assert "s3cr" not in said
    assert "jane" not in said
    proof = base64.b64encode("jane:s3cr\u00e9t".encode())
    assert asked[0].startswith(b"CONNECT api.example:6443 ")
    assert b"Proxy-Authorization: Basic " + proof in asked[0]


async def test_a_proxy_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    kubeconfig_with(tmp_path, monkeypatch, **{"proxy-url": url})
    async with connected() as connection:
        with pytest.raises(ClusterUnreachable, match=f"the proxy {url}: Connection refused"):
            await connection.request("GET", "/version")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_a_proxy_of_the_environment_that_cannot_be_used_is_refused_at_the_start(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig_with(tmp_path, monkeypatch)
    monkeypatch.setenv(variable, "socks5://127.0.0.1:1080")
    with pytest.raises(ClusterConfigError, match=r"HTTPS_PROXY.* has the scheme 'socks5': only http"):
        async with connected():
            raise AssertionError
