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
    NotAdmitted,
    NotFound,
    NotInSchema,
    ProxyFailed,
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


QUOTA = (
    'floeplugins.floe.dev "dbt-a" is forbidden: exceeded quota: mirrors, requested: 1, used: 1, limited: 1'
)
ANONYMOUS = 'forbidden: User "system:anonymous" cannot get path "/apis/floe.dev/v1alpha1"'
PLUGIN = 'floeplugins.floe.dev "dbt-a" is forbidden: denied by Policy:'
POLICY = (
    'floeplugins.floe.dev "dbt-a" is forbidden: ValidatingAdmissionPolicy "p" denied request: '
    "needs a cost-centre"
)
TYPED_PATCH = (
    "failed to create typed patch object (floe/dbt-a; floe.dev/v1alpha1, Kind=FloePlugin): "
    ".status.inUse: field not declared in schema"
)
WEBHOOK = 'Internal error occurred: failed calling webhook "w.x": failed to call webhook: Post "https://w.x":'
PATCH_FAILED = "the server rejected our request due to an error in our request"
UNKNOWN_TYPE = 'FloePlugin.floe.dev "x-a" is invalid: [spec.type: Unsupported value: "quantum"'
UNSUPPORTED = (
    'FloePlugin.floe.dev "dbt-a" is invalid: status.conditions[0].status: Unsupported value: "Maybe"'
)


def status(message: str, **more: Any) -> bytes:
    return json.dumps({"kind": "Status", "status": "Failure", "message": message, **more}).encode()


def cause(reason: object) -> dict[str, Any]:
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
    "no right to act as somebody else": (
        403,
        status('users "admin" is forbidden: User "jane" cannot impersonate resource "users" in API group ""'),
        MissingRight,
        '"jane" may not act as whom the kubeconfig names in `as`',
    ),
    "no right to act as somebody else, newer": (
        403,
        status('forbidden: User "jane" cannot impersonate-on:user-info:get path "/apis/floe.dev/v1alpha1"'),
        MissingRight,
        "remove `as`",
    ),
    "no credentials at all": (403, status(ANONYMOUS), MissingRight, "system:anonymous"),
    "a firewall": (403, b"<html>", Refused, "HTTP 403"),
    "a gateway's JSON": (403, b'{"message": "blocked"}', Refused, "blocked"),
    "an admission plugin": (403, status(f"{PLUGIN} no pods"), NotAdmitted, "denied by Policy: no pods"),
    "a quota": (403, status(QUOTA), NotAdmitted, "exceeded quota: mirrors"),
    "an admission policy with its own code": (422, status(POLICY), NotAdmitted, "needs a cost-centre"),
    "an admission policy with code 413": (413, status(POLICY), NotAdmitted, "needs a cost-centre"),
    "a webhook with code 404": (
        404,
        status('admission webhook "w.x" denied the request'),
        NotAdmitted,
        "w.x",
    ),
    "a webhook": (400, status('admission webhook "w.x" denied the request: no'), NotAdmitted, "denied"),
    "a webhook that is down": (500, status(f"{WEBHOOK} connect: refused"), NotAdmitted, "w.x"),
    "a webhook that is slow": (504, status(f"{WEBHOOK} deadline exceeded"), NotAdmitted, "deadline"),
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
    "a server error": (500, status("etcdserver: no leader"), ClusterUnreachable, "no leader"),
    "a server that is not there": (502, b"<html>", ProxyFailed, "answered 502 instead of the API server"),
    "a proxy error": (503, b"", ProxyFailed, "HTTP 503"),
    "a page that is not found": (404, b"<html>", Refused, "HTTP 404"),
    "an invalid object": (422, status('FloePlugin "a" is invalid: spec.name: no'), Refused, "spec.name"),
    "a JSON patch of an object that has changed": (422, status(PATCH_FAILED), Conflict, "no longer"),
    "a status field that an older CRD lacks": (500, status(TYPED_PATCH), NotInSchema, ".status.inUse"),
    "a status value that an older CRD lacks": (422, status(UNSUPPORTED), NotInSchema, "Unsupported value"),
    "several such values": (422, status(f"{UNKNOWN_TYPE}, status.x: no]"), NotInSchema, "status.x"),
    "a type that an older CRD lacks": (422, status(UNKNOWN_TYPE), NotInSchema, '"quantum"'),
    "an admission policy, overloaded": (429, status(POLICY), ClusterUnreachable, "429"),
    "too large": (413, status("limit is 3145728"), Refused, "limit"),
    "damaged JSON": (400, b'{"message": ', Refused, "HTTP 400"),
    "JSON that is not an object": (400, b"[]", Refused, "HTTP 400"),
    "an empty Status": (400, b'{"message": null, "details": null}', Refused, "HTTP 400"),
    "seconds of 400 digits": (
        503,
        status("m", details={"retryAfterSeconds": 10**400}),
        ClusterUnreachable,
        "m",
    ),
    "malformed causes": (403, status(ROLE, details={"causes": ["text"]}), MissingRight, "patch"),
    "causes that are a number": (409, status("m", details={"causes": 5}), Conflict, "m"),
    "details that are text": (409, status("m", details="x"), Conflict, "m"),
    "a cause with a list as its reason": (409, status("m", **cause(["x"])), Conflict, "m"),
    "deep JSON": (400, b"[" * 20_000 + b"]" * 20_000, Refused, "HTTP 400"),
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
        ("-5", {}, 0.0),
        ("nan", {}, 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", {}, 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", {}, 0.0),
        ("tomorrow", {}, None),
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
