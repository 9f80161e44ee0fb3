"""What can go wrong with a request to the API server, classified by what helps.

ClusterError
├── ClusterConfigError      no usable kubeconfig; only the user can fix it
├── ClusterUnreachable      no answer, or none for now; a retry helps
│   └── ProxyFailed         a proxy's page that says that it got no answer
├── Unauthorized            the credentials are not accepted
├── MissingRight            RBAC does not allow a verb on a resource; the error names both
├── NotAdmitted             a quota, a policy or a webhook forbids the write, or the webhook cannot be asked
├── NotFound                the object or its kind does not exist
├── Conflict                another field manager owns the field, or the object has changed or been replaced
├── NamespaceTerminating    nothing can be created in the namespace any more
├── NotInSchema             the kind's schema does not allow the status; only another CRD helps
├── NotLeading              another operator might lead, so nothing is sent
└── Refused                 any other answer, in the API server's words
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from floe_operator.rules import foreign_json
from floe_operator.rules.results import RetryableError


class ClusterError(RetryableError):
    """Base class; each of these errors is worth a retry later."""


class ClusterConfigError(ClusterError):
    """There is no usable configuration for the cluster."""


class ClusterUnreachable(ClusterError):
    """The API server does not answer, or asks for a retry later."""


class ProxyFailed(ClusterUnreachable):
    """Something on the way answers with a page of its own, and does not say when to try again."""


class Unauthorized(ClusterError):
    """The API server does not accept the credentials."""


class MissingRight(ClusterError):
    """RBAC forbids the request; the message says which rule would allow it."""

    def __init__(self, message: str, *, right: str) -> None:
        super().__init__(message)
        self.right = right
        """The missing verb and resource, for example `patch floeplugins/status`."""


class NotAdmitted(ClusterError):
    """A quota, an admission policy or a webhook forbids the write, or the webhook does not answer.

    Permissions would not help.
    """


class NotFound(ClusterError):
    """The object does not exist."""


class Conflict(ClusterError):
    """The object changed under us, or another field manager owns a field we wanted to set."""


class NamespaceTerminating(ClusterError):
    """The namespace is being deleted."""


class NotInSchema(ClusterError):
    """The schema that the API server has for the kind does not allow the status."""

    @property
    def unserved(self) -> frozenset[str]:
        """The fields of the status that the schema does not have, as far as the API server names them."""
        return frozenset(_UNDECLARED_FIELD.findall(str(self)))


class NotLeading(ClusterError):
    """Only the leader may write."""


class Refused(ClusterError):
    """The API server refuses the request."""


REFUSALS = (NotAdmitted, NotInSchema, Refused, ProxyFailed)
"""What a write is refused with although no permission is missing: people must change something else."""

_KIND_TERMINATES = "not allowed while custom resource definition is terminating"
"""https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/customresource_handler.go"""

_NOT_DECLARED = "field not declared in schema"
_UNDECLARED_FIELD = re.compile(rf"\.status\.(\w+): {_NOT_DECLARED}")
"""https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/typed/validate.go"""

_WE_WROTE = re.compile(r" is invalid: .*\b(status\.|spec\.type: Unsupported value)", re.DOTALL)
_DENIED = re.compile(r" denied (the )?request\b")
_FORBIDDEN_BY = " is forbidden: "
"""What admission says, whatever its code: https://github.com/kubernetes/apiserver/tree/master/pkg/admission"""

_WEBHOOK_FAILED = "failed calling webhook "
"""https://github.com/kubernetes/apiserver/blob/master/pkg/util/webhook/error.go"""

_PATCH_FAILED = "the server rejected our request due to an error in our request"
"""The answer to a JSON patch that does not fit the object: a test fails, or what it removes is gone.

https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/patch.go
"""

_NO_SUCH_PATH = b"404 page not found"
"""What the API server says, without a Status, of a path that it does not serve."""

