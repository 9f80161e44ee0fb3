"""Requests with credentials that rotate, on a server that really speaks TLS."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from floe_operator.api import login as logins
from floe_operator.api.errors import ClusterConfigError
from floe_operator.api.login import login
from floe_operator.api.unreachable import unreachable
from localcluster.certificates import CertificateAuthority
from tests.support.control_planes import write_kubeconfig
from tests.support.rotating_credentials import Rotating, session_of, status, until
from tests.support.tls_servers import ADDRESSES, NAMES, TlsServer, refusing


async def test_a_server_whose_authority_is_not_the_given_one_is_not_trusted(rotating: Rotating) -> None:
    rotating.names()
    rotating.write("ca.crt", CertificateAuthority().certificate)
    made = await login()
    async with session_of(made) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as error:
            await status(session)
    said = str(unreachable(made.current.transport, error.value))
    assert "its certificate is not trusted" in said
    assert "check certificate-authority" in said
    assert rotating.server.headers == [], "nothing was sent"


async def test_a_server_whose_certificate_has_another_name_is_not_trusted(rotating: Rotating) -> None:
    rotating.server.show(rotating.authority.issue_server(["api.example"], ["127.0.0.2"]))
    rotating.names()
    async with session_of(await login()) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(session)
    assert rotating.server.headers == []


async def test_tls_server_name_is_the_name_that_the_certificate_must_have(rotating: Rotating) -> None:
    rotating.server.show(rotating.authority.issue_server(["api.example"], ["127.0.0.2"]))
    rotating.names(cluster={"tls-server-name": "api.example"})
    async with session_of(await login()) as session:
        assert await status(session) == 200
    rotating.names(cluster={"tls-server-name": "other.example"})
    async with session_of(await login()) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(session)


async def test_verification_is_off_only_if_the_kubeconfig_says_so(rotating: Rotating) -> None:
    rotating.names()
    write_kubeconfig(rotating.path, {"server": rotating.server.url, "insecure-skip-tls-verify": True})  # type: ignore[dict-item]
    async with session_of(await login()) as session:
        assert await status(session) == 200
    write_kubeconfig(rotating.path, {"server": rotating.server.url, "insecure-skip-tls-verify": False})  # type: ignore[dict-item]
    async with session_of(await login()) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(session)


async def test_an_authority_that_rotates_is_read_again(rotating: Rotating) -> None:
    rotating.names()
    async with session_of(await login()) as session:
        assert await status(session) == 200
        rotating.authority = CertificateAuthority()
        rotating.server.show(rotating.authority.issue_server(NAMES, ADDRESSES))
        rotating.write("ca.crt", rotating.authority.certificate)
        assert await status(session) == 200


async def test_an_authority_that_comes_late_is_read_when_the_server_is_not_trusted(
    rotating: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotating.names()
    made = await login()
    async with session_of(made) as session:
        assert await status(session) == 200
        monkeypatch.setattr(logins, "_LOOK_SECONDS", 3_600.0)
        await made.fresh()
        rotating.authority = CertificateAuthority()
        rotating.server.show(rotating.authority.issue_server(NAMES, ADDRESSES))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(session)
        rotating.write("ca.crt", rotating.authority.certificate)
        assert await status(session) == 200


async def test_a_client_certificate_that_rotates_is_shown(rotating: Rotating) -> None:
    rotating.server.ask_for_certificates_of(rotating.authority)
    rotating.names(user=rotating.client("first"))
    made = await login()
    async with session_of(made) as session:
        assert await status(session) == 200
        first = made.current
        rotating.client("second")
        await until(made, lambda: made.current is not first)
        assert await status(session) == 200
    assert rotating.server.clients == ["first", "second"]


async def test_a_half_written_certificate_leaves_that_of_before_in_use(
    rotating: Rotating, capsys: pytest.CaptureFixture[str]
) -> None:
    rotating.server.ask_for_certificates_of(rotating.authority)
    rotating.names(user=rotating.client("first"))
    made = await login()
    async with session_of(made) as session:
        assert await status(session) == 200
        whole = rotating.authority.issue_client("second", [])
        rotating.write("client.crt", whole.certificate[:200])
        await until(made, lambda: "client-certificate and client-key cannot be used" in made.fault)
        assert await status(session) == 200
        rotating.write("client.crt", whole.certificate)
        rotating.write("client.key", b"")
        await until(made, lambda: "client-key: the file" in made.fault)
        assert await status(session) == 200
        rotating.write("client.key", whole.key)
        await until(made, lambda: not made.fault)
        assert await status(session) == 200
    assert rotating.server.clients == ["first", "first", "first", "second"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_the_server_refuses_is_told_apart_from_a_server_that_is_away(
    rotating: Rotating, version: ssl.TLSVersion
) -> None:
    rotating.names(user=rotating.client("jane"))
    with refusing(rotating.folder, rotating.authority, version) as url:
        rotating.names(cluster={"server": url}, user=rotating.client("jane"))
        made = await login()
        async with session_of(made) as session:
            with pytest.raises(aiohttp.ClientError) as error:
                await status(session)
            assert made.refused_since is not None
            said = str(unreachable(made.current.transport, error.value))
            assert "it ended the TLS handshake" in said
            assert "check the client certificate" in said


def with_tokens(*accepted: str) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        known = request.headers.get("Authorization") in {f"Bearer {token}" for token in accepted}
        return web.json_response({}, status=200 if known else 401)

    return answer


async def test_a_token_that_rotates_is_read_before_it_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TlsServer(tmp_path, with_tokens("second")).serving() as server:
        rotating = Rotating(tmp_path, server, monkeypatch)
        rotating.names(user={"tokenFile": rotating.write("token", b"first\n")})
        made = await login()
        async with session_of(made) as session:
            assert await status(session) == 401
            assert made.refused_since is not None
            sent = len(server.headers)
            first = made.current
            rotating.write("token", b"second\n")
            await until(made, lambda: made.current is not first)
            assert await status(session) == 200
            assert len(server.headers) == sent + 1
            assert made.refused_since is None


async def test_a_rejected_token_is_replaced_and_the_request_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TlsServer(tmp_path, with_tokens("second")).serving() as server:
        rotating = Rotating(tmp_path, server, monkeypatch)
        monkeypatch.setattr(logins, "_LOOK_SECONDS", 3_600.0)
        rotating.names(user={"tokenFile": rotating.write("token", b"first")})
        made = await login()
        await made.fresh()
        rotating.write("token", b"second")
        async with session_of(made) as session:
            assert await status(session) == 200
        assert len(server.headers) == 2


async def test_requests_are_sent_as_whom_the_kubeconfig_says(rotating: Rotating) -> None:
    user = {
        "username": "jane",
        "password": "s3cret",
        "as": "robot",
        "as-uid": "7",
        "as-groups": ["ops", "dev"],
        "as-user-extra": {"Reason/x": ["a", "b"]},
    }
    rotating.names(cluster={"disable-compression": True}, user=user)
    made = await login()
    assert "s3cret" not in repr(made.current)
    async with session_of(made) as session:
        await status(session)
    sent = rotating.server.headers[0]
    assert [value for name, value in sent if name == "Impersonate-Group"] == ["ops", "dev"]
    assert [value for name, value in sent if name == "Impersonate-Extra-reason%2Fx"] == ["a", "b"]
    assert ("Impersonate-User", "robot") in sent
    assert ("Impersonate-Uid", "7") in sent
    assert ("Authorization", "Basic amFuZTpzM2NyZXQ=") in sent
    assert ("Accept-Encoding", "identity") in sent
    assert ("User-Agent", "floe-operator") in sent


@pytest.mark.parametrize(
    ("code", "kind", "is_accepted"),
    [
        (200, "application/json", True),
        (403, "application/json", True),
        (404, "application/json", True),
        (502, "application/json", False),
        (200, "text/html", False),
        (403, "text/html", False),
    ],
)
async def test_an_answer_accepts_the_credentials_unless_it_may_be_another_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: str, is_accepted: bool
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, content_type=kind)

    async with TlsServer(tmp_path, answer).serving() as server:
        Rotating(tmp_path, server, monkeypatch).names(user={"token": "t"})
        made = await login()
        made.refused()
        async with session_of(made) as session:
            assert await status(session) == code
        assert (made.refused_since is None) == is_accepted


class Garbage:
    """Something that takes a request, and answers in no protocol that anybody expects."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        writer.close()

    def __init__(self, answer: bytes) -> None:
        self.answer = answer


