"""What every request carries: where it goes, whom it trusts, and as whom it is sent.

Made from the context of a kubeconfig; that of a pod's ServiceAccount is written like one. Equal credentials
need no new connections. When to read them again is left to others.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from floe_operator.api.errors import why
from floe_operator.api.proxies import environment_proxy
from floe_operator.rules.kubeconfig import Chosen, KubeconfigError, proxy_fault
from floe_operator.rules.kubeconfig_fields import Cluster, User

_TOKEN_CHARACTERS = frozenset(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Transport:
    """How the API server is reached: what a connection is made of."""

    server: str
    """The URL, perhaps with a path, without a slash at its end."""
    authority: bytes = b""
    """The certificates (PEM) of those who vouch for the server; those of the system if empty."""
    certificate: bytes = b""
    """Our own certificate (PEM), if we have one."""
    key: bytes = field(default=b"", repr=False)
    verify: bool = True
    server_name: str | None = None
    """The name that the server's certificate must have, if it is not the host in the URL."""
    proxy: str | None = None
    """The proxy's URL, without user and password."""
    proxy_authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The transport, and what every request says about its sender."""

    transport: Transport
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    expires_at: float | None = None
    """When they cease to be valid, in Unix time, as far as known."""
    tls: ssl.SSLContext | None = field(default=None, compare=False, repr=False)
    """What connections check and show; None if the server speaks plain HTTP."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a credential plugin printed."""

    token: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    expires_at: float | None = None


def referenced(chosen: Chosen) -> list[Path]:
    """Return the files that the context refers to."""
    cluster, user = chosen.cluster, chosen.user
    named = (
        None if cluster.certificate_authority_data else cluster.certificate_authority,
        None if user.client_certificate_data else user.client_certificate,
        None if user.client_key_data else user.client_key,
        user.token_file,
    )
    return [Path(name) for name in named if name]


def credentials(chosen: Chosen, issued: Issued | None = None) -> Credentials:
    """Return the credentials of a context, and those that its credential plugin issued.

    Raises:
        KubeconfigError: A file, certificate, key or token cannot be used; the message says which.
    """
    cluster, user = chosen.cluster, chosen.user
    issued = issued or Issued()
    server = cluster.server.rstrip("/")
    proxy, authorization = _proxy(cluster, server)
    transport = Transport(
        server=server,
        authority=authority(cluster),
        certificate=issued.certificate
        or _content("client-certificate", user.client_certificate, user.client_certificate_data),
        key=issued.key
        or _content(
            "client-key",
            user.client_key,
            user.client_key_data.get_secret_value() if user.client_key_data else None,
        ),
        verify=not cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name or None,
        proxy=proxy,
        proxy_authorization=authorization,
    )
    headers = [*_authorization(user, issued), *_impersonation(user)]
    if cluster.disable_compression:
        headers.append(("Accept-Encoding", "identity"))
    tls = tls_context(transport) if server.startswith("https") else None
    return Credentials(transport, tuple(headers), issued.expires_at, tls)


def authority(cluster: Cluster) -> bytes:
    """Return the certificates (PEM) of those who vouch for the server; empty if the system's do.

    Raises:
        KubeconfigError: They cannot be read.
    """
    return _content(
        "certificate-authority", cluster.certificate_authority, cluster.certificate_authority_data
    )


def tls_context(transport: Transport) -> ssl.SSLContext:
    """Return what checks the server's certificate and shows ours.

    Raises:
        KubeconfigError: A certificate or key cannot be used.
    """
    authority = transport.authority.decode("ascii", "ignore")  # comments can be in any language
    try:
        if transport.authority and "-----BEGIN" not in authority:
            raise ValueError("it holds none")
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"certificate-authority is no PEM certificate: {_words(error)}") from None
    # As kubectl, accept authorities without the extensions that RFC 5280 demands, as many clusters have, and
    # those that others vouch for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not transport.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if transport.certificate:
        try:
            with _as_file(transport.certificate) as certificate, _as_file(transport.key) as key:
                # An encrypted key would otherwise be asked for at the terminal.
                context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise KubeconfigError(
                "client-certificate and client-key cannot be used: they must be a PEM certificate and its "
                f"own key, unencrypted: {_words(error)}"
            ) from None
    return context


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield a path at which this content can be read; it is never in a folder, whenever this process ends."""
    with _nameless_file() as file:
        file.write(content)
        file.seek(0)
        # This works in a process that may not be dumped, too: /proc/self/fd belongs to root there, but the
        # kernel lets a process's own threads in, whoever owns it.
        yield f"/dev/fd/{file.fileno()}"


def _nameless_file() -> IO[bytes]:
    """Open an empty file in memory; if the system has or allows none, on disk, without its name."""
    try:
        return os.fdopen(os.memfd_create("client-certificate", os.MFD_CLOEXEC), "w+b")
    except (AttributeError, OSError):
        return tempfile.TemporaryFile()


def _content(field_name: str, path: str | None, data: str | None) -> bytes:
    """Return what a field gives as data or by its file; the data wins, as in kubectl."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise KubeconfigError(f"{field_name}-data is not base64") from None
    if not path:
        return b""
    content = _read(field_name, path)
    if not content.strip():
        raise KubeconfigError(f"{field_name}: the file {path} is empty")
    return content


def _read(field_name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{field_name}: cannot read {path}: {why(error)}") from None


def _authorization(user: User, issued: Issued) -> Iterator[tuple[str, str]]:
    token = issued.token
    if not token and user.token_file:
        token = _read("tokenFile", user.token_file).decode("utf-8-sig", "replace").strip()
        if not token:
            raise KubeconfigError(f"tokenFile: the file {user.token_file} is empty")
    if not token and user.token is not None:
        token = user.token.get_secret_value().strip()
    if token:
        if not _TOKEN_CHARACTERS.issuperset(token):
            raise KubeconfigError("the token has characters that no token has")
        yield "Authorization", f"Bearer {token}"
    elif user.username:
        password = user.password.get_secret_value() if user.password else ""
        yield "Authorization", _basic(user.username, password)


def _impersonation(user: User) -> Iterator[tuple[str, str]]:
    """Yield the headers of https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/."""
    pairs = [
        ("as", "Impersonate-User", user.as_user or ""),
        ("as-uid", "Impersonate-Uid", user.as_uid or ""),
        *(("as-groups", "Impersonate-Group", group) for group in user.as_groups),
        *(
            ("as-user-extra", f"Impersonate-Extra-{quote(key.lower(), safe='')}", value)
            for key, values in (user.as_user_extra or {}).items()
            for value in values
        ),
    ]
    for field_name, header, value in pairs:
        if not value:
            continue
        if not value.isprintable():
            raise KubeconfigError(f"{field_name} has characters that cannot be sent")
        yield header, value


def _proxy(cluster: Cluster, server: str) -> tuple[str | None, str]:
    """Return the proxy's URL without user and password, and the header that proves them."""
    url = cluster.proxy_url
    if not url:
        url = environment_proxy(server)
        if url and (fault := proxy_fault(url)):
            raise KubeconfigError(f"the proxy in the variable HTTPS_PROXY or HTTP_PROXY {fault}")
    if not url:
        return None, ""
    parts = urlsplit(url)
    authorization = ""
    if parts.username is not None:
        authorization = _basic(unquote(parts.username), unquote(parts.password or ""))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare), authorization


def _basic(user: str, password: str) -> str:
    """Return a header's value of https://www.rfc-editor.org/rfc/rfc7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else " ".join(str(error).split())
