"""What an apply cannot remove: parts of a status that someone else wrote into it by hand.

Server-side apply removes only what the applier alone owns, so a Stalled condition added with kubectl stays. A
JSON patch removes such parts if the status that the apply returned is not the one that was applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_operator.rules.foreign_json import mapping, sequence
from floe_operator.rules.resource import CONDITION_TYPES, OPTIONAL_FIELDS, FloePluginStatus


def removal_patch(raw: Mapping[str, Any], status: FloePluginStatus) -> list[dict[str, Any]]:
    """Return a JSON patch (RFC 6902) of /status that removes what `status` lacks, or an empty list.

    `raw` is the object as the API server has it now; the patch fails on any other version of it. Conditions
    of types that are not the operator's stay.
    """
    present = mapping(raw.get("status"))
    fields = [
        key for name, key in OPTIONAL_FIELDS.items() if key in present and getattr(status, name) is None
    ]
    kept = {condition.type for condition in status.conditions}
    surplus = [
        index
        for index, condition in enumerate(sequence(present.get("conditions")))
        if (kind := mapping(condition).get("type")) in CONDITION_TYPES and kind not in kept
    ]
    removed = [f"/status/{name}" for name in fields]
    # From the end, so that a removal does not shift the indexes that follow.
    removed += [f"/status/conditions/{index}" for index in reversed(surplus)]
    if not removed:
        return []
    version = mapping(raw.get("metadata")).get("resourceVersion")
    guard = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    return [guard, *({"op": "remove", "path": path} for path in removed)]