@pytest.mark.parametrize(
    ("answer", "is_proxy"),
    [(b"<html>\r\n\r\n", False), (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", True)],
)
async def test_no_error_contains_the_credentials(rotating: Rotating, answer: bytes, is_proxy: bool) -> None:
    async with await asyncio.start_server(Garbage(answer).serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        through = {"proxy-url": f"http://jane:s3cret@{address}"}
        rotating.names(
            cluster=through if is_proxy else {"server": f"http://{address}"}, user={"token": "s3cret"}
        )
        async with session_of(await login()) as session:
            with pytest.raises(aiohttp.ClientResponseError) as error:
                await status(session)
    shown = repr(error.value) + repr(error.value.args) + repr(vars(error.value)) + str(error.value)
    assert "s3cret" not in shown
    assert "Basic" not in shown


async def test_a_redirect_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with TlsServer(tmp_path, elsewhere).serving() as server:
        Rotating(tmp_path, server, monkeypatch).names(user={"token": "t"})
        async with session_of(await login()) as session:
            assert await status(session) == 302
        assert len(server.headers) == 1


async def test_a_server_with_a_path_gets_requests_below_it(rotating: Rotating) -> None:
    rotating.names(cluster={"server": f"{rotating.server.url}/k8s/clusters/c-1/"})
    async with session_of(await login()) as session, await session.request("GET", "/version") as answer:
        assert str(answer.url) == f"{rotating.server.url}/k8s/clusters/c-1/version"


async def test_the_context_of_the_start_stays_in_use(rotating: Rotating) -> None:
    rotating.names()
    made = await login()
    first = made.current
    content = json.loads(rotating.path.read_text())
    content["contexts"].append({"name": "other", "context": {"cluster": "c", "user": "gone"}})
    content["users"][0]["user"] = {"token": "new"}
    rotating.path.write_text(json.dumps({**content, "current-context": "other"}))
    await until(made, lambda: made.current is not first)
    assert ("Authorization", "Bearer new") in made.current.headers
    assert made.fault == ""


@pytest.mark.parametrize(
    "cluster",
    [{"server": "https://[::1:6443"}, {"server": "https://127.0.0.1:99999"}, {"proxy-url": "http://["}],
)
async def test_a_kubeconfig_that_becomes_unusable_leaves_the_credentials_of_before_in_use(
    rotating: Rotating, cluster: dict[str, Any]
) -> None:
    rotating.names(user={"token": "t"})
    made = await login()
    async with session_of(made) as session:
        assert await status(session) == 200
        rotating.names(cluster=cluster, user={"token": "t"})
        await until(made, lambda: made.fault)
        assert await status(session) == 200
    with pytest.raises(ClusterConfigError):
        await login()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ca.crt", b"", "certificate-authority: the file {} is empty"),
        ("ca.crt", b"-----BEGIN CERTIFICATE-----\nYQ==", "certificate-authority is no PEM certificate"),
        ("ca.crt", b"nonsense", "certificate-authority is no PEM certificate"),
        ("ca.crt", b"\xff", "certificate-authority is no PEM certificate"),
        ("ca.crt", None, "certificate-authority: cannot read {}: No such file or directory"),
        ("client.crt", b"", "client-certificate: the file {} is empty"),
        ("client.crt", b"nonsense", "client-certificate and client-key cannot be used"),
        ("client.key", b"nonsense", "client-certificate and client-key cannot be used"),
        ("client.key", None, "client-key: cannot read {}: No such file or directory"),
        ("token", b"", "tokenFile: the file {} is empty"),
        ("token", b"a\nb", "the token has characters that no token has"),
        ("token", "\u00e9".encode(), "the token has characters that no token has"),
    ],
)
async def test_files_that_cannot_be_used_are_named_at_the_start(
    rotating: Rotating, name: str, content: bytes | None, words: str
) -> None:
    rotating.names(user={**rotating.client("jane"), "tokenFile": rotating.write("token", b"t")})
    path = rotating.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClusterConfigError) as refusal:
        await login()
    assert words.format(path) in str(refusal.value)


