"""The fields of a status besides its conditions: where the plugin comes from and what it says about itself.

While a condition keeps its previous assessment, the fields that belong to it keep their values. Texts come
from plugins and are cut to the CRD's bounds here.
"""

from __future__ import annotations

from typing import Any

from floe_core.host.protocol import Description, FoundPlugin
from floe_operator.rules.conclusions import Occasion, Shown, is_true
from floe_operator.rules.conditions import bounded
from floe_operator.rules.facts import Broken, DiscoveryUnknown, Facts, Installed
from floe_operator.rules.load_states import Described
from floe_operator.rules.resource import Distribution, FloePluginStatus
from floe_operator.rules.stored_json import as_stored, json_bytes
from floe_operator.rules.summary import Summary

SCHEMA_BYTES = 8 * 1024
"""The longest configSchema, in bytes."""
STATUS_BYTES = 13 * 1024
"""The longest status, in bytes; above it, the least needed fields are left out, so an object stays within
16 KiB."""
DEPENDENCIES = 32
"""How many dependencies are shown."""

_NO_FIELDS = FloePluginStatus()


def status_with(facts: Facts, occasion: Occasion, shown: Shown, summary: Summary) -> FloePluginStatus:
    """Return the whole status."""
    conditions = (*shown.values(), *summary.conditions)
    status = FloePluginStatus(
        observed_generation=summary.observed_generation,
        in_use=facts.in_use,
        platform_api_version=bounded(facts.platform_api_version, 64),
        conditions=conditions,
        **_packaging(facts, occasion, shown),
        **_description(facts, occasion, shown),
    )
    for expendable in ("configSchema", "dependencies", "description"):
        if status.size <= STATUS_BYTES:
            break
        status = status.without({expendable})
    return status


def _packaging(facts: Facts, occasion: Occasion, shown: Shown) -> dict[str, Any]:
    """Return where the plugin comes from; an upgrade is shown once the new release is loaded."""
    previous = occasion.previous or _NO_FIELDS
    is_held = is_true(shown, "Loaded") and not isinstance(facts.loading, Described)
    match facts.discovery:
        case Installed(found) if not is_held:
            return _claimed_by(found)
        case Broken(claim) if len(claim.claims) == 1:
            return _claimed_by(claim.claims[0])
        case Installed() | DiscoveryUnknown():
            return {"distribution": previous.distribution, "entry_point": previous.entry_point}
        case _:
            return {}


def _claimed_by(found: FoundPlugin) -> dict[str, Any]:
    name, version = bounded(found.distribution.name, 256), bounded(found.distribution.version, 128)
    return {
        "distribution": Distribution(name=name, version=version),
        "entry_point": bounded(found.entry_point, 512),
    }


def _description(facts: Facts, occasion: Occasion, shown: Shown) -> dict[str, Any]:
    """Return what the plugin says about itself, for as long as it counts as loaded."""
    if not is_true(shown, "Loaded"):
        return {}
    if isinstance(facts.loading, Described):
        return _as_declared(facts.loading.description)
    previous = occasion.previous or _NO_FIELDS
    return {
        "version": previous.version,
        "plugin_api_version": previous.plugin_api_version,
        "description": previous.description,
        "dependencies": previous.dependencies,
        "config_schema": previous.config_schema,
    }


def _as_declared(description: Description) -> dict[str, Any]:
    return {
        "version": bounded(description.version, 128),
        "plugin_api_version": bounded(description.floe_api_version, 64),
        "description": bounded(description.description, 512) or None,
        "dependencies": tuple(bounded(one, 128) for one in description.dependencies[:DEPENDENCIES]),
        "config_schema": _schema(description.config_schema),
    }


def _schema(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the schema, or None if it is too large or nested too deeply to be walked."""
    try:
        stored = as_stored(schema) if schema is not None else None
        return stored if stored is not None and json_bytes(stored) <= SCHEMA_BYTES else None
    except RecursionError:
        return None
