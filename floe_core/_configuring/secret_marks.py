"""Marks the secrets in a JSON schema: the values that the judge of plaintext secrets calls so.

pydantic writes SecretStr as a string with the format "password" that is writeOnly. A plain string can be
written so, too, and `Secret[int]` leaves no trace; so the model's types decide. What JSON Schema does not
reach is not marked: secrets below an AliasPath, and those in a string of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from floe_core._configuring.config_shape import Fields, Items, Secret, Shape, Values, has_secret, shapes

_Json = dict[str, Any]
_SECRET = {"type": "string", "format": "password", "writeOnly": True}
_ABOUT = ("title", "description", "deprecated", "examples")
_NESTED = (Fields, Items, Values)


def mark_secrets(alternatives: Sequence[Shape], written: MutableMapping[str, Any]) -> None:
    """Mark the secrets in the schema of a class, and unmark what only looks like one."""
    properties = written.get("properties", {})
    for shape in alternatives:
        if isinstance(shape, Fields):
            marked = {
                name: _marked(types, properties[name])
                for name, types in shape.names.items()
                if name in properties
            }
            properties.update(marked)
    if others := [shape for shape in alternatives if not isinstance(shape, Fields)]:
        marked = _marked_as(others, dict(written))
        written.clear()
        written.update(marked)


def _marked(types: Iterable[Any], written: Any) -> Any:
    return _marked_as(shapes(types), written) if isinstance(written, dict) else written


def _marked_as(alternatives: Sequence[Shape], written: _Json) -> _Json:
    """Return the schema of a value with these alternatives; a definition that it refers to marks itself."""
    has_nested = any(isinstance(shape, _NESTED) for shape in alternatives)
    if has_nested and "$ref" in written:
        return written
    if has_secret(alternatives):
        secret = {**about(written), **_SECRET}
        shapes_of_nested = [shape for shape in alternatives if not isinstance(shape, Secret)]
        nested = [
            _marked_as(shapes_of_nested, each)
            for each in _members(written)
            if "$ref" in each or each.get("type") in ("array", "object")
        ]
        return {"anyOf": [secret, *nested]} if nested and has_nested else secret
    if is_marked(written):
        written = without(written, "format", "writeOnly")
    items = [type_ for shape in alternatives if isinstance(shape, Items) for type_ in shape.types]
    values = [shape.value for shape in alternatives if isinstance(shape, Values)]
    done = dict(written)
    for word in ("anyOf", "oneOf"):
        if word in written:
            done[word] = [_marked_as(alternatives, each) for each in written[word]]
    if items and "items" in written:
        done["items"] = _marked(items, written["items"])
    if items and "prefixItems" in written:
        done["prefixItems"] = [_marked(items, each) for each in written["prefixItems"]]
    if values and "additionalProperties" in written:
        done["additionalProperties"] = _marked(values, written["additionalProperties"])
    if values and "patternProperties" in written:
        done["patternProperties"] = {
            name: _marked(values, each) for name, each in written["patternProperties"].items()
        }
    return done


def _members(written: _Json) -> Iterator[_Json]:
    choices = [*written.get("anyOf", ()), *written.get("oneOf", ())]
    for each in choices:
        yield from _members(each)
    if not choices:
        yield written


def is_marked(written: Any) -> bool:
    """Return True for the schema of a secret."""
    return (
        isinstance(written, dict) and written.get("format") == "password" and bool(written.get("writeOnly"))
    )


def about(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema tells people, without its rules."""
    return {word: written[word] for word in _ABOUT if word in written}


def without(written: Mapping[str, Any], *words: str) -> dict[str, Any]:
    """Return a schema without some of its keywords."""
    return {word: value for word, value in written.items() if word not in words}
