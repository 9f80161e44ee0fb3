"""JSON as the API server stores it, so that what was written compares equal with what is read.

This matters for a plugin's JSON schema, the one part of a status whose shape is not ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def as_stored(value: object) -> Any:
    """Return JSON as it comes back from the API server.

    Go keeps whole numbers in 64 bits and others as doubles. What is not JSON (infinities, objects) becomes
    null, and lone surrogates are replaced.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, (dict, Mapping)):  # a dict first: an abstract class takes long to compare with
        return {_text(str(key)): as_stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_stored(item) for item in value]
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else as_stored(_double(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None


def json_bytes(value: object) -> int:
    """Return how long a value is as compact JSON, in bytes."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
