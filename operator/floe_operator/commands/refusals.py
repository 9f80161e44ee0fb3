"""Schemas that refuse a value without making validators print it, for secrets and what holds them. Pure.

With the keyword `const`, validators print what they expect; with most others, the value that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_operator.rules.sentences import followed_by, printable

NULL = {"type": "null"}
_SECRET = "a secret: put it into a Secret and refer to it by configFrom"  # noqa: S105
_CONTAINERS = {"array": "a list", "object": "a mapping"}


def is_secret(schema: Any) -> bool:
    """Return True for a schema that is marked as a secret's."""
    return (
        isinstance(schema, Mapping) and schema.get("format") == "password" and bool(schema.get("writeOnly"))
    )


def secret(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that refuses a secret with a sentence of ours.

    Null is no secret, and the sentence itself is not accepted either.
    """
    refuse = {"const": _SECRET, "not": {"const": _SECRET}, "errorMessage": _SECRET}
    return {
        "title": _SECRET,
        "description": followed_by(printable(str(schema.get("description", ""))), f"A{_SECRET[1:]}."),
        "doNotSuggest": True,
        "if": NULL,
        "else": refuse,
    }


def typed(type_: str) -> dict[str, Any]:
    """Return keywords that demand a type without making validators print the value that is there."""
    said = _CONTAINERS[type_]
    refuse = {"const": said, "not": {"const": said}, "errorMessage": f"{said} is expected"}
    return {"if": {"not": {"type": type_}}, "then": refuse}
