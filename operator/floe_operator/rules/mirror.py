"""Which objects must exist, what they lack, and which may go: the ownership rules of the mirror.

Scans and objects are handed in, and nothing is carried out. An object may go only if three scans in a row say
that its plugin is gone and nobody but the operator owns a field of it, and only in the version on which that
was seen.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

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
"""How many scans in a row must not find a plugin before its bare mirror goes."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A bare mirror whose plugin is gone; both are preconditions of the deletion."""

    plugin: PluginId
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Absences:
    """In how many scans in a row each plugin was gone; lives as long as the process."""

    _rows: Mapping[PluginId, int] = field(default_factory=dict)

    def after(
        self, scan: ScanResult | None, objects: Iterable[FloePlugin], *, counts: bool = True
    ) -> Absences:
        """The rows after one more scan; one that failed (None), found nothing or was partial ends them.

        One that does not count may end rows, and makes none longer.
        """
        if scan is None or not (scan.plugins or scan.broken):
            return Absences()
        known = known_plugins(scan)
        absent = (seen for seen in objects if seen.plugin not in known and hidden_by(scan, seen) is None)
        return Absences({seen.plugin: self._rows.get(seen.plugin, 0) + counts for seen in absent})

    def unless_found(self, scan: ScanResult | None) -> Absences:
        """The rows that a scan does not end for sure, where nobody could say which objects there are.

        It makes none longer; one that failed, found nothing or was partial ends them all.
        """
        if scan is None or not scan.complete or not (scan.plugins or scan.broken):
            return Absences()
        known = known_plugins(scan)
        return Absences({plugin: row for plugin, row in self._rows.items() if plugin not in known})

    def is_gone(self, plugin: PluginId) -> bool:
        """Whether enough scans in a row said so."""
        return self._rows.get(plugin, 0) >= SCANS_UNTIL_GONE


def must_exist(plugin: PluginId, known: Container[PluginId]) -> bool:
    """Whether the plugin must have an object: `known` are those of the last scan, broken ones too."""
    return plugin in known and is_nameable(plugin)


def deletions(objects: Iterable[FloePlugin], absences: Absences) -> tuple[Deletion, ...]:
    """The objects that may go; one that is being deleted is left alone."""
    return tuple(
        Deletion(seen.plugin, seen.metadata.uid, seen.metadata.resource_version)
        for seen in objects
        if absences.is_gone(seen.plugin) and is_bare(seen) and not seen.is_going
    )


def known_plugins(scan: ScanResult) -> dict[PluginId, FoundPlugin | BrokenClaim]:
    """The plugins that a scan knows, broken ones too."""
    claims: tuple[FoundPlugin | BrokenClaim, ...] = (*scan.plugins, *scan.broken)
    return {PluginId(PluginType.from_slug(claim.type), claim.name): claim for claim in claims}


def is_bare(seen: FloePlugin) -> bool:
    """Whether the object is the operator's alone: no other manager owns a field of it now."""
    owners = {(entry.manager, entry.operation, entry.subresource) for entry in seen.metadata.managed_fields}
    mirror, status = (FIELD_MANAGER, "Apply", ""), (STATUS_FIELD_MANAGER, "Apply", "status")
    return mirror in owners and owners <= {mirror, status}


def is_incomplete(seen: FloePlugin) -> bool:
    """Whether the object lacks the type label; another's value of it stays."""
    return TYPE_LABEL not in seen.metadata.labels


def hidden_by(scan: ScanResult, seen: FloePlugin) -> str | None:
    """Where a plugin that a scan did not find may hide, and why that could not be read; None if nowhere.

    An unreadable distribution hides the plugins last seen in it, and those that were seen in none; anything
    else that is unreadable, a directory of the path for one, may hide every plugin.
    """
    last = seen.status.distribution if seen.status is not None else None
    for unreadable in scan.unreadable:
        hides = _distribution_name(unreadable.where)
        if unreadable.plugins_unknown and (
            last is None or hides is None or hides == normalize_name(last.name)
        ):
            return f"{unreadable.where}: {unreadable.detail}"
    explained = any(unreadable.plugins_unknown for unreadable in scan.unreadable)
    return None if scan.complete or explained else "a part of the path could not be read"


def hidden_plugins(scan: ScanResult, objects: Iterable[FloePlugin]) -> frozenset[PluginId]:
    """The plugins that a partial scan did not find and that their objects knew: they may be there still."""
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


def _distribution_name(where: str) -> str | None:
    """The distribution whose metadata lies there: `…/floe_duckdb-0.1.0.dist-info` is floe-duckdb's."""
    folder = PurePath(where)
    if folder.suffix not in (".dist-info", ".egg-info"):
        return None
    return normalize_name(folder.stem.partition("-")[0])
