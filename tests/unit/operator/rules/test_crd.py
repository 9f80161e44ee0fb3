"""What another schema of the kind lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from floe_operator.rules.crd import lacking, openapi_schema, published_schema


def parts(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    for step in path:
        schema = schema[step]
    return schema


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "nothing": (lambda schema: None, []),
    "a status field": (
        lambda schema: parts(schema, "properties", "status", "properties").pop("description"),
        ["status.description"],
    ),
    "the whole status": (lambda schema: parts(schema, "properties").pop("status"), ["status"]),
    "a field in a list": (
        lambda schema: parts(
            schema, "properties", "spec", "properties", "configFrom", "items", "properties"
        ).pop("path"),
        ["spec.configFrom[].path"],
    ),
    "a plugin type": (
        lambda schema: parts(schema, "properties", "spec", "properties", "type", "enum").remove("dbt"),  # type: ignore[attr-defined]
        ["spec.type=dbt"],
    ),
    "an enum": (
        lambda schema: parts(schema, "properties", "spec", "properties", "type").pop("enum"),
        [],
    ),
    "all properties, as with nonsense": (
        lambda schema: schema.update(properties=[5]),
        ["apiVersion", "kind", "metadata", "spec", "status"],
    ),
    "all fields of status, but it takes any": (
        lambda schema: parts(schema, "properties").update(
            status={"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        ),
        [],
    ),
    "a field that is nonsense": (
        lambda schema: parts(schema, "properties", "status", "properties").update(conditions="x"),
        [
            f"status.conditions[].{field}"
            for field in ("lastTransitionTime", "message", "observedGeneration", "reason", "status", "type")
        ],
    ),
}


@pytest.mark.parametrize(("change", "lacks"), CHANGES.values(), ids=CHANGES)
def test_what_a_schema_lacks_is_named_by_its_path(
    change: Callable[[dict[str, Any]], object], lacks: list[str]
) -> None:
    served = copy.deepcopy(dict(openapi_schema()))
    change(served)
    assert sorted(lacking(openapi_schema(), served)) == lacks


def test_what_a_newer_schema_has_besides_does_not_count() -> None:
    served = copy.deepcopy(dict(openapi_schema()))
    parts(served, "properties", "status", "properties")["future"] = {"type": "string"}
    parts(served, "properties", "spec", "properties", "type", "enum").append("quantum")  # type: ignore[attr-defined]
    assert list(lacking(openapi_schema(), served)) == []


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({}, None),
        ({"components": "x"}, None),
        ({"components": {"schemas": {"a": "x", "b": {"x-kubernetes-group-version-kind": ["x"]}}}}, None),
        (
            {"components": {"schemas": {"b": {"x-kubernetes-group-version-kind": [{"kind": "FloePlugin"}]}}}},
            {"x-kubernetes-group-version-kind": [{"kind": "FloePlugin"}]},
        ),
    ],
)
def test_the_schema_of_a_kind_is_found_in_the_document_of_its_group(
    document: dict[str, Any], found: dict[str, Any] | None
) -> None:
    assert published_schema(document, "FloePlugin") == found
