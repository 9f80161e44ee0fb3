"""Whether two validated configurations are the same.

Values of different types are different, although `1 == True`. Private attributes do not count, at any depth:
they hold locks, caches and the like, which nobody configures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def is_same(one: object, other: object) -> bool:
    """Return True if both were configured alike; False if that cannot be told."""
    try:
        return _is_same(one, other)
    except Exception:  # noqa: BLE001 - comparing a value can be plugin code
        return False


def snapshot(config: BaseModel | None) -> BaseModel | None:
    """Return a copy that stays the same whatever happens to the original; None if there can be none."""
    try:
        return config.model_copy(deep=True) if config is not None else None
    except Exception:  # noqa: BLE001 - copying a value can be plugin code
        return None


def _is_same(one: Any, other: Any) -> bool:
    from pydantic import BaseModel

    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        fields = type(one).model_fields
        values = ((vars(one).get(name), vars(other).get(name)) for name in fields)
        return all(_is_same(*pair) for pair in values) and _is_same(one.model_extra, other.model_extra)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)  # nan is nan, and 0.0 is not -0.0
    return bool(one == other)
