"""Finds secrets that a configuration gives in plain text.

A JSON schema is not enough (`Secret[int]` leaves no trace in it), so the model's types and the configuration
are walked together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from floe_core._configuring.config_shape import Fields, Items, JsonText, Secret, Shape, Values, shapes

if TYPE_CHECKING:
    from pydantic import BaseModel

# A linked list, innermost part first, because a user's configuration can be nested to any depth.
_Path = tuple[str, Any] | None
_NESTED = (Fields, Items, Values)
_Step = tuple[list[Any], Any, _Path]


def plaintext_secrets(schema: type[BaseModel], plain: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths at which `plain` gives a value to a Secret field, in the order of `plain`.

    A field is found by its name and by each of its aliases; keys of free mappings are shown as `*`.
    """
    found: dict[str, None] = {}
    todo: list[_Step] = [([schema], plain, None)]
    while todo:
        types, value, path = todo.pop()
        alternatives = shapes(types)
        if _is_secret(alternatives, value):
            found.setdefault(_dotted(path))
        todo.extend(reversed(_inward(alternatives, value, path)))
    return list(found)


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


def _dotted(path: _Path) -> str:
    parts = []
    while path is not None:
        part, path = path
        parts.append(part)
    return ".".join(reversed(parts))
