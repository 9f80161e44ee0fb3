"""What the operator learns about an older CRD: from its schema, or from refusals if that is not published."""

from __future__ import annotations

import copy
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floe_operator.api.connection import Connection
from floe_operator.api.errors import MissingRight, NotInSchema
from floe_operator.api.served_crd import ServedCrd
from floe_operator.rules.crd import openapi_schema

REFUSAL = NotInSchema(
    "failed to create typed patch object (ns/x; floe.dev/v1alpha1, Kind=FloePlugin): errors:\n"
    "  .status.inUse: field not declared in schema\n"
    "  .status.distribution.version: field not declared in schema"
)


def crd(schema: dict[str, Any] | None) -> ServedCrd:
    """Return the CRD of an API server that publishes this schema, or none to us."""

    async def request(*_: object) -> dict[str, Any]:
        if schema is None:
            raise MissingRight("not for you", right="get openapi")
        kind = {"x-kubernetes-group-version-kind": [{"kind": "FloePlugin"}]}
        return {"components": {"schemas": {"x": {**schema, **kind}}}}

    return ServedCrd(cast("Connection", SimpleNamespace(request=request)))


def older() -> dict[str, Any]:
    """Return our schema without a field, a field of a field and a value."""
    schema = copy.deepcopy(dict(openapi_schema()))
    status = schema["properties"]["status"]["properties"]
    del status["inUse"]
    del status["distribution"]["properties"]["version"]
    status["conditions"]["items"]["properties"]["status"]["enum"].remove("True")
    return schema


async def test_the_fields_of_a_status_that_the_schema_lacks_are_unserved() -> None:
    served = crd(older())
    assert served.unserved == frozenset()
    await served.compare()
    assert served.unserved == {"inUse"}
    assert all(lack in served.fault for lack in ("status.inUse", "status.distribution.version", "=True"))


async def test_where_the_schema_is_not_published_a_refusal_tells_for_a_while_what_is_unserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = crd(None)
    await served.refused(REFUSAL)
    served.accepted()  # without the field
    assert served.unserved == {"inUse"}
    assert "is older than this operator: it has no status.inUse; renew it" in served.fault
    later = time.monotonic() + 1_000
    monkeypatch.setattr(time, "monotonic", lambda: later)
    # By then the CRD may have been renewed.
    assert (served.unserved, served.fault) == (frozenset(), "")
    await served.refused(NotInSchema(".status.entryPoint: field not declared in schema"))
    assert served.unserved == {"entryPoint"}


async def test_what_is_published_is_believed_over_an_earlier_refusal() -> None:
    served = crd(copy.deepcopy(dict(openapi_schema())))
    await served.refused(REFUSAL)
    assert served.unserved == {"inUse"}
    await served.compare()
    assert (served.unserved, served.fault) == (frozenset(), "")


async def test_a_refusal_of_something_else_ends_with_the_next_accepted_status() -> None:
    served = crd(None)
    await served.refused(NotInSchema('status.conditions[0].status: Unsupported value: "True"'))
    assert "Unsupported value" in served.fault
    served.accepted()
    assert (served.unserved, served.fault) == (frozenset(), "")
