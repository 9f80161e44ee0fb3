"""Finds the secrets of a configuration, and the secret fields of a schema.

A JSON schema is not enough (`Secret[int]` leaves no trace in it), so the model's types and the configuration
are walked together.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from floe_core._configuring.config_shape import Fields, Items, JsonText, Shape, Values, has_secret, shapes

if TYPE_CHECKING:
    from pydantic import BaseModel

# A linked list, innermost part first, because a user's configuration can be nested to any depth.
_Path = tuple[str, Any] | None
_NESTED = (Fields, Items, Values)
_Step = tuple[list[Any], Any, _Path]

_Names = tuple[str | int, ...]

_MOST_PATHS = 32
_MOST_STEPS = 1000


def plaintext_secrets(schema: type[BaseModel], plain: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths at which `plain` gives a value to a Secret field, in the order of `plain`.

    A field is found by its name and by each of its aliases; keys of free mappings are shown as `*`.
    """
    return list(dict.fromkeys(_dotted(path) for path, _ in _secrets(schema, plain)))


class SecretPaths:
    """The dotted paths of secret fields, for the advice on the faults of one configuration.

    The items of a list are represented by one. Keys of free mappings cannot be known, so what is below them
    is left out, as is what a model that contains itself has again further down.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[list[Any], tuple[_Names, ...]]] = {}

    def below(self, types: Sequence[Any], path: str, *, item: int = 0) -> tuple[str, ...]:
        """Return the paths of the secret fields at `path` and below it, nearest first.

        In a list at `path`, the one at the index `item` is named.
        """
        key = tuple(map(id, types))
        if key not in self._known:  # with the types, so that no other object gets the id of one of them
            self._known[key] = list(types), tuple(_below(types))
        return tuple(_joined(path, *_with_item(names, item)) for names in self._known[key][1])


def _below(types: Sequence[Any]) -> Iterator[_Names]:
    found: list[_Names] = []
    todo: deque[tuple[Sequence[Any], _Names]] = deque([(types, ())])
    seen: set[frozenset[int]] = set()
    for _ in range(_MOST_STEPS):
        if not todo or len(found) == _MOST_PATHS:
            break
        inner, names = todo.popleft()
        states = shapes(inner)
        if has_secret(states):
            found.append(names)
            continue
        for shape in states:
            if isinstance(shape, Fields):
                own = frozenset(id(each) for types_ in shape.names.values() for each in types_)
                if own not in seen:
                    seen.add(own)
                    todo.extend((shape.names[name], (*names, name)) for name in shape.spelled)
            elif isinstance(shape, Items):
                todo.append((shape.types, (*names, 0)))
    for names in found:
        if not any(names[: len(other)] == other for other in found if other != names):
            yield names


def _with_item(names: _Names, item: int) -> _Names:
    return (item, *names[1:]) if names[:1] == (0,) else names


def _secrets(schema: type[BaseModel], config: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    todo: list[_Step] = [([schema], config, None)]
    while todo:
        types, value, path = todo.pop()
        alternatives = shapes(types)
        if _is_secret(alternatives, value):
            yield path, value
        todo.extend(reversed(_inward(alternatives, value, path)))


def _is_secret(alternatives: list[Shape], value: Any) -> bool:
    if isinstance(value, (Mapping, list, tuple)) and any(isinstance(each, _NESTED) for each in alternatives):
        return False  # such a value belongs to another alternative
    return value is not None and has_secret(alternatives)


def _inward(alternatives: list[Shape], value: Any, path: _Path) -> list[_Step]:
    if isinstance(value, Mapping):
        return _into_mapping(alternatives, value, path)
    if isinstance(value, (list, tuple)):
        types = [each for shape in alternatives if isinstance(shape, Items) for each in shape.types]
        return [(types, inner, (str(index), path)) for index, inner in enumerate(value)] if types else []
    types = [shape.type for shape in alternatives if isinstance(shape, JsonText)]
    if types and isinstance(value, str):
        try:
            return [(types, json.loads(value), path)]
        except (ValueError, RecursionError):
            return []
    return []


def _into_mapping(alternatives: list[Shape], value: Mapping[Any, Any], path: _Path) -> list[_Step]:
    steps: list[_Step] = []
    free = [shape for shape in alternatives if isinstance(shape, Values)]
    named = [shape.names for shape in alternatives if isinstance(shape, Fields)]
    for key, inner in value.items():
        types = [each for names in named for each in names.get(key, ())]
        if types:
            steps.append((types, inner, (str(key), path)))
        if free:
            steps.append(([shape.key for shape in free], key, ("*", path)))
            steps.append(([shape.value for shape in free], inner, ("*", path)))
    return steps


def _dotted(path: _Path) -> str:
    parts = []
    while path is not None:
        part, path = path
        parts.append(part)
    return ".".join(reversed(parts))


def _joined(path: str, *names: str | int) -> str:
    return ".".join(map(str, (path, *names) if path else names))
