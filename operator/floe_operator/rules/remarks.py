"""What is worth saying about a plugin that is loaded all the same, as the clauses of a sentence."""

from __future__ import annotations

import json

from floe_core.host.protocol import DistributionRef
from floe_core.plugin_types import PluginId, normalize_name
from floe_operator.rules.conditions import bounded
from floe_operator.rules.load_states import Described
from floe_operator.rules.sentences import loads_only_alone
from floe_operator.rules.versions import named, versions_differ

_SHOWN_BYTES = 128


def remarks(plugin: PluginId, described: Described, distribution: DistributionRef | None) -> list[str]:
    """Return how the class differs from its entry point and distribution, and what is wrong with it."""
    found = []
    description = described.description
    if normalize_name(description.declared_name) != plugin.name:
        name = _quoted(description.declared_name)
        found.append(f"it calls itself {name}, but the name of its entry point is used")
    if distribution is not None and versions_differ(description.version, distribution.version):
        version = _quoted(description.version)
        found.append(
            f"it declares version {version}, but {named(distribution)} is installed: "
            "its author must make the two equal"
        )
    if described.beside is not None:
        found.append(loads_only_alone(described.beside))
    return [*found, *description.warnings]


def _quoted(text: str) -> str:
    return json.dumps(bounded(text, _SHOWN_BYTES), ensure_ascii=False)
