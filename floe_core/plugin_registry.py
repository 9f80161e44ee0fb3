"""The registry: the plugins installed in this process's environment, and their whole life cycle.

It leaves finding plugins to `discovery`, loading and constructing them to `plugin_records`, validating
configurations to `configuration`, ordering to `dependencies`, starting and stopping to `activation`.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from floe_core import _logs
from floe_core._finding.discovery import EntryPointClaim, MalformedClaim, Scan, how_to_end, scan
from floe_core._loading.description import describe_instance
from floe_core._running.activation import Running, start_all
from floe_core._running.health_checks import (
    HEALTH_CHECK_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    STARTUP_TIMEOUT,
    HealthChecks,
)
from floe_core._running.plugin_records import PluginRecord, check_api_version, deliver, made, validated
from floe_core._running.time_limits import TurnTable
from floe_core.dependencies import objects_in_order, sort_key
from floe_core.plugin_errors import (
    DuplicatePluginError,
    NotAPluginError,
    PluginConfigurationError,
    PluginError,
    PluginImportError,
    PluginNotFoundError,
    PluginStartupError,
)
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId, PluginType, plugin_id

if TYPE_CHECKING:
    from pydantic import BaseModel

Chosen = PluginMetadata | tuple[PluginType, str]
"""A plugin as activate_all accepts it: the object, or a (type, name) tuple."""


class PluginRegistry:
    """The plugins, by type and name. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[PluginId, PluginRecord] = {}
        self._conflicts: Mapping[PluginId, tuple[EntryPointClaim, ...]] = {}
        self._malformed: Mapping[PluginId, MalformedClaim] = {}
        self._ready: dict[tuple[PluginType, str], PluginMetadata] = {}
        self._said: set[str] = set()
        self._turns = TurnTable()
        self._running = Running()
        self._health = HealthChecks()

    def discover_all(self) -> None:
        """Find the plugins that are installed now, without importing any; never raise.

        A loaded plugin stays the same object; a failure to load is forgotten if the distribution changed.
        """
        try:
            found = scan()
        except Exception as error:  # noqa: BLE001  (a failed scan must not end the program)
            self._say("Cannot discover plugins", error=type(error).__name__)
            return
        with self._lock:
            self._take(found)
        self._report(found)

    def register(self, plugin_type: PluginType, plugin: PluginMetadata) -> None:
        """Add a plugin that is not installed.

        Raises:
            DuplicatePluginError: A plugin of this type and name already exists.
            PluginIncompatibleError: The plugin was written for an incompatible plugin API.
            NotAPluginError: The object is not a plugin.
        """
        given: object = plugin
        if not isinstance(given, PluginMetadata):
            reason = f"an object of type {type(plugin).__name__} is not a PluginMetadata"
            raise NotAPluginError(plugin_type, type(plugin).__name__, reason)
        named = plugin_id(plugin_type, type(plugin).__name__)
        description = describe_instance(plugin, named)
        named = plugin_id(plugin_type, description.declared_name)
        check_api_version(named, description.floe_api_version)
        record = PluginRecord(named, self._turns, description.declared_name, None)
        record.plugin_class, record.description, record.instance = type(plugin), description, plugin
        with self._lock:
            if named in self._records or named in self._conflicts or named in self._malformed:
                raise DuplicatePluginError(plugin_type, description.declared_name)
            self._records[named] = record

    def get(self, plugin_type: PluginType, name: str) -> PluginMetadata:
        """Return the plugin; load it on first use.

        Raises:
            PluginNotFoundError: No plugin of this type and name is installed or registered.
            PluginError: The plugin cannot be loaded or constructed.
        """
        try:
            return self._ready[plugin_type, name]
        except KeyError:
            pass
        record = self._record(plugin_type, name)
        instance = made(record)
        self._ready[plugin_type, name] = instance
        return instance

    def list(self, plugin_type: PluginType) -> builtins.list[PluginMetadata]:
        """Return the plugins of a type, loading them if needed; leave out broken ones and log each once."""
        plugins = []
        for named in self._known([plugin_type]):
            try:
                plugins.append(self.get(*named))
            except PluginError as error:  # noqa: PERF203
                self._say("Plugin left out", plugin=str(named), error=_safe_text(error))
        return plugins

    def list_all(self) -> dict[PluginType, builtins.list[str]]:
        """Return the sorted names of all plugins by type, including broken plugins; load nothing."""
        names: dict[PluginType, builtins.list[str]] = {member: [] for member in PluginType}
        for named in self._known(PluginType):
            names[named.plugin_type].append(self._spelled(named))
        return {member: sorted(listed) for member, listed in names.items()}

    def configure(self, plugin_type: PluginType, name: str, config: dict[str, Any]) -> BaseModel | None:
        """Validate, keep, deliver and return a configuration; return None if the plugin takes none.

        Raises:
            PluginConfigurationError: The configuration is invalid; the error contains no value from it.
            PluginStartupError: The plugin itself rejects a valid configuration.
        """
        record = self._record(plugin_type, name)
        outcome = validated(record, config)
        del config  # a traceback keeps the locals of its frames
        if isinstance(outcome, PluginConfigurationError):
            raise outcome.with_traceback(None)  # keep a schema's error, but not the frames of its traceback
        deliver(record, outcome)
        return outcome

    def get_config(self, plugin_type: PluginType, name: str) -> BaseModel | None:
        """Return the configuration that configure() kept, or None if there is none."""
        return self._record(plugin_type, name).config

    def activate_plugin(self, plugin_type: PluginType, name: str, timeout: float | None = None) -> None:
        """Start the plugin, once, within `timeout` seconds (default: 30).

        Raises:
            PluginStartupError: The plugin did not start.
            PluginError: The plugin cannot be loaded or constructed.
        """
        record = self._record(plugin_type, name)
        self._running.start(record, STARTUP_TIMEOUT if timeout is None else timeout)

    def activate_all(
        self,
        plugins: Iterable[Chosen] | None = None,
        plugin_types: Iterable[PluginType] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Exception | None]:
        """Start plugins and what they need, dependencies first; return the outcomes by `TYPE:name`.

        An outcome is None or the error. `plugins` and `plugin_types` select plugins (default: all); `timeout`
        is in seconds and applies to each plugin (default: 30).
        """
        limit = STARTUP_TIMEOUT if timeout is None else timeout
        known = self._known(PluginType)
        chosen = known if plugins is None else [self._id_of(each) for each in plugins]
        if plugin_types is not None:
            types = set(plugin_types)
            chosen = [named for named in chosen if named.plugin_type in types]
        outcomes = start_all(
            chosen, lambda each: self._record(*each), known, lambda record: self._running.start(record, limit)
        )
        return {self._text(named): outcome for named, outcome in outcomes.items()}

    def shutdown_all(self, timeout: float | None = None) -> dict[str, Exception | None]:
        """Stop the started plugins in reverse order; `timeout` and the result are as in activate_all()."""
        stopped = self._running.stop_all(SHUTDOWN_TIMEOUT if timeout is None else timeout)
        return {record.text: outcome for record, outcome in stopped.items()}

    def health_check_all(self, timeout: float | None = None) -> dict[str, HealthStatus]:
        """Return the health of all loaded plugins by `TYPE:name`, checked at the same time.

        `timeout` is in seconds (default: 5).
        """
        with self._lock:
            records = {each.id: each for each in self._records.values() if each.instance is not None}
        plugins = {named: each.instance for named, each in records.items() if each.instance is not None}
        answers = self._health.run(plugins, HEALTH_CHECK_TIMEOUT if timeout is None else timeout)
        return {records[named].text: status for named, status in answers.items()}

    def resolve_dependencies(self, plugins: Iterable[PluginMetadata]) -> builtins.list[PluginMetadata]:
        """Return the plugins, each after those it needs.

        Raises:
            CircularDependencyError: Plugins need one another.
            MissingDependencyError: A plugin needs a plugin that is not among them.
            AmbiguousDependencyError: A dependency could be any of several plugins.
        """
        return objects_in_order([*plugins], self._type_of)

    def _take(self, found: Scan) -> None:
        for named, claim in found.plugins.items():
            record = self._records.get(named)
            if record is None or (record.claim is not None and _must_be_forgotten(record, claim)):
                self._records[named] = PluginRecord(named, self._turns, claim.raw_name, claim)
        gone = [
            named
            for named, record in self._records.items()
            if named not in found.plugins and record.claim is not None and record.instance is None
        ]
        for named in gone:
            del self._records[named]
        self._conflicts, self._malformed = found.conflicts, found.malformed

    def _report(self, found: Scan) -> None:
        if found.core_fault:
            self._say("The installation of floe-core is inconsistent", detail=found.core_fault)
        for unreadable in found.unreadable:
            self._say("Installed distributions are damaged", where=unreadable.where, detail=unreadable.detail)
        for unknown in found.unknown_groups:
            self._say("Unknown group of entry points", detail=str(unknown))
        for named, claims in found.conflicts.items():
            self._say(
                "Several entry points claim one plugin",
                plugin=str(named),
                claims=" and ".join(map(str, claims)),
                fix=how_to_end(claims),
            )
        for named, malformed in found.malformed.items():
            claim, detail = str(malformed.claim), malformed.detail
            self._say("Entry point is malformed", plugin=str(named), claim=claim, detail=detail)

    def _say(self, event: str, **fields: str) -> None:
        key = f"{event}{fields}"
        if key not in self._said:
            self._said.add(key)
            _logs.warning(event, **fields)

    def _record(self, plugin_type: PluginType, name: str) -> PluginRecord:
        named = plugin_id(plugin_type, name)
        with self._lock:
            record = self._records.get(named)
            if record is not None:
                return record
            if named in self._conflicts:
                claims = self._conflicts[named]
                said = [str(each) for each in claims]
                raise DuplicatePluginError(plugin_type, name, claims=said, fix=how_to_end(claims))
            malformed = self._malformed.get(named)
        if malformed is not None:
            reason = f"the entry point of {malformed.claim} is malformed: {malformed.detail}"
            fix = "install a release that declares it as name = module:Class"
            raise PluginImportError(plugin_type, name, reason, fix=fix)
        raise PluginNotFoundError(plugin_type, name)

    def _known(self, plugin_types: Iterable[PluginType]) -> builtins.list[PluginId]:
        types = set(plugin_types)
        with self._lock:
            everything = {*self._records, *self._conflicts, *self._malformed}
        return sorted((named for named in everything if named.plugin_type in types), key=sort_key)

    def _spelled(self, named: PluginId) -> str:
        record = self._records.get(named)
        return record.spelled if record is not None else named.name

    def _text(self, named: PluginId) -> str:
        return f"{named.plugin_type.name}:{self._spelled(named)}"

    def _id_of(self, chosen: Chosen) -> PluginId:
        if not isinstance(chosen, PluginMetadata):
            return plugin_id(*chosen)
        with self._lock:
            found = [each.id for each in self._records.values() if each.instance is chosen]
        if not found:
            raise PluginError(f"A plugin of class {type(chosen).__name__} is not registered")
        return found[0]

    def _type_of(self, plugin: PluginMetadata) -> PluginType | None:
        with self._lock:
            records = self._records.values()
            return next((each.id.plugin_type for each in records if each.instance is plugin), None)


def get_registry() -> PluginRegistry:
    """Return the process's registry; on first use, create it and discover the plugins."""
    global _registry
    if _registry is None:
        with _registry_lock:
            if _registry is None:
                registry = PluginRegistry()
                registry.discover_all()
                _registry = registry
    return _registry


def _reset_registry() -> None:
    """Forget the process's registry, for tests."""
    global _registry
    with _registry_lock:
        _registry = None


_registry: PluginRegistry | None = None
_registry_lock = threading.Lock()


def _must_be_forgotten(record: PluginRecord, claim: EntryPointClaim) -> bool:
    return record.instance is None and record.claim != claim


def _safe_text(error: PluginError) -> str:
    # The error of a hook can quote the configuration.
    return f"{error.hook} failed" if isinstance(error, PluginStartupError) else str(error)
