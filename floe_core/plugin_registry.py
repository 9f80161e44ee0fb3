"""The registry: the plugins installed in this process's environment, and their whole life cycle.

It leaves finding plugins to `discovery`, keeping records of them to `known_plugins`, constructing and
configuring them to `delivery`, ordering to `dependencies`, starting and stopping to `activation`.
"""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from floe_core import _logs
from floe_core._class_names import class_name, error_name
from floe_core._finding.discovery import scan
from floe_core._loading.description import describe_instance
from floe_core._loading.type_bases import types_of_class
from floe_core._running.activation import SHUTDOWN_TIMEOUT, STARTUP_TIMEOUT, Running, safe_text
from floe_core._running.delivery import deliver, made, validated
from floe_core._running.health_checks import HEALTH_CHECK_TIMEOUT, check_all
from floe_core._running.known_plugins import KnownPlugins
from floe_core._running.plugin_records import PluginObject, PluginRecord, check_api_version
from floe_core._running.plugin_thread import PluginThread
from floe_core._running.remarks import log_invalid_version
from floe_core.dependencies import objects_in_order
from floe_core.plugin_errors import (
    ConfigurationChangedError,
    NotAPluginError,
    PluginConfigurationError,
    PluginError,
)
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId, PluginName, PluginType, plugin_id

if TYPE_CHECKING:
    from pydantic import BaseModel

TypeOrSlug = PluginType | str
"""A type of plugin: the member or its name, such as "compute"; anything else is a ValueError."""
Chosen = PluginMetadata | tuple[TypeOrSlug, str]
"""A plugin as activate_all accepts it: the object, or a (type, name) tuple."""


