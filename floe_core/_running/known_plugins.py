"""The plugins that a registry knows: those that the latest scan found, and those that were registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floe_core import _logs
from floe_core._finding.discovery import EntryPointClaim, MalformedClaim, Scan, how_to_end
from floe_core._running.import_turns import ImportTurns
from floe_core._running.plugin_records import Loaded, PluginObject, PluginRecord
from floe_core._running.waiting import locked
from floe_core.dependencies import sort_key
from floe_core.plugin_errors import DuplicatePluginError, PluginImportError, PluginNotFoundError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginId, PluginName, PluginType, plugin_id


class KnownPlugins:
    """A record of each plugin, except those that no record can be made of: conflicts and malformed ones."""

    def __init__(self) -> None:
        self._imports: ImportTurns[Loaded] = ImportTurns()
        self._records: dict[PluginId, PluginRecord] = {}
        self._conflicts: Mapping[PluginId, tuple[EntryPointClaim, ...]] = {}
        self._malformed: Mapping[PluginId, MalformedClaim] = {}
        self._log = _logs.Once()

    def take(self, found: Scan) -> None:
        """Take over what a scan found, and log what is wrong with it, once.

        A loaded plugin stays the same object; a failure to load is forgotten if the distribution changed.
        """
        with locked():
            for named, claim in found.plugins.items():
                record = self._records.get(named)
                if record is None or (record.claim is not None and _must_be_forgotten(record, claim)):
                    self._records[named] = PluginRecord(named, claim.spelled, claim, self._imports)
            gone = [
                named
                for named, record in self._records.items()
                if named not in found.plugins and record.claim is not None and not _is_in_use(record)
            ]
            for named in gone:
                del self._records[named]
            self._conflicts, self._malformed = found.conflicts, found.malformed
        _report(found, self._log)

    def add(self, record: PluginRecord) -> None:
        """Add the record of a plugin that is not installed.

        Raises:
            DuplicatePluginError: A plugin of this type and name already exists.
        """
        with locked():
            if any(record.id in known for known in (self._records, self._conflicts, self._malformed)):
                raise DuplicatePluginError(*record.name)
            self._records[record.id] = record

    def record(self, plugin_type: PluginType | str, name: str) -> PluginRecord:
        """Return the record of a plugin.

        Raises:
            PluginNotFoundError: There is no such plugin.
            DuplicatePluginError: Several entry points claim it.
            PluginImportError: Its entry point is malformed.
        """
        named = plugin_id(plugin_type, name)
        with locked():
            record = self._records.get(named)
            claims = self._conflicts.get(named)
            malformed = self._malformed.get(named)
        if record is not None:
            return record
        if claims is not None:
            said = [str(each) for each in claims]
            raise DuplicatePluginError(*claims[0].spelled, claims=said, fix=how_to_end(claims))
        if malformed is not None:
            reason = f"the entry point of {malformed.claim} is malformed: {malformed.detail}"
            fix = "install a release that declares it as name = module:Class"
            raise PluginImportError(*malformed.claim.spelled, reason, fix=fix)
        raise PluginNotFoundError(named.plugin_type, name)

    def has(self, record: PluginRecord) -> bool:
        """Return True if this is still the record of its plugin."""
        return self._records.get(record.id) is record

    def objects(self) -> list[tuple[PluginRecord, PluginObject]]:
        """Return the plugins that have an object, and that object."""
        with locked():
            return [(each, each.object) for each in self._records.values() if each.object is not None]

    def with_instance(self, plugin: PluginMetadata) -> list[PluginRecord]:
        """Return the records of a plugin object; it can be registered under several types."""
        return [record for record, present in self.objects() if present.instance is plugin]

    def ids(self, plugin_types: Iterable[PluginType]) -> list[PluginId]:
        """Return the ids of all plugins of these types, in order, including broken plugins."""
        types = set(plugin_types)
        with locked():
            everything = {*self._records, *self._conflicts, *self._malformed}
        return sorted((named for named in everything if named.plugin_type in types), key=sort_key)

    def spelled(self, named: PluginId) -> PluginName:
        """Return the name of a plugin for messages, normalised if its entry points do not agree on one."""
        record = self._records.get(named)
        return record.name if record is not None else PluginName(*named)


def _must_be_forgotten(record: PluginRecord, claim: EntryPointClaim) -> bool:
    return record.claim != claim and not _is_in_use(record)


def _is_in_use(record: PluginRecord) -> bool:
    """Return True if the plugin has an object, or somebody constructs one now."""
    return record.object is not None or record.gate.thread is not None


def _report(found: Scan, log: _logs.Once) -> None:
    if found.core_fault:
        log.warning("The installation of floe-core is inconsistent", detail=found.core_fault)
    for unreadable in found.unreadable:
        log.warning("Installed distributions are damaged", where=unreadable.where, detail=unreadable.detail)
    for unknown in found.unknown_groups:
        log.warning("Unknown group of entry points", detail=str(unknown))
    for named, claims in found.conflicts.items():
        log.warning(
            "Several entry points claim one plugin",
            plugin=str(named),
            claims=" and ".join(map(str, claims)),
            fix=how_to_end(claims),
        )
    for named, malformed in found.malformed.items():
        claim, detail = str(malformed.claim), malformed.detail
        log.warning("Entry point is malformed", plugin=str(named), claim=claim, detail=detail)
