"""Reads the lines of a watch: events whose parts have the types that the API promises, or an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from aiohttp import StreamReader

from floe_operator.rules import foreign_json

GONE = 410
"""The code of an ERROR after which a watch must begin with a new listing."""


_LONGEST_LINE = 32 * 1024 * 1024
"""Bytes; an API server stores objects of at most some megabytes."""


class MalformedEvent(ValueError):
    """A line is not an event."""


class Event(NamedTuple):
    """A line of a watch: what happened, and the object (or, of an ERROR, the metav1.Status)."""

    type: str
    object: Mapping[str, Any]

    @property
    def is_change(self) -> bool:
        """Whether an object was created, changed or deleted."""
        return self.type not in ("BOOKMARK", "ERROR")

    @property
    def is_expired(self) -> bool:
        """Whether the API server no longer knows the history since the version asked for."""
        return self.type == "ERROR" and self.object.get("code") == GONE

    @property
    def error(self) -> str:
        """What an ERROR says; empty for other events."""
        return " ".join(foreign_json.text(self.object.get("message")).split()) if self.type == "ERROR" else ""


def event(value: object) -> Event:
    """Return a JSON value as an event.

    Raises:
        MalformedEvent: The value is no event, or its object lacks what identifies an object.
    """
    parts = foreign_json.mapping(value)
    kind, found = parts.get("type"), parts.get("object")
    match kind:
        case "ADDED" | "MODIFIED" | "DELETED" if foreign_json.is_object(found):
            return Event(kind, foreign_json.mapping(found))
        case "BOOKMARK" if foreign_json.text(_metadata(found).get("resourceVersion")):
            return Event(kind, foreign_json.mapping(found))
        case "ERROR" if isinstance(foreign_json.mapping(found).get("code"), int):
            return Event(kind, foreign_json.mapping(found))
        case str() if kind.isalpha():
            raise MalformedEvent(f"an event of type {kind[:20]} without what belongs to it")
        case _:
            raise MalformedEvent("a line that is not an event")


async def lines(content: StreamReader) -> AsyncIterator[bytes]:
    """Yield the complete lines of a stream, of any length; what is cut off at its end is left out."""
    begun: list[bytes] = []
    async for data in content.iter_any():
        head, *rest = data.split(b"\n")
        begun.append(head)
        if not rest and sum(map(len, begun)) > _LONGEST_LINE:
            raise MalformedEvent(f"a line of more than {_LONGEST_LINE} bytes")
        for following in rest:
            if line := b"".join(begun):
                yield line
            begun = [following]


def _metadata(found: object) -> Mapping[str, Any]:
    return foreign_json.mapping(foreign_json.mapping(found).get("metadata"))
