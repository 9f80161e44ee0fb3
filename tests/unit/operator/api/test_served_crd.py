"""What the operator learns about an older CRD: from its schema, or from refusals if that is not published."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any, cast

from floe_operator.api import served_crd
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


async def test_where_the_schema_is_not_published_a_refusal_tells_for_a_while_what_is_unserved() -> None:
    served = crd(None)
    await served.refused(REFUSAL)
    served.accepted()
    assert served.unserved == {"inUse"}
    # As if it was long ago: by then the CRD may have been renewed.
    served._refused_at -= served_crd._REFUSAL_SECONDS + 1
    assert served.unserved == frozenset()


async def test_a_published_schema_is_believed_over_an_earlier_refusal() -> None:
    served = crd(copy.deepcopy(dict(openapi_schema())))
    await served.refused(REFUSAL)
    assert served.unserved == {"inUse"}
    await served.compare()
    assert served.unserved == frozenset()
