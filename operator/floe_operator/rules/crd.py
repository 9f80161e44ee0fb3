"""The CRD in this package, and what another schema of the same kind lacks.

Pure except for reading the package's own file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml

from floe_operator.rules import foreign_json

CEL = "x-kubernetes-validations"
"""The keyword for a list of CEL rules."""

_MAP_TYPE = "x-kubernetes-map-type"
_OPEN = "x-kubernetes-preserve-unknown-fields"
_METADATA = "metadata"
"""The API server publishes a schema of its own for it."""
_GRAMMAR = re.compile(r"self == '' \|\| self\.matches\(r'(?P<pattern>[^']*)'\)")


@functools.cache
def openapi_schema() -> Mapping[str, Any]:
    """Return the CRD's own schema of a FloePlugin."""
    text = (files("floe_operator") / "crd.yaml").read_text(encoding="utf-8")
    version: Mapping[str, Any] = yaml.safe_load(text)["spec"]["versions"][0]
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def grammar(schema: Mapping[str, Any]) -> str | None:
    """Return the pattern that a CEL rule of our schema demands of a text, or None if there is no such rule.

    The rules let the empty text pass, because minLength has a better word for it.
    """
    for rule in schema.get(CEL, ()):
        if found := _GRAMMAR.fullmatch(rule["rule"]):
            return found["pattern"]
    return None


def published_schema(document: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return the schema of a kind in an OpenAPI v3 document of its API group, or None if it is not there."""
    components = foreign_json.mapping(document.get("components"))
    for schema in foreign_json.mapping(components.get("schemas")).values():
        kinds = foreign_json.mapping(schema).get("x-kubernetes-group-version-kind")
        if any(foreign_json.mapping(each).get("kind") == kind for each in foreign_json.sequence(kinds)):
            return foreign_json.mapping(schema)
    return None


def lacking(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield what a schema lacks of ours: fields, as paths such as `status.conditions[].type`, and values.

    A value is one of an enum, or the type of a map. The fields of metadata, CEL rules and what the other has
    besides are not compared. An object that preserves unknown fields lacks none.
    """
    for value in ours.get("enum", ()):
        if "enum" in theirs and value not in foreign_json.sequence(theirs["enum"]):
            yield f"{path}={value}"
    if _MAP_TYPE in ours and theirs.get(_MAP_TYPE) != ours[_MAP_TYPE]:
        yield f"{path} with {_MAP_TYPE}={ours[_MAP_TYPE]}"
    their_fields = foreign_json.mapping(theirs.get("properties"))
    for name, inner in ours.get("properties", {}).items():
        field = f"{path}.{name}".lstrip(".")
        if name not in their_fields:
            if not theirs.get(_OPEN):
                yield field
        elif field != _METADATA:
            yield from lacking(inner, foreign_json.mapping(their_fields[name]), field)
    if "items" in ours:
        yield from lacking(ours["items"], foreign_json.mapping(theirs.get("items")), f"{path}[]")
