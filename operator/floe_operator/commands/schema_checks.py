"""Finds what in one plugin's schema would make a validator refuse the documents of all plugins. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

_IN_PLACE = ("allOf", "anyOf", "if", "then", "else", "not")
_REFERENCE = re.compile(r"#[-A-Za-z0-9._~!$&'()*+,;=:@/%]*")


class UnusableSchema(Exception):
    """A plugin's schema that no validator could use; the text says why."""


def check(config: Any, definitions: Mapping[str, Any], root: str, references: Iterable[str]) -> None:
    """Check the form of a configuration's schema at the pointer `root`, and the references in it.

    Raises:
        UnusableSchema: A keyword has a wrong value, or a reference leads nowhere or back to itself.
    """
    try:
        Draft7Validator.check_schema({**config, "definitions": definitions})
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "its root"
        raise UnusableSchema(f"it is not a JSON schema: {place} is not what JSON Schema defines") from None
    places = {f"#/definitions/{name}": inner for name, inner in definitions.items()} | {root: config}
    graph = {pointer: set(_in_place(inner)) for pointer, inner in places.items()}
    for reference in references:
        found = _target(reference, places)
        if found is None:
            raise UnusableSchema(f"it refers to {reference}, which it does not contain")
        graph[reference] = set(_in_place(found))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise UnusableSchema(f"its reference to {error.args[1][0]} leads back to itself") from None


def _target(reference: str, places: Mapping[str, Any]) -> Any:
    """Return what a reference points to, or None."""
    if not _REFERENCE.fullmatch(reference):
        return None
    base = max((place for place in places if f"{reference}/".startswith(f"{place}/")), key=len, default=None)
    if base is None:
        return None
    found = places[base]
    for step in reference.removeprefix(base).split("/")[1:]:
        key: Any = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            key = int(key)
        elif not (isinstance(found, Mapping) and key in found):
            return None
        found = found[key]
    return found if isinstance(found, Mapping | bool) else None


def _in_place(schema: Any) -> Iterator[str]:
    """Yield the references that apply to the same value as the schema."""
    todo = [schema]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo.extend(each)
        elif isinstance(each, Mapping):
            if isinstance(each.get("$ref"), str):
                yield each["$ref"]
            todo.extend(each[word] for word in _IN_PLACE if word in each)