async def test_the_certificate_and_key_of_two_pairs_are_refused(rotating: Rotating) -> None:
    rotating.names(user=rotating.client("jane"))
    rotating.write("client.key", rotating.authority.issue_client("jane", []).key)
    with pytest.raises(ClusterConfigError, match="its own key"):
        await login()


async def test_an_encrypted_key_is_refused_and_not_asked_for(rotating: Rotating) -> None:
    from cryptography.hazmat.primitives import serialization

    rotating.names(user=rotating.client("jane"))
    key = serialization.load_pem_private_key((rotating.folder / "client.key").read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"word")
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    rotating.write("client.key", key.private_bytes(encoding, form, secret))
    with pytest.raises(ClusterConfigError, match="unencrypted"):
        await login()


async def test_authorities_are_read_as_kubectl_reads_them(rotating: Rotating) -> None:
    commented = "# Zürich\n".encode() + rotating.authority.certificate
    lines = base64.encodebytes(commented).decode()
    rotating.names()
    for cluster in (
        {"certificate-authority": rotating.write("commented.crt", commented)},
        {"certificate-authority-data": lines},
    ):
        rotating.names(cluster=cluster)
        async with session_of(await login()) as session:
            assert await status(session) == 200


async def test_data_in_the_kubeconfig_that_is_not_base64_is_refused(rotating: Rotating) -> None:
    rotating.names(cluster={"certificate-authority-data": "?"})
    with pytest.raises(ClusterConfigError, match="certificate-authority-data is not base64"):
        await login()


@pytest.mark.parametrize("in_memory", ["always", "refused", "unknown to the system"])
async def test_no_key_ever_has_a_name_in_a_folder_for_temporary_files(
    rotating: Rotating, monkeypatch: pytest.MonkeyPatch, in_memory: str
) -> None:
    folder = rotating.folder / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    if in_memory == "unknown to the system":
        monkeypatch.delattr(os, "memfd_create")
    elif in_memory == "refused":
        monkeypatch.setattr(os, "memfd_create", _refused)
    present: list[list[Path]] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, *arguments: Any, **more: Any) -> None:
        present.append([*folder.iterdir()])
        load(context, *arguments, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    rotating.names(user=rotating.client("jane"))
    made = await login()
    assert isinstance(made.current.tls, ssl.SSLContext)
    assert present == [[]]
    assert [*folder.iterdir()] == []


def _refused(*_: object) -> int:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
