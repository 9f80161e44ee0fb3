"""What an answer from the API server means to the operator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from floe_operator.api.errors import (
    ClusterUnreachable,
    Conflict,
    MissingRight,
    NamespaceTerminating,
    NotFound,
    Refused,
    Unauthorized,
    from_status,
)
from floe_operator.rules.results import RetryableError

ROLE = (
    'floeplugins.floe.dev "dbt-a" is forbidden: User "u" cannot patch resource "floeplugins/status" in API '
    'group "floe.dev" in the namespace "floe"'
)
CLUSTER_ROLE = (
    'nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope'
)
TERMINATING = "is forbidden: unable to create new content in namespace floe because it is being terminated"
KIND_TERMINATES = (
    'floeplugins.floe.dev "dbt-a" is forbidden: create not allowed while custom resource definition is '
    "terminating"
)


def status(message: str, **more: Any) -> bytes:
    return json.dumps({"kind": "Status", "status": "Failure", "message": message, **more}).encode()


def cause(reason: str) -> dict[str, Any]:
    return {"details": {"causes": [{"reason": reason, "message": "m", "field": "f"}]}}


ANSWERS = {
    "no credentials": (401, status("Unauthorized"), Unauthorized, "check the kubeconfig"),
    "a missing permission": (
        403,
        status(ROLE),
        MissingRight,
        'verb "patch" on resource "floeplugins/status"',
    ),
    "the namespace is named": (403, status(ROLE), MissingRight, 'a Role in namespace "floe"'),
    "a cluster-wide permission": (403, status(CLUSTER_ROLE), MissingRight, "a ClusterRole"),
    "an admission plugin": (403, status("denied by policy"), MissingRight, "denied by policy"),
    "the namespace is being deleted": (
        403,
        status(TERMINATING, **cause("NamespaceTerminating")),
        NamespaceTerminating,
        "terminated",
    ),
    "the namespace is being deleted, as a conflict": (
        409,
        status(TERMINATING, **cause("NamespaceTerminating")),
        NamespaceTerminating,
        "terminated",
    ),
    "the CRD is being deleted": (403, status(KIND_TERMINATES), NotFound, "terminating"),
    "no such object": (404, status("not found"), NotFound, "not found"),
    "no such kind": (404, b"404 page not found\n", NotFound, "HTTP 404"),
    "another field manager": (409, status("conflict with someone"), Conflict, "conflict with someone"),
    "too many requests": (429, status("storage is (re)initializing"), ClusterUnreachable, "(re)initializing"),
    "a server error": (500, b"<html>", ClusterUnreachable, "HTTP 500"),
    "a proxy error": (503, b"", ClusterUnreachable, "HTTP 503"),
    "an invalid object": (422, status("spec.name: Invalid value"), Refused, "spec.name"),
    "too large": (413, status("limit is 3145728"), Refused, "limit"),
    "damaged JSON": (400, b'{"message": ', Refused, "HTTP 400"),
    "JSON that is not an object": (400, b"[]", Refused, "HTTP 400"),
    "an empty Status": (400, b'{"message": null, "details": null}', Refused, "HTTP 400"),
    "malformed causes": (403, status(ROLE, details={"causes": ["text"]}), MissingRight, "patch"),
}


@pytest.mark.parametrize(("code", "body", "kind", "says"), ANSWERS.values(), ids=ANSWERS)
def test_each_answer_becomes_an_error_that_says_what_helps(
    code: int, body: bytes, kind: type[Exception], says: str
) -> None:
    error = from_status(code, body)
    assert type(error) is kind
    assert isinstance(error, RetryableError)
    assert says in str(error)
    assert "\n" not in str(error)


def test_a_missing_permission_is_also_available_to_programs() -> None:
    error = from_status(403, status(ROLE))
    assert isinstance(error, MissingRight)
    assert error.right == "patch floeplugins/status"


@pytest.mark.parametrize(
    ("header", "details", "after"),
    [
        ("7", {}, 7.0),
        (None, {"retryAfterSeconds": 3}, 3.0),
        ("7", {"retryAfterSeconds": 3}, 7.0),
        ("86400", {}, 60.0),
        ("Wed, 21 Oct 2030 07:28:00 GMT", {}, None),
        (None, {"retryAfterSeconds": "soon"}, None),
        (None, {}, None),
    ],
)
def test_a_retry_after_of_the_api_server_is_followed_up_to_a_minute(
    header: str | None, details: dict[str, Any], after: float | None
) -> None:
    assert from_status(429, status("later", details=details), header).after == after


def test_the_length_of_a_message_is_bounded() -> None:
    assert len(str(from_status(422, status("x" * 100_000)))) < 2_000
