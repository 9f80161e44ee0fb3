"""How to give a configuration what it lacks: a secret never goes into spec.config.

Pure. Secret fields are dotted paths, as in the faults of a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from floe_operator.rules.conditions import bounded
from floe_operator.rules.resource import PATH_PATTERN
from floe_operator.rules.sentences import dotted, listing

_MOST_PATHS = 3
_SHOWN_BYTES = 96
_INDEX = re.compile(r"[0-9]{1,4}")
_IS_PATH = re.compile(PATH_PATTERN.removesuffix("$"))


def set_all(plain: Sequence[str], secrets: Sequence[str]) -> str:
    """Return how to give missing fields and, if there are any, these secret fields at or below them."""
    if not secrets:
        return f"set {'them' if len(plain) > 1 else 'it'} in spec.config or through spec.configFrom"
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
    return listing((bounded(_shown(field), _SHOWN_BYTES) for field in fields), most=_MOST_PATHS)


def _refer(secrets: Sequence[str]) -> str:
    """Return how to refer to a Secret; the keys of some mappings cannot stand in a path."""
    refer = "refer to it by spec.configFrom"
    if not secrets or not all(map(_IS_PATH.fullmatch, map(_shown, secrets))):
        return refer
    place = ", with null in its place in spec.config" if any(map(_is_item, secrets)) else ""
    return f"{refer}, path: {_named(secrets)}{place}"


def _shown(field: str) -> str:
    """Return a dotted path as the `path` of an entry of spec.configFrom."""
    return dotted([int(step) if _INDEX.fullmatch(step) else step for step in field.split(".")])


def _is_item(field: str) -> bool:
    return bool(_INDEX.fullmatch(field.rpartition(".")[2]))
