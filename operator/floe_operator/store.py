"""What the watch last said of each FloePlugin, by plugin: the present state that reconciles look at.

Only a newer resourceVersion replaces what is there, so that the answers to our own writes and the watch may
come in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from floe_core.plugin_types import PluginId
from floe_operator.config_sources import SourceObject, referenced
from floe_operator.resource import FloePlugin, parse_object_name

_log = structlog.get_logger(__name__)


class Store:
    """The FloePlugins of one namespace."""

    def __init__(self) -> None:
        self._objects: dict[PluginId, FloePlugin] = {}
        self._deleted_at: dict[str, int] = {}
        self._users: dict[SourceObject, dict[PluginId, None]] = {}
        self._unfit: dict[str, list[str]] = {}
        self.complete = False
        """Whether a whole listing was taken in: what is not here is not there."""

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[PluginId]:
        return iter(list(self._objects))

    def get(self, plugin: PluginId) -> FloePlugin | None:
        """The object of a plugin, as last seen."""
        return self._objects.get(plugin)

    def all(self) -> list[FloePlugin]:
        """Every object, as last seen."""
        return list(self._objects.values())

    def known_as_it_is(self, raw: Mapping[str, Any]) -> PluginId | None:
        """The plugin of an object that is known in just this version: an echo of our own write, for one."""
        metadata = raw.get("metadata") or {}
        plugin = parse_object_name(str(metadata.get("name")))
        known = self._objects.get(plugin) if plugin is not None else None
        if known is None or known.metadata.uid != metadata.get("uid"):
            return None
        return plugin if known.metadata.resource_version == metadata.get("resourceVersion") else None

    def put(self, raw: Mapping[str, Any]) -> PluginId | None:
        """Takes an object in, unless a newer state of it is known; its plugin, None if it cannot be read."""
        if (plugin := self.known_as_it_is(raw)) is not None:
            return plugin
        seen = self._parse(raw)
        if seen is None:
            return None
        known = self._objects.get(seen.plugin)
        version = _number(seen.metadata.resource_version)
        if version <= self._deleted_at.get(seen.metadata.uid, -1):
            return seen.plugin
        is_same = known is not None and known.metadata.uid == seen.metadata.uid
        if known is None or not is_same or version >= _number(known.metadata.resource_version):
            self._forget(seen.plugin)
            self._objects[seen.plugin] = seen
            for source in referenced(seen.spec):
                self._users.setdefault(source, {})[seen.plugin] = None
        return seen.plugin

    def remove(self, raw: Mapping[str, Any]) -> PluginId | None:
        """The object is gone; a late answer to a write cannot bring it back."""
        gone = self._parse(raw)
        if gone is None:
            return None
        self._deleted_at[gone.metadata.uid] = _number(gone.metadata.resource_version)
        known = self._objects.get(gone.plugin)
        if known is not None and known.metadata.uid == gone.metadata.uid:
            self._forget(gone.plugin)
        return gone.plugin

    def replace(self, listed: Iterable[Mapping[str, Any]], started: Mapping[PluginId, str]) -> set[PluginId]:
        """Takes a whole listing in: what it lacks is gone, unless it came after the listing began.

        `started` is `versions()` from before the listing. Returns the plugins whose object went.
        """
        kept = {plugin for raw in listed if (plugin := self.put(raw)) is not None}
        gone = {plugin for plugin in started.keys() - kept if self._version(plugin) == started[plugin]}
        for plugin in gone:
            self._forget(plugin)
        self._deleted_at.clear()
        self.complete = True
        return gone

    def versions(self) -> dict[PluginId, str]:
        """The resourceVersion of each object."""
        return {plugin: known.metadata.resource_version for plugin, known in self._objects.items()}

    def users(self, source: SourceObject) -> list[PluginId]:
        """The plugins whose configuration refers to a Secret or ConfigMap."""
        return list(self._users.get(source, ()))

    def clear(self) -> None:
        """Nothing is known any more: the kind itself went."""
        self._objects.clear()
        self._users.clear()
        self._unfit.clear()
        self._deleted_at.clear()
        self.complete = False

    def _forget(self, plugin: PluginId) -> None:
        known = self._objects.pop(plugin, None)
        for source in referenced(known.spec) if known is not None else ():
            users = self._users[source]
            del users[plugin]
            if not users:
                del self._users[source]

    def _version(self, plugin: PluginId) -> str | None:
        known = self._objects.get(plugin)
        return known.metadata.resource_version if known else None

    def _parse(self, raw: Mapping[str, Any]) -> FloePlugin | None:
        name = str((raw.get("metadata") or {}).get("name"))
        try:
            seen = FloePlugin.parse(raw)
        except ValidationError as error:
            # Made by an older CRD, perhaps; the values stay out of the log.
            fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
            if self._unfit.get(name) != fields:
                _log.warning("a FloePlugin does not fit the CRD and is left alone", name=name, fields=fields)
            self._unfit[name] = fields
            return None
        self._unfit.pop(name, None)
        return seen


def _number(resource_version: str) -> int:
    # Comparable as numbers since Kubernetes 1.35 says so; no server before it gave out anything else.
    return int(resource_version) if resource_version.isdecimal() else 0
