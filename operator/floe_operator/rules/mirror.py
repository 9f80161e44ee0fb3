"""Which objects must exist, what they lack, and which may be deleted: the ownership rules of the mirror.

Scans and objects are handed in, and nothing is carried out. An object may be deleted only if three scans in
a row found its plugin gone and nobody but the operator owns a field of it, and only in the version in which
that was seen.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from floe_core.host.protocol import BrokenClaim, FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId, PluginType, normalize_name
from floe_operator.rules.conditions import Discovered
from floe_operator.rules.resource import (
    FIELD_MANAGER,
    STATUS_FIELD_MANAGER,
    TYPE_LABEL,
    FloePlugin,
    is_nameable,
)

SCANS_UNTIL_GONE = 3
"""How many scans in a row must miss a plugin before its bare mirror is deleted."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A bare mirror whose plugin is gone; uid and resource version are preconditions of the deletion."""

    plugin: PluginId
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Absences:
    """For how many scans in a row each plugin has been gone; lives as long as the process."""

    _rows: Mapping[PluginId, int] = field(default_factory=dict)

    def after(
        self, scan: ScanResult | None, objects: Iterable[FloePlugin], *, counts: bool = True
    ) -> Absences:
        """Return the absences after one more scan.

        A scan that failed (None) or found nothing ends all absences; a partial scan ends those of the plugins
        that it may have missed. If not `counts`, the scan can end absences, but makes none longer.
        """
        if scan is None or not (scan.plugins or scan.broken):
            return Absences()
        known = known_plugins(scan)
        absent = (seen for seen in objects if seen.plugin not in known and hidden_by(scan, seen) is None)
        return Absences({seen.plugin: self._rows.get(seen.plugin, 0) + counts for seen in absent})

    def unless_found(self, scan: ScanResult | None) -> Absences:
        """Return the absences left after a scan if it is unknown which objects exist.

        No absence gets longer; a scan that failed (None), found nothing or was partial ends all of them.
        """
        if scan is None or not scan.complete or not (scan.plugins or scan.broken):
            return Absences()
        known = known_plugins(scan)
        return Absences({plugin: row for plugin, row in self._rows.items() if plugin not in known})

    def is_gone(self, plugin: PluginId) -> bool:
        """Return True if enough scans in a row missed the plugin."""
        return self._rows.get(plugin, 0) >= SCANS_UNTIL_GONE

    def __bool__(self) -> bool:
        """Return True if the last scan missed any plugin that has an object."""
        return bool(self._rows)


def must_exist(plugin: PluginId, known: Container[PluginId]) -> bool:
    """Return True if the plugin must have an object; `known` has the last scan's plugins, broken ones too."""
    return plugin in known and is_nameable(plugin)


def deletions(objects: Iterable[FloePlugin], absences: Absences) -> tuple[Deletion, ...]:
    """Return the objects that may be deleted, except those already being deleted."""
    if not absences:
        return ()
    return tuple(
        Deletion(seen.plugin, seen.metadata.uid, seen.metadata.resource_version)
        for seen in objects
        if absences.is_gone(seen.plugin) and is_bare(seen) and not seen.is_going
    )


def known_plugins(scan: ScanResult) -> dict[PluginId, FoundPlugin | BrokenClaim]:
    """Return the plugins that a scan found, broken ones too."""
    claims: tuple[FoundPlugin | BrokenClaim, ...] = (*scan.plugins, *scan.broken)
    return {PluginId(PluginType.from_slug(claim.type), claim.name): claim for claim in claims}


def is_bare(seen: FloePlugin) -> bool:
    """Return True if the object is the operator's alone: no other field manager owns a field of it now."""
    owners = {(entry.manager, entry.operation, entry.subresource) for entry in seen.metadata.managed_fields}
    mirror, status = (FIELD_MANAGER, "Apply", ""), (STATUS_FIELD_MANAGER, "Apply", "status")
    return mirror in owners and owners <= {mirror, status}


def mirror_labels(plugin: PluginId, more: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a new mirror: its type, and those of --mirror-labels."""
    return {**more, TYPE_LABEL: plugin.plugin_type.slug}


def missing_labels(seen: FloePlugin, more: Mapping[str, str]) -> dict[str, str] | None:
    """Return the labels to apply to an object, or None if it has them.

    Another field manager's values are kept. A label of ours that is no longer wanted is removed by applying
    the others.
    """
    wanted, present = mirror_labels(seen.plugin, more), seen.metadata.labels
    own = {
        label
        for entry in seen.metadata.managed_fields
        if (entry.manager, entry.operation) == (FIELD_MANAGER, "Apply")
        for label in entry.fields_v1.labels
    }
    applied = {
        name: value for name, value in wanted.items() if name in own or present.get(name, value) == value
    }
    if own <= applied.keys() and all(present.get(name) == value for name, value in applied.items()):
        return None
    return applied


def stored_labels(present: Mapping[str, Any], applied: Container[str]) -> dict[str, Any]:
    """Return what an object has of the labels that were applied to it."""
    return {name: value for name, value in present.items() if name in applied}


def hidden_by(scan: ScanResult, seen: FloePlugin) -> str | None:
    """Return the place that may hide a plugin from a scan and why it is unreadable, or None if there is none.

    An unreadable distribution hides the plugins last seen in it and those never seen in any; anything else
    that is unreadable, such as a directory of the path, may hide every plugin.
    """
    last = seen.status.distribution if seen.status is not None else None
    mine = "" if last is None else normalize_name(last.name)
    for unreadable in scan.unreadable:
        if unreadable.plugins_unknown and (not mine or unreadable.project in ("", mine)):
            return f"{unreadable.where}: {unreadable.detail}"
    explained = any(unreadable.plugins_unknown for unreadable in scan.unreadable)
    return None if scan.complete or explained else "part of the path could not be read"


def hidden_plugins(scan: ScanResult, objects: Iterable[FloePlugin]) -> frozenset[PluginId]:
    """Return the plugins that a partial scan missed but an earlier one found: they may still be installed."""
    if scan.complete:
        return frozenset()
    known = known_plugins(scan)
    return frozenset(
        seen.plugin
        for seen in objects
        if seen.plugin not in known and _was_known(seen) and hidden_by(scan, seen) is not None
    )


def _was_known(seen: FloePlugin) -> bool:
    discovered = seen.status.condition(Discovered.__name__) if seen.status is not None else None
    return (
        discovered is not None and discovered.is_judged and discovered.reason != Discovered.NOT_INSTALLED.text
    )
