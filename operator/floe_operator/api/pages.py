"""The pages of a listing: asks for one after another, and reads which objects are in each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.rules import foreign_json
from floe_operator.rules.sentences import listing

METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
"""The Accept header for objects without contents; format with "List" for a listing, else with ""."""


class Page(NamedTuple):
    """A page of a listing."""

    objects: list[dict[str, Any]]
    """The items that are objects: their metadata has a name, a uid and a version."""
    names: list[str]
    """The names of all items that have one: what they name exists, even if the item is no object."""
    left_out: str
    """A sentence about the items that are no objects; empty if all are."""
    version: str
    """The listing's resourceVersion."""
    more: str
    """The token for the next page; empty if this is the last."""


def page(found: object, what: str, *, after: str = "") -> Page:
    """Return an answer as a page of a listing of `what`; `after` is the token that it was asked for with.

    Raises:
        Refused: The answer is no such page, so that nothing can be concluded from what it lacks.
    """
    metadata = foreign_json.mapping(foreign_json.mapping(found).get("metadata"))
    items = foreign_json.mapping(found).get("items")
    items = [] if items is None else items
    version = foreign_json.text(metadata.get("resourceVersion"))
    if not version or not isinstance(items, list):
        raise errors.Refused(f"the answer is not a listing of {what}")
    objects = [item for item in items if foreign_json.is_object(item)]
    names = [name for item in items if (name := foreign_json.name(item))]
    left_out = ""
    if len(objects) < len(items):
        others = (item for item in items if not foreign_json.is_object(item))
        named = listing(foreign_json.name(item) or "one without a name" for item in others)
        left_out = f"without a name, a uid or a version among the listed {what}: {named}"
    more = foreign_json.text(metadata.get("continue"))
    if more and more == after:
        raise errors.Refused(f"the listing of {what} repeats a page")
    return Page(objects, names, left_out, version, more)


async def each(
    connection: Connection, path: str, what: str, *, limit: int, accept: str = "application/json"
) -> AsyncIterator[Page]:
    """Yield the pages of a listing of `what`, as everything was at one moment.

    Raises:
        ClusterError: A request failed, or an answer is no page.
    """
    more = ""
    while True:
        query = {"limit": str(limit), **({"continue": more} if more else {})}
        found = page(await connection.request("GET", path, query=query, accept=accept), what, after=more)
        yield found
        if not found.more:
            return
        more = found.more
