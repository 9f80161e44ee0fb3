"""Finds every value of a configuration that might be a secret, whatever its shape.

Rather too many than too few: a value that does not fit the schema counts as secret if the schema has a secret
there or below, and so does what an unknown key gives beside secret fields.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

from floe_core._configuring.config_shape import (
    SECRETS,
    Fields,
    Items,
    JsonText,
    Shape,
    Values,
    has_secret,
    members_of,
    shapes,
)

_LEAST_UNCERTAIN = 6
"""Characters of a text that counts as secret although it might be something else; a shorter one is a word."""
_SEQUENCES = (list, tuple, AbstractSet)
_Step = tuple[list[Any], Any, bool]
"""Types, a value, and whether it is known to be of these types."""


def secret_values(schema: type[BaseModel], config: Mapping[str, Any]) -> set[str]:
    """Return every scalar that is, or might be, the value of a Secret field or a part of it, as text."""
    return set(_Search().texts(schema, config))


class _Search:
    def __init__(self) -> None:
        # Both hold what they have seen: an id is free for another object once its own is gone.
        self._seen: dict[tuple[int, ...], _Step] = {}
        self._holding: dict[tuple[int, ...], tuple[list[Any], bool]] = {}

    def texts(self, schema: type[BaseModel], config: Mapping[str, Any]) -> Iterator[str]:
        todo: list[_Step] = [([schema], config, True)]
        while todo:
            step = types, value, is_known = todo.pop()
            key = (id(value), is_known, *map(id, types))
            if key in self._seen:
                continue
            self._seen[key] = step
            alternatives = shapes(types)
            inner = None if has_secret(alternatives) else _inward(alternatives, value)
            if inner is not None:
                todo.extend((types, each, is_known and fits) for types, each, fits in inner)
            elif is_known and has_secret(alternatives):
                yield from _scalars(value)
            elif self._holds_secret(types):
                yield from (text for text in _scalars(value) if len(text) >= _LEAST_UNCERTAIN)

    def _holds_secret(self, types: list[Any]) -> bool:
        """Return True if one of the types is a secret or can contain one."""
        key = tuple(map(id, types))
        if key not in self._holding:
            self._holding[key] = types, any(has_secret(each) for each in _shapes_within(types))
        return self._holding[key][1]


def _shapes_within(types: Collection[Any]) -> Iterator[list[Shape]]:
    """Yield the shapes of types and of everything within them, once each."""
    todo, seen = [types], {}
    while todo:
        each = todo.pop()
        key = tuple(map(id, each))
        if key not in seen:
            seen[key] = each
            alternatives = shapes(each)
            yield alternatives
            todo.extend(inner for shape in alternatives for inner in _types_within(shape))


def _types_within(shape: Shape) -> Iterator[Collection[Any]]:
    if isinstance(shape, Fields):
        yield from shape.names.values()
    elif isinstance(shape, Items):
        yield shape.types
    elif isinstance(shape, Values):
        yield from ((shape.key,), (shape.value,))
    elif isinstance(shape, JsonText):
        yield (shape.type,)


def _inward(alternatives: list[Shape], value: Any) -> list[_Step] | None:
    """Return the parts of a value with their types, or None if it fits no alternative that has parts."""
    if isinstance(value, str):
        return _into_json(alternatives, value)
    if isinstance(value, _SEQUENCES):
        types = [each for shape in alternatives if isinstance(shape, Items) for each in shape.types]
        return [(types, item, True) for item in value] if types else None
    members = members_of(value)
    return None if members is None else _into_members(alternatives, members)


def _into_json(alternatives: list[Shape], text: str) -> list[_Step] | None:
    types = [shape.type for shape in alternatives if isinstance(shape, JsonText)]
    try:
        return [(types, json.loads(text), True)] if types else None
    except (ValueError, RecursionError):
        return None


def _into_members(alternatives: list[Shape], members: Mapping[Any, Any]) -> list[_Step] | None:
    named = [shape.names for shape in alternatives if isinstance(shape, Fields)]
    free = [shape for shape in alternatives if isinstance(shape, Values)]
    if not named and not free:
        return None
    every = [each for names in named for types in names.values() for each in types]
    steps: list[_Step] = []
    for key, inner in members.items():
        types = [each for names in named for each in names.get(key, ())]
        if free:
            steps.append(([shape.key for shape in free], key, True))
            types += [shape.value for shape in free]
        steps.append((types or every, inner, bool(types)))
    return steps


def _scalars(value: Any) -> Iterator[str]:
    todo, seen = [value], {}
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, SECRETS):
            with contextlib.suppress(Exception):  # anybody's subclass
                todo.append(each.get_secret_value())
        elif isinstance(each, _SEQUENCES):
            todo.extend(each)
        elif (members := members_of(each)) is not None:
            todo.extend(members.values())
            todo.extend(members)
        elif isinstance(each, (bytes, bytearray)):
            yield each.decode(errors="replace")
        elif isinstance(each, (str, int, float)) and not isinstance(each, bool):
            yield str(each)
        elif each is not None and not isinstance(each, bool):
            with contextlib.suppress(Exception):  # an object of anybody's class
                yield str(each)
