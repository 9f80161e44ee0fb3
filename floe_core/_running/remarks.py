"""Logs what is wrong with a plugin that loads all the same."""

from __future__ import annotations

from floe_core import _logs
from floe_core._finding.discovery import EntryPointClaim
from floe_core._loading.description import PluginDescription
from floe_core.plugin_types import normalize_name


def log_remarks(plugin: str, claim: EntryPointClaim, description: PluginDescription) -> None:
    """Log how the plugin differs from its entry point, and what is wrong with its class."""
    declared = description.declared_name
    if normalize_name(declared) != claim.name:
        _logs.warning("Plugin and entry point have different names", plugin=plugin, declared=declared)
    for warning in description.warnings:
        _logs.warning("Plugin departs from the plugin API", plugin=plugin, detail=warning)