_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>\S+)" in API group "(?P<group>\S*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


_IMPERSONATES = re.compile(r'(?P<user>"[^"]*") cannot impersonate')
"""https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/filters/impersonation/impersonation.go"""


def why(error: BaseException) -> str:
    """Return why something failed, in the operating system's words if it says so."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else " ".join(str(error).split())


def pause(error: Exception, seconds: float) -> float:
    """Return the seconds until another attempt: these, or more if the API server asks for it."""
    return max(seconds, (error.after or 0.0) if isinstance(error, RetryableError) else 0.0)


def check_kind(answer: Mapping[str, Any], kind: str, request: str) -> None:
    """Raise Refused unless the answer to a request is an object of this kind, and not perhaps a proxy's."""
    if answer.get("kind") != kind:
        raise Refused(f"the answer to {request} is no {kind}")


def from_status(code: int, body: bytes, retry_after: str | None = None) -> ClusterError:
    """Return the error for an answer, based on its HTTP code and its metav1.Status."""
    status = _parse(body)
    is_page = status.get("kind") != "Status"  # of a proxy; the API server answers with a Status
    message = " ".join(str(status.get("message") or f"HTTP {code}").split())[:1000]
    details = foreign_json.mapping(status.get("details"))
    causes = {
        foreign_json.text(foreign_json.mapping(cause).get("reason"))
        for cause in foreign_json.sequence(details.get("causes"))
    }
    if _is_of_admission(code, message):
        return NotAdmitted(f"admission refuses the request: {message}")
    if code == 401:
        return Unauthorized(
            "the API server does not accept the credentials: check the kubeconfig or the ServiceAccount"
        )
    if code == 429 or code >= 500:
        return _not_now(code, message, is_page, asked_to_wait(retry_after, details))
    return _refusal(code, message, is_page, body, causes)


def _refusal(code: int, message: str, is_page: bool, body: bytes, causes: Collection[str]) -> ClusterError:
    """Return the error for an answer that would be the same again."""
    if code in (403, 409) and "NamespaceTerminating" in causes:
        return NamespaceTerminating(message)
    if code == 403 and not is_page:
        return _forbidden(message)
    if code == 404 and (not is_page or body.strip() == _NO_SUCH_PATH):
        return NotFound(message)
    if code == 409:
        return Conflict(message)
    if code == 422 and message == _PATCH_FAILED:
        return Conflict(f"the object is no longer as the patch requires: {message}")
    refused = f"the API server refuses the request ({code}): {message}"
    return NotInSchema(refused) if code == 422 and _WE_WROTE.search(message) else Refused(refused)


def _not_now(code: int, message: str, is_page: bool, after: float | None) -> ClusterError:
    """Return the error for an answer that may be another one later."""
    if code == 500 and _NOT_DECLARED in message:
        return NotInSchema(f"the API server refuses the request ({code}): {message}")
    if is_page and after is None:
        return ProxyFailed(f"something on the way answered {code} instead of the API server: {message}")
    return ClusterUnreachable(f"the API server answered {code}: {message}", after=after)


def _is_of_admission(code: int, message: str) -> bool:
    """Return True for a refusal by admission, which can choose its code; 403 is left to `_forbidden`.

    A webhook that does not answer is one, too: it is no fault of the API server, and may end at any moment.
    """
    if _WEBHOOK_FAILED in message:
        return True
    if code >= 500 or code == 429:
        return False
    return bool(_DENIED.search(message)) or (_FORBIDDEN_BY in message and code not in (401, 403, 404, 409))


def _forbidden(message: str) -> ClusterError:
    if _KIND_TERMINATES in message:
        return NotFound(message)
    if found := _IMPERSONATES.search(message):
        return MissingRight(
            f"{found['user']} may not act as whom the kubeconfig names in `as`: a ClusterRole must allow the "
            f"verb impersonate on these users, groups, uids and userextras; or remove `as` ({message})",
            right="impersonate",
        )
    found = _FORBIDDEN.search(message)
    if not found and _FORBIDDEN_BY in message:
        return NotAdmitted(f"admission refuses the request: {message}")
    if not found:
        return MissingRight(f"forbidden: {message}", right="")
    verb, resource, group, namespace = found["verb"], found["resource"], found["group"], found["namespace"]
    right = f"{verb} {resource}"
    where = f'a Role in namespace "{namespace}"' if namespace else "a ClusterRole"
    return MissingRight(
        f'missing permission: {where} must allow verb "{verb}" '
        f'on resource "{resource}" of API group "{group}"',
        right=right,
    )


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        return foreign_json.mapping(foreign_json.loads(body))
    except ValueError:
        return {}


def asked_to_wait(header: str | None, details: Mapping[str, Any]) -> float | None:
    """Return for how many seconds an answer asks to wait, by its Retry-After or its Status; at most a minute.

    None means that it does not ask for that.
    """
    for value in (header, details.get("retryAfterSeconds")):
        with contextlib.suppress(TypeError, ValueError, OverflowError):  # missing, or no number
            return min(60.0, max(0.0, float(value or "nothing")))
    with contextlib.suppress(TypeError, ValueError, OverflowError):  # missing, or no date
        return min(60.0, max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time()))
    return None
