"""The newest known state of each FloePlugin, from the watch, listings and the answers to our own writes.

Only a newer resourceVersion replaces a known state, so the watch and the answers to our own writes can arrive
in any order. A listing replaces whatever came before it began: versions can go back, when the API server's
data is restored from a backup. An object that does not match the CRD as we know it is known only by name.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from floe_core.plugin_types import PluginId
from floe_operator.rules.config_merge import SourceObject, referenced
from floe_operator.rules.foreign_json import mapping, text
from floe_operator.rules.foreign_json import name as name_of
from floe_operator.rules.object_meta import ObjectMeta
from floe_operator.rules.resource import FloePlugin, parse_object_name, version_number
from floe_operator.said import Said

_log = structlog.get_logger(__name__)


_LISTING_SECONDS = 600.0
"""More than any listing takes."""
_EARLIER = 3
"""More than the operator writes to one object in a row: its label, its status, what is left over of it."""


@dataclass(frozen=True, slots=True)
class _Known:
    uid: str
    resource_version: str
    moment: int
    """When the state was stored; see `Objects.moment`."""
    seen: FloePlugin | None
    """The object, or None if it does not match the CRD as we know it."""
    earlier: tuple[str, ...] = ()
    """The versions known before it, the newest first."""

    @property
    def versions(self) -> tuple[str, ...]:
        return (self.resource_version, *self.earlier)

    @property
    def number(self) -> int:
        return version_number(self.resource_version)


class _Deletion(NamedTuple):
    number: int
    """The resourceVersion, as a number."""
    moment: int
    at: float
    """Seconds of the monotonic clock."""


class Objects:
    """The FloePlugins of one namespace."""

    def __init__(self) -> None:
        self._known: dict[PluginId, _Known] = {}
        self._deleted: dict[str, _Deletion] = {}
        """The deletions of the last minutes, by uid."""
        self._strangers = 0
        """How many objects the last listing had whose names fit no plugin, as another CRD may allow."""
        self._users: dict[SourceObject, dict[PluginId, None]] = {}
        self._said: Said[str] = Said()
        self.complete = False
        """Whether a complete listing has been stored, so that an object missing here does not exist."""
        self.listed_at = -math.inf
        """When a complete listing was last stored, in seconds of the monotonic clock."""
        self.moment = 0
        """Counts what was stored, and so separates what came before a listing began from what came later."""

    def __len__(self) -> int:
        return len(self.all())

    def __iter__(self) -> Iterator[PluginId]:
        return iter([seen.plugin for seen in self.all()])

    def get(self, plugin: PluginId) -> FloePlugin | None:
        """Return the object of a plugin, as last seen."""
        known = self._known.get(plugin)
        return known.seen if known is not None else None

    def all(self) -> list[FloePlugin]:
        """Return all objects, as last seen."""
        return [known.seen for known in self._known.values() if known.seen is not None]

    @property
    def number(self) -> int:
        """How many objects there are, including those that are ignored."""
        return len(self._known) + self._strangers

    def has(self, plugin: PluginId) -> bool:
        """Return True if the plugin has an object, also one that is ignored."""
        return plugin in self._known

    def is_unfit(self, plugin: PluginId) -> bool:
        """Return True if the plugin has an object that does not match the CRD and is therefore ignored."""
        known = self._known.get(plugin)
        return known is not None and known.seen is None

    def knows(self, raw: Mapping[str, Any]) -> bool:
        """Return True if this version of the object is or was known, as from the answer to a write.

        Any thread may ask.
        """
        plugin, uid, version = _identity(raw)
        known = self._known.get(plugin) if plugin is not None else None
        return known is not None and known.uid == uid and version in known.versions

    def put(self, raw: Mapping[str, Any], *, listing: int = -1) -> PluginId | None:
        """Store an object unless a newer state is known; return its plugin if there may be something new.

        Nothing is new in what the answer to a write has already told, or if nothing that is read of the
        object has changed. An object from a listing replaces any state stored before `listing`, the moment
        when it began.
        """
        plugin, uid, version = _identity(raw)
        if plugin is None:
            self._say_unfit(raw, ["metadata.name"])
            return None
        known = self._known.get(plugin)
        if known is not None and known.uid == uid:
            is_older = version_number(version) < known.number and known.moment > listing
            if version == known.resource_version or (is_older and version in known.earlier):
                return None
            if is_older:  # somebody's change of which the answer to a write was the first to tell
                return plugin
        deleted = self._deleted.get(uid)
        if deleted and version_number(version) <= deleted.number and deleted.moment > listing:
            return plugin
        self._forget(plugin)
        seen = self._parse(raw, plugin)
        self.moment += 1
        earlier = known.versions[:_EARLIER] if known is not None and known.uid == uid else ()
        if known is not None and version_number(version) < known.number:
            earlier = ()  # the API server counts versions anew, and will come to these again
        self._known[plugin] = _Known(uid, version, self.moment, seen, earlier)
        for source in referenced(seen.spec) if seen is not None else ():
            self._users.setdefault(source, {})[plugin] = None
        return None if known is not None and _is_same(known.seen, seen) else plugin

    def remove(self, raw: Mapping[str, Any]) -> PluginId | None:
        """Remove a deleted object; a late answer to a write cannot bring it back."""
        plugin, uid, version = _identity(raw)
        if plugin is None:
            return None
        self.moment += 1
        self._deleted[uid] = _Deletion(version_number(version), self.moment, time.monotonic())
        known = self._known.get(plugin)
        if known is not None and known.uid == uid:
            self._forget(plugin)
        return plugin

    def listed(self, names: Collection[str], began: int) -> set[PluginId]:
        """Note that a complete listing, which began at a moment, has been stored.

        `names` are those in the listing. Objects that it lacks are removed unless they were stored after it
        began; return their plugins.
        """
        found = [parse_object_name(name) for name in names]
        plugins = {plugin for plugin in found if plugin is not None}
        self._strangers = found.count(None)
        self.complete, self.listed_at = True, time.monotonic()
        gone = {
            plugin for plugin, known in self._known.items() if known.moment <= began and plugin not in plugins
        }
        for plugin in gone:
            self._forget(plugin)
        # Another listing may be under way.
        horizon = time.monotonic() - _LISTING_SECONDS
        self._deleted = {uid: deleted for uid, deleted in self._deleted.items() if deleted.at > horizon}
        return gone

    def distrust_versions(self) -> None:
        """Let whatever comes next replace each known state: the API server counts versions anew."""
        self._known = {
            plugin: replace(known, resource_version="", earlier=()) for plugin, known in self._known.items()
        }
        self._deleted.clear()
        self.listed_at = -math.inf

    def users(self, source: SourceObject) -> list[PluginId]:
        """Return the plugins whose configuration refers to this Secret or ConfigMap."""
        return list(self._users.get(source, ()))

    def users_of_kind(self, kind: str) -> set[PluginId]:
        """Return the plugins whose configuration refers to any Secret, or to any ConfigMap."""
        return {plugin for source, users in self._users.items() if source.kind == kind for plugin in users}

    def clear(self) -> None:
        """Forget everything, because the CRD does not exist."""
        self._known.clear()
        self._strangers = 0
        self._users.clear()
        self._said.only(())
        self._deleted.clear()
        self.complete = False

    def _forget(self, plugin: PluginId) -> None:
        known = self._known.pop(plugin, None)
        seen = known.seen if known is not None else None
        for source in referenced(seen.spec) if seen is not None else ():
            users = self._users[source]
            del users[plugin]
            if not users:
                del self._users[source]

    def _parse(self, raw: Mapping[str, Any], plugin: PluginId) -> FloePlugin | None:
        try:
            seen = FloePlugin.parse(raw)
        except ValidationError as error:
            # The values stay out of the log.
            fields = {".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)}
            self._say_unfit(raw, sorted(fields))
            return None
        if seen.plugin != plugin:
            self._say_unfit(raw, ["metadata.name"])
            return None
        self._said.is_over(seen.metadata.name)
        return seen

    def _say_unfit(self, raw: Mapping[str, Any], fields: list[str]) -> None:
        """Log that an object does not match the CRD; an older or newer CRD may have allowed it."""
        name = name_of(raw)
        if self._said.is_new(name, fields):
            _log.warning("ignoring a FloePlugin that does not match the CRD", name=name, fields=fields)


_READ = [field.name for field in fields(ObjectMeta) if field.name != "resource_version"]


def _is_same(before: FloePlugin | None, now: FloePlugin | None) -> bool:
    """Return True if two states of an object differ in nothing that is read of it but the version."""
    if before is None or now is None:
        return False
    return (
        (before.spec, before.status) == (now.spec, now.status)
        # Somebody who writes `probe: null` has asked for the plugin.
        and before.spec.model_fields_set == now.spec.model_fields_set
        and all(getattr(before.metadata, name) == getattr(now.metadata, name) for name in _READ)
    )


def _identity(raw: Mapping[str, Any]) -> tuple[PluginId | None, str, str]:
    """Return an object's plugin, uid and resourceVersion."""
    metadata = mapping(raw.get("metadata"))
    plugin = parse_object_name(text(metadata.get("name")))
    return plugin, text(metadata.get("uid")), text(metadata.get("resourceVersion"))
