"""What is worth saying about a plugin that is loaded all the same, as the clauses of a sentence."""

from __future__ import annotations

import json

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId, normalize_name
from floe_operator.rules.conditions import bounded

_SHOWN_BYTES = 128


def remarks(plugin: PluginId, description: Description) -> list[str]:
    """Return how the plugin differs from its entry point, and what is wrong with its class."""
    declared = description.declared_name
    found = []
    if normalize_name(declared) != plugin.name:
        named = json.dumps(bounded(declared, _SHOWN_BYTES), ensure_ascii=False)
        found.append(f"it calls itself {named}, but the name of its entry point is used")
    return [*found, *description.warnings]
