"""Logs what is wrong with a plugin that loads all the same."""

from __future__ import annotations

from floe_core import _logs
from floe_core._finding.discovery import EntryPointClaim
from floe_core._loading.description import PluginDescription
from floe_core._release_version import release_version
from floe_core.plugin_types import normalize_name


def log_remarks(plugin: str, claim: EntryPointClaim, description: PluginDescription) -> None:
    """Log how the class differs from its entry point and distribution, and what is wrong with it."""
    name, version, distribution = description.declared_name, description.version, claim.distribution
    if normalize_name(name) != claim.name:
        _logs.warning("Plugin and entry point have different names", plugin=plugin, declared=name)
    if _differ(version, distribution.version):
        _logs.warning(
            "Plugin and distribution have different versions",
            plugin=plugin,
            declared=version,
            distribution=str(distribution),
        )
    for warning in description.warnings:
        _logs.warning("Plugin departs from the plugin API", plugin=plugin, detail=warning)


def _differ(one: str, other: str) -> bool:
    """Return True if both texts are versions, but not the same one."""
    left, right = release_version(one), release_version(other)
    return left is not None and right is not None and left != right
