"""Keeps a record of each plugin, and imports the plugin at most once."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from floe_core._finding.discovery import EntryPointClaim
from floe_core._loading.description import PluginDescription, describe
from floe_core._loading.loading import is_main_thread, load_class
from floe_core._running.import_turns import ImportTurns
from floe_core._running.plugin_thread import Job, PluginThread
from floe_core._running.remarks import log_remarks
from floe_core._running.waiting import DeadlockError, Gate, OutOfTimeError
from floe_core.plugin_errors import (
    InvalidPluginVersionError,
    PluginError,
    PluginImportError,
    PluginIncompatibleError,
    PluginLoadError,
    PluginLoadTimeoutError,
)
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId, PluginName
from floe_core.version_compat import (
    FLOE_PLUGIN_API_MIN_VERSION,
    FLOE_PLUGIN_API_VERSION,
    is_compatible,
    parse_api_version,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

LOAD_TIMEOUT = 30.0
"""Seconds allowed for an import, and again for a constructor or configure()."""

Loaded = tuple[type[PluginMetadata], PluginDescription]


@dataclass(eq=False, slots=True)
class PluginObject:
    """A plugin's instance, and what comes and goes with it."""

    instance: PluginMetadata
    thread: PluginThread = field(repr=False)
    config: BaseModel | None = field(default=None, repr=False)
    """The configuration that the instance has."""
    snapshot: BaseModel | None = field(default=None, repr=False)
    """What the configuration was when the instance got it, for somebody might change it in place."""
    is_config_certain: bool = True
    """False after a configure() that failed, which might have changed something."""
    is_replaced: bool = False
    """Whether another object takes its place, so that it must not be started."""
    check: Job[HealthStatus] | None = field(default=None, repr=False)
    """The latest health check."""


@dataclass(eq=False, slots=True)
class PluginRecord:
    """One plugin, whatever its state."""

    id: PluginId
    name: PluginName
    claim: EntryPointClaim | None
    """None for a plugin that was registered as an object."""
    imports: ImportTurns[Loaded] | None = field(default=None, repr=False)
    plugin_class: type[PluginMetadata] | None = None
    description: PluginDescription | None = None
    failure: PluginError | None = None
    """Why the plugin is not available; kept until its distribution changes."""
    was_tried_in_main: bool = False
    """Whether the import ran in the main thread, where more can succeed than in others."""
    remarked: bool = False
    """Whether what is wrong with the loaded plugin was logged; only the turn of its import writes this."""

    object: PluginObject | None = None
    started: bool = False

    gate: Gate = field(default_factory=Gate, repr=False)
    """Held while the plugin is constructed, configured, started or stopped."""
    constructing: weakref.ref[PluginThread] | None = field(default=None, repr=False)
    """The thread of the latest constructor, which ends if its object is not taken."""


def loaded(record: PluginRecord) -> Loaded:
    """Return the record's class and description, loaded on first use.

    Raises:
        PluginError: The plugin cannot be loaded.
    """
    if record.plugin_class is None:
        if record.failure is None:
            _load(record, in_place=False)
        if record.failure is not None and _can_succeed_here(record):
            _load(record, in_place=True)
    if record.failure is not None:
        raise record.failure.with_traceback(None)
    assert record.plugin_class is not None
    assert record.description is not None
    return record.plugin_class, record.description


def check_api_version(plugin: PluginName, version: str) -> None:
    """Check that the platform offers the plugin API version.

    Raises:
        PluginIncompatibleError: The platform does not offer this version.
        InvalidPluginVersionError: The text is not an API version.
    """
    platform, oldest, kind = FLOE_PLUGIN_API_VERSION, FLOE_PLUGIN_API_MIN_VERSION, plugin.plugin_type
    try:
        too_old = parse_api_version(version) < parse_api_version(oldest)
        fits = is_compatible(version, platform) and not too_old
    except ValueError as error:
        reason = f"floe_api_version: {error}"
    else:
        if not fits:
            raise PluginIncompatibleError(plugin.name, version, platform, oldest=oldest, plugin_type=kind)
        return
    raise InvalidPluginVersionError(plugin.name, version, platform, reason=reason, plugin_type=kind)


def _load(record: PluginRecord, *, in_place: bool) -> None:
    claim, imports = record.claim, record.imports
    assert claim is not None
    assert imports is not None
    failure: PluginError | None = None
    try:
        found = imports.run(
            record.id,
            lambda: _load_and_describe(record, claim),
            LOAD_TIMEOUT,
            too_late=lambda late: _keep(record, late),
            in_place=in_place,
        )
    except OutOfTimeError:
        reason = f"the import did not return within {LOAD_TIMEOUT:g} s"
        failure = PluginLoadTimeoutError(*record.name, reason)
    except DeadlockError:
        failure = None
    except PluginError as error:
        failure = error
        # Only the main thread can set signal handlers; a missing module is missing in every thread.
        if (
            isinstance(error, PluginImportError)
            and not isinstance(error.cause, ImportError)
            and not record.was_tried_in_main
        ):
            failure = error.with_fix("or load it from the main thread before an event loop runs there")
    else:
        _keep(record, found)
        return
    if failure is None:
        raise PluginLoadError(*record.name, "it is still being loaded, and its import depends on itself")
    if record.plugin_class is None:  # or else another thread has succeeded meanwhile
        record.failure = failure


def _can_succeed_here(record: PluginRecord) -> bool:
    """Return True if an import that failed in a side thread is worth a try in this one.

    Only the main thread can set signal handlers, and has an event loop without asking for one. Nothing could
    end that try at a time limit.
    """
    if record.was_tried_in_main or not isinstance(record.failure, PluginLoadError):
        return False
    if isinstance(record.failure, PluginLoadTimeoutError) or not is_main_thread():
        return False
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio is None or asyncio.get_running_loop() is None
    except RuntimeError:  # no event loop is running
        return True


def _load_and_describe(record: PluginRecord, claim: EntryPointClaim) -> Loaded:
    try:
        plugin_class = load_class(claim)
        description = describe(plugin_class, claim.spelled)
    except PluginLoadError:
        record.was_tried_in_main = record.was_tried_in_main or is_main_thread()
        raise
    if not record.remarked:
        record.remarked = True
        log_remarks(record.name, claim, description)
    return plugin_class, description


def _keep(record: PluginRecord, found: Loaded) -> None:
    plugin_class, description = found
    try:
        check_api_version(record.name, description.floe_api_version)
    except PluginIncompatibleError as error:
        record.failure = error
    else:
        record.description = description
        record.plugin_class = plugin_class
        record.failure = None
