"""Credential plugins: programs named in a kubeconfig that print a token or a certificate.

The protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
A program that does not end in time is killed, with its whole process group.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
from datetime import datetime
from typing import Any

from floe_operator.api.credentials import Issued, authority
from floe_operator.api.errors import why
from floe_operator.rules import foreign_json
from floe_operator.rules.kubeconfig import KubeconfigError
from floe_operator.rules.kubeconfig_fields import Cluster, Exec
from floe_operator.stop_signals import unblocked

_SECONDS = 30.0
"""Seconds that a program gets."""
_PIPE_SECONDS = 1.0
"""Seconds after a program's end for which its output is awaited: what it started may keep the pipes open."""
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CLUSTER_CONFIG = "client.authentication.k8s.io/exec"
_BYTES = 1_000_000
"""Bytes of what a program prints that are read; credentials are smaller."""
_WORDS = 1_000
"""Characters of what a program says that are passed on."""


async def issue(program: Exec, cluster: Cluster, *, seconds: float = _SECONDS) -> Issued:
    """Run a credential plugin and return what it issued.

    Raises:
        KubeconfigError: It did not issue anything that can be used; the message says what it did.
    """
    if program.api_version not in _VERSIONS:
        raise KubeconfigError(
            f"exec.apiVersion must be one of {', '.join(_VERSIONS)}, not {program.api_version}"
        )
    # Reading the authority may fail, in words of its own.
    variables = {**os.environ, **{each.name: each.value for each in program.env}, **_info(program, cluster)}
    try:
        with unblocked():
            transport, run = await asyncio.get_running_loop().subprocess_exec(
                _Run,
                program.command,
                *program.args,
                env=variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        hint = f"; {' '.join(program.install_hint.split())}" if program.install_hint else ""
        raise KubeconfigError(f"exec.command {program.command} cannot be run: {why(error)}{hint}") from None
    try:
        async with asyncio.timeout(seconds):
            await run.ended.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PIPE_SECONDS):
                    await run.closed.wait()
    except TimeoutError:
        raise KubeconfigError(f"exec.command {program.command} did not end within {seconds:g} s") from None
    finally:
        if not (run.ended.is_set() and run.closed.is_set()):
            await _kill(transport.get_pid(), run)
        transport.close()
    if code := transport.get_returncode():
        words = " ".join(run.complaint.decode("utf-8", "replace").split())[:_WORDS]
        raise KubeconfigError(f"exec.command {program.command} ended with code {code}", output=words)
    return _issued(program, bytes(run.printed))


async def _kill(group: int, run: _Run) -> None:
    """Kill a program with what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await run.ended.wait()


class _Run(asyncio.SubprocessProtocol):
    """What a program has done so far."""

    def __init__(self) -> None:
        self._open = {1, 2}
        self.printed = bytearray()
        """The first part of its standard output."""
        self.complaint = bytearray()
        """The first part of its standard error."""
        self.ended = asyncio.Event()
        self.closed = asyncio.Event()
        """Set when nobody can write to its pipes any more."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.printed if fd == 1 else self.complaint
        kept += data[: _BYTES - len(kept)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self.closed.set()

    def process_exited(self) -> None:
        self.ended.set()


def _info(program: Exec, cluster: Cluster) -> dict[str, str]:
    """Return the variable that tells a plugin what it is asked for."""
    spec: dict[str, Any] = {"interactive": False}
    if program.provide_cluster_info:
        certificates = authority(cluster)
        about: dict[str, Any] = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": base64.b64encode(certificates).decode() if certificates else None,
            "proxy-url": cluster.proxy_url,
            "disable-compression": cluster.disable_compression,
            "config": next(
                (each.get("extension") for each in cluster.extensions if each.get("name") == _CLUSTER_CONFIG),
                None,
            ),
        }
        spec["cluster"] = {key: value for key, value in about.items() if value is not None}
    asked = {"apiVersion": program.api_version, "kind": "ExecCredential", "spec": spec}
    return {"KUBERNETES_EXEC_INFO": json.dumps(asked, default=str)}  # YAML has dates, JSON does not


def _issued(program: Exec, printed: bytes) -> Issued:
    what = f"exec.command {program.command} printed"
    try:
        found = foreign_json.mapping(foreign_json.loads(printed))
    except ValueError:
        found = {}
    if not found:
        raise KubeconfigError(f"{what} no JSON object")
    if found.get("kind") != "ExecCredential" or found.get("apiVersion") != program.api_version:
        raise KubeconfigError(f"{what} no ExecCredential of {program.api_version}")
    status = foreign_json.mapping(found.get("status"))
    token, certificate, key, expires = (
        foreign_json.text(status.get(name))
        for name in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
    )
    if bool(certificate) != bool(key):
        raise KubeconfigError(f"{what} one of clientCertificateData and clientKeyData without the other")
    if not token and not certificate:
        raise KubeconfigError(f"{what} neither a token nor a certificate")
    try:
        expires_at = datetime.fromisoformat(expires).timestamp() if expires else None
    except (ValueError, OverflowError):
        raise KubeconfigError(f"{what} an expirationTimestamp that is no time: {expires[:40]}") from None
    return Issued(token, certificate.encode(), key.encode(), expires_at)
