"""Logs what is wrong with a plugin that loads all the same."""

from __future__ import annotations

from floe_core import _logs
from floe_core._finding.discovery import EntryPointClaim
from floe_core._loading.description import PluginDescription
from floe_core._release_version import is_release_version, release_version
from floe_core.plugin_types import PluginName, normalize_name


def log_remarks(plugin: PluginName, claim: EntryPointClaim, description: PluginDescription) -> None:
    """Log how the class differs from its entry point and distribution, and what is wrong with it."""
    name, version, distribution = description.declared_name, description.version, claim.distribution
    if normalize_name(name) != claim.name:
        _logs.warning("Plugin and entry point have different names", plugin=str(plugin), declared=name)
    log_invalid_version(plugin, version)
    if _differ(version, distribution.version):
        _logs.warning(
            "Plugin and distribution have different versions",
            plugin=str(plugin),
            declared=version,
            distribution=str(distribution),
        )
    for warning in description.warnings:
        _logs.warning("Plugin departs from the plugin API", plugin=str(plugin), detail=warning)


def log_invalid_version(plugin: PluginName, version: str) -> None:
    """Log a plugin's own version that is not X.Y.Z; the operator refuses such a plugin (InvalidVersion)."""
    if not is_release_version(version):
        _logs.warning(
            "Plugin declares an invalid version",
            plugin=str(plugin),
            declared=version,
            fix="its author must write it as X.Y.Z, such as 1.4.0 or 1.4.0rc1: the operator accepts no other",
        )


def _differ(one: str, other: str) -> bool:
    """Return True if both texts are versions, but not the same one."""
    left, right = release_version(one), release_version(other)
    return left is not None and right is not None and left != right
