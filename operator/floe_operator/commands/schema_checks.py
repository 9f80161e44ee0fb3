"""Finds what in one plugin's schema would make a validator refuse the documents of all plugins. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

_DEEPEST = 100
_IN_PLACE = ("allOf", "anyOf", "if", "then", "else", "not")
_PLAIN = re.compile(r"#[-A-Za-z0-9._/]*")
"""A pointer that needs no escapes, which validators read in different ways."""


class UnusableSchema(Exception):
    """A plugin's schema that no validator could use; the text says why."""


def check_depth(schema: Any) -> None:
    """Check that validators, which are recursive, can follow a schema.

    Raises:
        UnusableSchema: It is nested too deeply.
    """
    level = [schema]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    if level:
        raise UnusableSchema("it is nested too deeply")


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
    for reference in references:
        if reference not in places or not _PLAIN.fullmatch(reference):
            raise UnusableSchema(f"it refers to {reference}, which is none of its definitions")
    try:
        TopologicalSorter({pointer: set(_in_place(inner)) for pointer, inner in places.items()}).prepare()
    except CycleError as error:
        raise UnusableSchema(f"its reference to {error.args[1][0]} leads back to itself") from None


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