class PluginRegistry:
    """The plugins, by type and name. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._known = KnownPlugins()
        self._ready: dict[tuple[TypeOrSlug, str], PluginRecord] = {}
        """The records of plugins that have an object, by type and name as callers spell them."""
        self._running = Running()
        self._log = _logs.Once()

    def discover_all(self) -> None:
        """Find the plugins that are installed now, without importing any; never raise.

        A loaded plugin stays the same object; a failure to load is forgotten if the distribution changed.
        """
        try:
            found = scan()
        except Exception as error:  # noqa: BLE001  (a failed scan must not end the program)
            self._log.warning("Cannot discover plugins", error=error_name(error))
            return
        self._known.take(found)

    def register(self, plugin_type: TypeOrSlug, plugin: PluginMetadata) -> None:
        """Add a plugin that is not installed.

        Raises:
            DuplicatePluginError: A plugin of this type and name already exists.
            PluginIncompatibleError: The plugin was written for an incompatible plugin API.
            NotAPluginError: The object is not a plugin.
        """
        kind = PluginType(plugin_type)
        given: object = plugin
        if not isinstance(given, PluginMetadata):
            reason = f"an object of type {class_name(type(plugin))} is not a PluginMetadata"
            raise NotAPluginError(kind, type(plugin).__name__, reason)
        description = describe_instance(plugin, PluginName(kind, type(plugin).__name__))
        name = PluginName(kind, description.declared_name)
        check_api_version(name, description.floe_api_version)
        others = self._known.with_instance(plugin)  # the object can be registered under several types
        self._known.add(
            PluginRecord(
                plugin_id(*name),
                name,
                claim=None,
                plugin_class=type(plugin),
                description=description,
                object=others[0].object if others else PluginObject(plugin, PluginThread(f"floe: {name}")),
            )
        )
        log_invalid_version(name, description.version)

    def get(self, plugin_type: TypeOrSlug, name: str) -> PluginMetadata:
        """Return the plugin; load it on first use.

        It is the same object each time, until configure() replaces one that is not started and takes its
        configuration by the constructor.

        Raises:
            PluginNotFoundError: No plugin of this type and name is installed or registered.
            PluginError: The plugin cannot be loaded or constructed.
        """
        try:
            present = self._ready[plugin_type, name].object
        except KeyError:
            pass
        else:
            if present is not None:
                return present.instance
        record = self._known.record(plugin_type, name)
        instance = made(record)
        if self._known.has(record):
            self._ready[plugin_type, name] = record
        return instance

    def list(self, plugin_type: TypeOrSlug) -> builtins.list[PluginMetadata]:
        """Return the plugins of a type, loading them if needed; leave out broken ones and log each once."""
        plugins = []
        for named in self._known.ids([PluginType(plugin_type)]):
            try:
                plugins.append(self.get(*named))
            except PluginError as error:  # noqa: PERF203
                plugin = str(self._known.spelled(named))
                self._log.warning("Plugin left out", plugin=plugin, error=safe_text(error))
        return plugins

    def list_all(self) -> dict[PluginType, builtins.list[str]]:
        """Return the sorted names of all plugins by type, including broken plugins; load nothing."""
        names: dict[PluginType, builtins.list[str]] = {member: [] for member in PluginType}
        for named in self._known.ids(PluginType):
            names[named.plugin_type].append(self._known.spelled(named).name)
        return {member: sorted(listed) for member, listed in names.items()}

    def configure(self, plugin_type: TypeOrSlug, name: str, config: dict[str, Any]) -> BaseModel | None:
        """Validate, keep, deliver and return a configuration; return None if the plugin takes none.

        A plugin that takes it by the constructor is constructed anew. An equal configuration changes nothing.

        Raises:
            PluginConfigurationError: The configuration is invalid; the error contains no value from it.
            ConfigurationChangedError: The plugin would have to be constructed anew, but it is started.
            PluginStartupError: The plugin itself rejects a valid configuration.
        """
        record = self._known.record(plugin_type, name)
        outcome = validated(record, config)
        del config  # a traceback keeps the locals of its frames
        if isinstance(outcome, PluginConfigurationError):
            raise outcome.with_traceback(None)  # keep a schema's error, but not the frames of its traceback
        try:
            return deliver(record, outcome)
        except ConfigurationChangedError as error:
            changed = error
        del outcome
        raise changed.with_traceback(None)

    def get_config(self, plugin_type: TypeOrSlug, name: str) -> BaseModel | None:
        """Return the configuration that configure() gave to the plugin, or None if there is none."""
        present = self._known.record(plugin_type, name).object
        return present.config if present is not None else None

    def activate_plugin(self, plugin_type: TypeOrSlug, name: str, timeout: float | None = None) -> None:
        """Start the plugin, once, within `timeout` seconds (default: 30), but not what it needs.

        Raises:
            ConfigurationRequiredError: The plugin is installed and was not given what its schema requires.
            PluginStartupError: The plugin did not start.
            PluginError: The plugin cannot be loaded or constructed.
        """
        record = self._known.record(plugin_type, name)
        self._running.start(record, STARTUP_TIMEOUT if timeout is None else timeout)

    def activate_all(
        self,
        plugins: Iterable[Chosen] | None = None,
        plugin_types: Iterable[TypeOrSlug] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Exception | None]:
        """Start plugins and what they need, dependencies first; return the outcomes by `TYPE:name`.

        An outcome is None or the error, which is logged once. `plugins` (objects or (type, name) tuples) and
        `plugin_types` select those that match both (default: all); `timeout` is in seconds and applies to
        each plugin (default: 30).
        """
        limit = STARTUP_TIMEOUT if timeout is None else timeout
        known = self._known.ids(PluginType)
        chosen = known if plugins is None else [self._id_of(each) for each in plugins]
        if plugin_types is not None:
            types = set(map(PluginType, plugin_types))
            chosen = [named for named in chosen if named.plugin_type in types]
        outcomes = self._running.start_all(chosen, self._known, limit)
        return {str(name): outcome for name, outcome in outcomes.items()}

    def shutdown_all(self, timeout: float | None = None) -> dict[str, Exception | None]:
        """Stop the started plugins in the reverse order of their start; return the outcomes by `TYPE:name`.

        An outcome is None or the error; `timeout` is in seconds and applies to each plugin (default: 30).
        """
        stopped = self._running.stop_all(SHUTDOWN_TIMEOUT if timeout is None else timeout)
        return {str(name): outcome for name, outcome in stopped.items()}

    def health_check_all(self, timeout: float | None = None) -> dict[str, HealthStatus]:
        """Return the health of all plugins that have an object by `TYPE:name`, checked at the same time.

        Whether they are started makes no difference. `timeout` is in seconds (default: 5).
        """
        limit = HEALTH_CHECK_TIMEOUT if timeout is None else timeout
        return {str(name): status for name, status in check_all(self._known.objects(), limit).items()}

    def resolve_dependencies(self, plugins: Iterable[PluginMetadata]) -> builtins.list[PluginMetadata]:
        """Return the plugins, each after those it needs.

        Raises:
            CircularDependencyError: Plugins need one another.
            MissingDependencyError: A plugin needs a plugin that is not among them.
            AmbiguousDependencyError: A dependency could be any of several plugins.
        """
        return objects_in_order([*plugins], self._names_of)

    def _names_of(self, plugin: PluginMetadata) -> builtins.list[PluginName]:
        known = [each.name for each in self._known.with_instance(plugin)]
        return known or [PluginName(kind, plugin.name) for kind in types_of_class(type(plugin))]

    def _id_of(self, chosen: Chosen) -> PluginId:
        if not isinstance(chosen, PluginMetadata):
            return plugin_id(*chosen)
        found = self._known.with_instance(chosen)
        if not found:
            raise PluginError(f"A plugin of class {type(chosen).__name__} is not registered")
        return found[0].id


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


def _renew_lock() -> None:
    global _registry_lock
    _registry_lock = threading.RLock()


_registry: PluginRegistry | None = None
_registry_lock = threading.RLock()  # a signal handler might ask for the registry meanwhile
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)  # the thread that holds it does not exist there
