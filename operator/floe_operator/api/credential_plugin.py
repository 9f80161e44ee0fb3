"""Credential plugins: programs named in a kubeconfig that print a token or a certificate.

The protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
A program that does not end in time is killed, with its whole process group.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from datetime import datetime
from typing import Any

from floe_operator.api.credentials import Issued
from floe_operator.api.errors import why
from floe_operator.rules import foreign_json
from floe_operator.rules.kubeconfig import Cluster, Exec, KubeconfigError

_SECONDS = 30.0
"""Seconds that a program gets."""
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CLUSTER_CONFIG = "client.authentication.k8s.io/exec"
_BYTES = 1_000_000
"""Bytes of what a program prints that are read; credentials are smaller."""
_WORDS = 300
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
    try:
        process = await asyncio.create_subprocess_exec(
            program.command,
            *program.args,
            env={**os.environ, **{each.name: each.value for each in program.env}, **_info(program, cluster)},
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
            printed, complained = await asyncio.gather(_begin_of(process.stdout), _begin_of(process.stderr))
            await process.wait()
    except TimeoutError:
        raise KubeconfigError(f"exec.command {program.command} did not end within {seconds:g} s") from None
    finally:
        if process.returncode is None:
            await _kill(process)
    if process.returncode:
        words = " ".join(complained.decode("utf-8", "replace").split())[:_WORDS]
        raise KubeconfigError(
            f"exec.command {program.command} ended with code {process.returncode}{words and ': '}{words}"
        )
    return _issued(program, printed)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a program and its children, and let go of its pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):  # a descendant in another group may hold a pipe
        async with asyncio.timeout(1.0):
            await asyncio.gather(_begin_of(process.stdout), _begin_of(process.stderr), process.wait())


async def _begin_of(stream: asyncio.StreamReader | None) -> bytes:
    """Read a stream to its end, and return the first part of what it brought."""
    kept = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        kept += chunk[: _BYTES - len(kept)]
    return kept


def _info(program: Exec, cluster: Cluster) -> dict[str, str]:
    """Return the variable that tells a plugin what it is asked for."""
    spec: dict[str, Any] = {"interactive": False}
    if program.provide_cluster_info:
        about: dict[str, Any] = {"server": cluster.server}
        about["tls-server-name"] = cluster.tls_server_name
        about["insecure-skip-tls-verify"] = cluster.insecure_skip_tls_verify
        about["certificate-authority-data"] = cluster.certificate_authority_data
        about["proxy-url"] = cluster.proxy_url
        about["disable-compression"] = cluster.disable_compression
        about["config"] = next(
            (each.get("extension") for each in cluster.extensions if each.get("name") == _CLUSTER_CONFIG),
            None,
        )
        spec["cluster"] = {key: value for key, value in about.items() if value is not None}
    asked = {"apiVersion": program.api_version, "kind": "ExecCredential", "spec": spec}
    return {"KUBERNETES_EXEC_INFO": json.dumps(asked)}


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
