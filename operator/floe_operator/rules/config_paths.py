"""Paths into a configuration, as manifests write them: `feeds[0].auth.token`.

Pure. The grammar is that of the CRD, which is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Steps = tuple[str | int, ...]
"""The keys of mappings and the indices of lists on the way to a value."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def steps_of(path: str) -> Steps:
    """Return the steps of a path: `a[0].b` has the steps "a", 0 and "b"."""
    return tuple(int(index) if index else key for index, key in _STEP.findall(path))


def keys_of(path: str) -> tuple[str, ...]:
    """Return the steps of a path as text, as the faults of a configuration name them."""
    return tuple(map(str, steps_of(path)))


def leads_into_list(steps: Steps) -> bool:
    """Return True if a path has an index."""
    return any(isinstance(step, int) for step in steps)


def gives(value: object, steps: Steps) -> bool:
    """Return True if a value gives something at a path: a null is something, except as an item of a list."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
            value = value[step]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return False
    return value is not None or not isinstance(steps[-1], int)


def with_place(value: object, steps: Steps) -> Any:
    """Return a value that has something at a path: null where nothing was, unless the path cannot go on."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int) and (value is None or isinstance(value, list)):
        items = list(value or ())
        items += [None] * (step + 1 - len(items))
        items[step] = with_place(items[step], rest)
        return items
    if isinstance(step, str) and (value is None or isinstance(value, Mapping)):
        mapping = dict(value or {})
        mapping[step] = with_place(mapping.get(step), rest)
        return mapping
    return value


def with_value(value: object, steps: Steps, leaf: object) -> Any:
    """Return a value with `leaf` at a path; nothing in the given value is changed.

    What is missing on the way is created, and what leads nowhere is replaced; a list that is too short gets
    nulls.
    """
    if not steps:
        return leaf
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(value) if isinstance(value, list) else []
        items += [None] * (step + 1 - len(items))
        items[step] = with_value(items[step], rest, leaf)
        return items
    mapping = dict(value) if isinstance(value, Mapping) else {}
    mapping[step] = with_value(mapping.get(step), rest, leaf)
    return mapping
