"""What can go wrong with a call to the API server, told apart by what helps.

ClusterError
├── ClusterConfigError      no usable kubeconfig; nothing but the user helps
├── ClusterUnreachable      nobody answers, or not now; a retry helps
├── Unauthorized            credentials are not accepted
├── MissingRight            RBAC lacks a verb on a resource, both named
├── NotFound                the object, or its kind, is not there
├── Conflict                another manager owns the field, or the object is not the one that was meant
├── NamespaceTerminating    nothing can be created in the namespace any more
├── NotLeading              another operator may lead: nothing is sent
└── Refused                 any other answer, as the API server words it
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from floe_operator.rules.results import RetryableError


class ClusterError(RetryableError):
    """The base: each of them is worth another try, later."""


class ClusterConfigError(ClusterError):
    """There is no usable way to the cluster."""


class ClusterUnreachable(ClusterError):
    """The API server does not answer, or asks to come back later."""


class Unauthorized(ClusterError):
    """The API server does not accept the credentials."""


class MissingRight(ClusterError):
    """RBAC forbids it; the message says which rule would allow it."""

    def __init__(self, message: str, *, right: str) -> None:
        super().__init__(message)
        self.right = right
        """The verb and resource that are missing, as `patch floeplugins/status`."""


class NotFound(ClusterError):
    """The object is not there."""


class Conflict(ClusterError):
    """The object changed under us, or another manager owns a field that we would set."""


class NamespaceTerminating(ClusterError):
    """The namespace is going away."""


class NotLeading(ClusterError):
    """Only the leader writes."""


class Refused(ClusterError):
    """The API server refuses the request."""


_KIND_TERMINATES = "not allowed while custom resource definition is terminating"
"""https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/customresource_handler.go"""

_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>\S+)" in API group "(?P<group>\S*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


def from_status(code: int, body: bytes, retry_after: str | None = None) -> ClusterError:
    """The error of an answer, from its HTTP code and its metav1.Status."""
    status = _parse(body)
    message = " ".join(str(status.get("message") or f"HTTP {code}").split())[:1000]
    details = status.get("details") or {}
    causes = {cause.get("reason") for cause in details.get("causes") or () if isinstance(cause, dict)}
    if code == 401:
        return Unauthorized(
            "the API server does not accept the credentials: check the kubeconfig or the ServiceAccount"
        )
    if code == 403:
        if "NamespaceTerminating" in causes:
            return NamespaceTerminating(message)
        if _KIND_TERMINATES in message:
            return NotFound(message)
        return _forbidden(message)
    if code == 404:
        return NotFound(message)
    if code == 409:
        return NamespaceTerminating(message) if "NamespaceTerminating" in causes else Conflict(message)
    if code == 429 or code >= 500:
        return ClusterUnreachable(
            f"the API server says {code}: {message}", after=_seconds(retry_after, details)
        )
    return Refused(f"the API server refuses ({code}): {message}")


def _forbidden(message: str) -> ClusterError:
    found = _FORBIDDEN.search(message)
    if not found:
        return MissingRight(f"forbidden: {message}", right="")
    verb, resource, group, namespace = found["verb"], found["resource"], found["group"], found["namespace"]
    right = f"{verb} {resource}"
    where = f'a Role in namespace "{namespace}"' if namespace else "a ClusterRole"
    return MissingRight(
        f'missing right: {where} must allow verb "{verb}" on resource "{resource}" of API group "{group}"',
        right=right,
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _seconds(header: str | None, details: dict[str, Any]) -> float | None:
    for value in (header, details.get("retryAfterSeconds")):
        with contextlib.suppress(TypeError, ValueError):  # a date, or nothing
            return min(60.0, float(value or "nothing"))
    return None
