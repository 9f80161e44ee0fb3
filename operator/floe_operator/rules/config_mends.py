"""How to give a configuration what it lacks: a secret never goes into spec.config.

Pure. Secret fields are dotted paths, as in the faults of a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from floe_operator.rules.conditions import bounded
from floe_operator.rules.sentences import dotted, listing

SET_IT = "set it in spec.config or through spec.configFrom"
_MOST_PATHS = 3
_SHOWN_BYTES = 96
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def set_all(plain: Sequence[str], secrets: Sequence[str]) -> str:
    """Return how to give missing fields and, if there are any, these secret fields at or below them."""
    if not secrets:
        return SET_IT
    if not plain:
        return by_secret(secrets)
    return f"set {_named(plain)} in spec.config, and {by_secret(secrets, its=True)}"


def by_secret(secrets: Sequence[str], *, its: bool = False) -> str:
    """Return how to give secret fields, called `it` or, with `its`, by their names."""
    what = _named(secrets) if its else "it" if len(secrets) == 1 else "each"
    return f"put {what} into a Secret and {_refer(secrets)}"


def rotate(secrets: Sequence[str]) -> str:
    """Return how to replace secrets that everybody can read."""
    each, values = ("it", "value") if len(secrets) < 2 else ("each", "values")
    return f"rotate {each}, put the new {values} into a Secret and {_refer(secrets)}"


def _named(fields: Sequence[str]) -> str:
    return listing((bounded(field, _SHOWN_BYTES) for field in fields), most=_MOST_PATHS)


def _refer(secrets: Sequence[str]) -> str:
    """Return how to refer to a Secret; the keys of some mappings cannot stand in a path."""
    paths = [_path(field) for field in secrets]
    if not paths or None in paths:
        return "refer to it by spec.configFrom"
    return f"refer to it by spec.configFrom, path: {_named([str(path) for path in paths])}"


def _path(field: str) -> str | None:
    """Return a dotted path as the `path` of an entry of spec.configFrom, or None if it cannot be one."""
    steps = [int(step) if step.isdecimal() else step for step in field.split(".")]
    names = [step for step in steps if isinstance(step, str)]
    usable = isinstance(steps[0], str) and all(map(_IDENTIFIER.fullmatch, names))
    return dotted(steps) if usable else None
