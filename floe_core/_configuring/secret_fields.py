"""Finds the secrets of a configuration, and the secret fields of a schema.

A JSON schema is not enough (`Secret[int]` leaves no trace in it), so the model's types and the configuration
are walked together.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from floe_core._configuring.config_shape import Fields, Items, JsonText, Secret, Shape, Values, shapes

if TYPE_CHECKING:
    from pydantic import BaseModel

# A linked list, innermost part first, because a user's configuration can be nested to any depth.
_Path = tuple[str, Any] | None
_NESTED = (Fields, Items, Values)
_Step = tuple[list[Any], Any, _Path]

_MOST_PATHS = 4
_MOST_STEPS = 200


def plaintext_secrets(schema: type[BaseModel], plain: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths at which `plain` gives a value to a Secret field, in the order of `plain`.

    A field is found by its name and by each of its aliases; keys of free mappings are shown as `*`.
    """
    return list(dict.fromkeys(_dotted(path) for path, _ in _secrets(schema, plain)))


def secret_values(schema: type[BaseModel], config: Mapping[str, Any]) -> set[str]:
    """Return every scalar that `config` gives to a Secret field or within one, as text."""
    # A Python object, unlike JSON, can contain itself.
    return {text for _, value in _secrets(schema, config, once=True) for text in _scalars(value)}


def secret_paths(alternatives: Sequence[Shape], prefix: str) -> tuple[str, ...]:
    """Return the dotted paths of secret fields at `prefix` and below it, nearest first, at most four.

    The items of a list are represented by the first. Keys of free mappings cannot be known, so what is below
    them is left out.
    """
    found: dict[str, None] = {}
    todo = deque([(list(alternatives), prefix)])
    for _ in range(_MOST_STEPS):
        if not todo or len(found) == _MOST_PATHS:
            break
        states, path = todo.popleft()
        if any(isinstance(shape, Secret) for shape in states):
            found.setdefault(path)
            continue
        for shape in states:
            if isinstance(shape, Fields):
                todo.extend((shapes(shape.names[name]), _joined(path, name)) for name in shape.spelled)
            elif isinstance(shape, Items):
                todo.append((shapes(shape.types), _joined(path, "0")))
    return tuple(found)


def _secrets(
    schema: type[BaseModel], config: Mapping[str, Any], *, once: bool = False
) -> Iterator[tuple[_Path, Any]]:
    """Yield the secrets with their paths; with `once`, only one path to each mapping and list."""
    todo: list[_Step] = [([schema], config, None)]
    seen: set[tuple[int, ...]] = set()
    while todo:
        types, value, path = todo.pop()
        if once and isinstance(value, (Mapping, list, tuple)):
            step = (id(value), *map(id, types))
            if step in seen:
                continue
            seen.add(step)
        alternatives = shapes(types)
        if _is_secret(alternatives, value):
            yield path, value
        todo.extend(reversed(_inward(alternatives, value, path)))


def _is_secret(alternatives: list[Shape], value: Any) -> bool:
    if isinstance(value, (Mapping, list, tuple)) and any(isinstance(each, _NESTED) for each in alternatives):
        return False  # such a value belongs to another alternative
    return value is not None and any(isinstance(each, Secret) for each in alternatives)


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


def _scalars(value: Any) -> Iterator[str]:
    todo, seen = [value], set()
    while todo:
        each = todo.pop()
        if isinstance(each, (Mapping, list, tuple, set, frozenset)):
            if id(each) not in seen:
                seen.add(id(each))
                todo.extend(each.values() if isinstance(each, Mapping) else each)
        elif hasattr(each, "get_secret_value"):
            todo.append(each.get_secret_value())
        elif isinstance(each, (bytes, bytearray)):
            yield each.decode(errors="replace")
        elif each is not None and not isinstance(each, bool):
            with contextlib.suppress(Exception):  # in Python, a value can be an object of anybody's class
                yield str(each)


def _dotted(path: _Path) -> str:
    parts = []
    while path is not None:
        part, path = path
        parts.append(part)
    return ".".join(reversed(parts))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
