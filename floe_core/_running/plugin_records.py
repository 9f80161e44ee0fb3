"""Keeps a record of each plugin, loads and creates the plugin at most once, and configures it.

Plugin code runs in turns of a turn table that all records of a registry share: a hook of a plugin never runs
twice at the same time, and each run has a time limit and its own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from floe_core._configuring.configuration import required_fields, try_validate
from floe_core._finding.discovery import EntryPointClaim
from floe_core._loading.description import PluginDescription, describe
from floe_core._loading.loading import load_class
from floe_core._running.construction import configure, construct
from floe_core._running.remarks import log_remarks
from floe_core._running.time_limits import DeadlockError, OutOfTimeError, TurnTable
from floe_core.plugin_errors import (
    ConfigurationNotAcceptedError,
    ConfigurationRequiredError,
    InvalidPluginVersionError,
    PluginConfigurationError,
    PluginError,
    PluginIncompatibleError,
    PluginLoadError,
    PluginLoadTimeoutError,
    PluginStartupError,
    PluginTimeoutError,
)
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginId
from floe_core.version_compat import (
    FLOE_PLUGIN_API_MIN_VERSION,
    FLOE_PLUGIN_API_VERSION,
    is_compatible,
    parse_api_version,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")

LOAD_TIMEOUT = 30.0
"""Seconds allowed for an import, and again for a constructor or configure()."""


@dataclass(eq=False, slots=True)
class PluginRecord:
    """One plugin, whatever its state."""

    id: PluginId
    turns: TurnTable = field(repr=False)
    spelled: str
    """The name as the plugin's entry point or class spells it."""
    claim: EntryPointClaim | None
    """None for a plugin that was registered as an object."""
    plugin_class: type[PluginMetadata] | None = None
    description: PluginDescription | None = None
    instance: PluginMetadata | None = None
    config: BaseModel | None = field(default=None, repr=False)
    delivered: BaseModel | None = field(default=None, repr=False)
    """The configuration that the plugin has: `config`, unless delivering it failed."""
    delivering: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held during a delivery, so that the plugin's configuration matches the record's."""
    failure: PluginError | None = None
    """Why the plugin is not available; kept until its distribution changes."""
    started: bool = False
    remarked: bool = False
    """Whether what is wrong with the loaded plugin was logged; only the turn of its import writes this."""

    @property
    def text(self) -> str:
        """`COMPUTE:duckdb`, with the name as the plugin spells it."""
        return f"{self.id.plugin_type.name}:{self.spelled}"


def loaded(record: PluginRecord) -> tuple[type[PluginMetadata], PluginDescription]:
    """Return the record's class and description, loaded on first use.

    Raises:
        PluginError: The plugin cannot be loaded; the same error each time.
    """
    if record.failure is None and record.plugin_class is None:
        _load(record)
    if record.failure is not None:
        raise record.failure.with_traceback(None)
    assert record.plugin_class is not None
    assert record.description is not None
    return record.plugin_class, record.description


def made(record: PluginRecord) -> PluginMetadata:
    """Return the record's plugin, created on first use, with the record's configuration if it has one.

    A failure of the constructor is not remembered: what it lacked might be available next time.
    """
    if record.instance is None:
        plugin_class, _ = loaded(record)

        def make() -> PluginMetadata:
            if record.instance is None:
                config = record.config
                record.instance = construct(plugin_class, config, record.id)
                record.delivered = config
            return record.instance

        return hook_turn(record, "constructor", make, LOAD_TIMEOUT)
    return record.instance


def validated(record: PluginRecord, config: object) -> BaseModel | PluginConfigurationError | None:
    """Return the validated configuration or what is wrong with it, or None if the plugin takes none."""
    _, description = loaded(record)
    plugin, schema = str(record.id), description.config_schema
    if description.schema_error is not None:
        return description.schema_error
    if schema is None:
        if not config:
            return None
        fault = {"field": "", "message": "the plugin takes no configuration", "type": "config_not_accepted"}
        return ConfigurationNotAcceptedError(plugin, [fault])
    verdict = try_validate(schema, config, plugin=record.id)
    if isinstance(verdict, PluginConfigurationError) and config == {} and required_fields(schema):
        return ConfigurationRequiredError(plugin, verdict.errors)
    return verdict


def deliver(record: PluginRecord, config: BaseModel | None) -> None:
    """Create the plugin with the configuration, or pass the configuration to the existing plugin."""
    if not record.delivering.acquire(timeout=LOAD_TIMEOUT):
        raise PluginStartupError(
            *record.id, PluginTimeoutError("an earlier configure", LOAD_TIMEOUT), hook="configure"
        )
    before, record.config = record.config, config
    try:
        instance = made(record)
        if config is None or record.delivered is not config:
            hook_turn(record, "configure", lambda: configure(instance, config, record.id), LOAD_TIMEOUT)
            record.delivered = config
    except BaseException:
        record.config = before
        raise
    finally:
        record.delivering.release()


def hook_turn(
    record: PluginRecord,
    hook: str,
    work: Callable[[], T],
    timeout: float,
    too_late: Callable[[T], object] = lambda _: None,
) -> T:
    """Run a hook in its turn and return its result.

    Raises:
        PluginStartupError: The hook failed or did not return in time.
    """
    try:
        return record.turns.run((record.id, hook), work, timeout, too_late=too_late)
    except OutOfTimeError:
        cause: PluginError = PluginTimeoutError(hook, timeout)
    except DeadlockError:
        cause = PluginError(f"{hook} is waiting for something that is waiting for it")
    raise PluginStartupError(*record.id, cause, hook=hook)


def _load(record: PluginRecord) -> None:
    claim = record.claim
    assert claim is not None
    failure: PluginError | None = None
    try:
        found = record.turns.run(
            (record.id, "import"),
            lambda: _load_and_describe(record, claim),
            LOAD_TIMEOUT,
            too_late=lambda late: _keep(record, late),
            nest=True,
        )
    except OutOfTimeError:
        reason = f"the import did not return within {LOAD_TIMEOUT:g} s"
        failure = PluginLoadTimeoutError(*record.id, reason)
    except DeadlockError:
        failure = None
    except PluginError as error:
        failure = error
    else:
        _keep(record, found)
        return
    if failure is None:
        raise PluginLoadError(*record.id, "it is still being loaded, and its import depends on itself")
    record.failure = failure


def _load_and_describe(
    record: PluginRecord, claim: EntryPointClaim
) -> tuple[type[PluginMetadata], PluginDescription]:
    plugin_class = load_class(claim)
    description = describe(plugin_class, claim.id)
    if not record.remarked:
        record.remarked = True
        log_remarks(record.text, claim, description)
    return plugin_class, description


def _keep(record: PluginRecord, found: tuple[type[PluginMetadata], PluginDescription]) -> None:
    plugin_class, description = found
    try:
        check_api_version(record.id, description.floe_api_version)
    except PluginIncompatibleError as error:
        record.failure = error
    else:
        record.description = description
        record.plugin_class = plugin_class
        record.failure = None


def check_api_version(plugin: PluginId, version: str) -> None:
    """Check that the platform offers the plugin API version.

    Raises:
        PluginIncompatibleError: The platform does not offer this version.
        InvalidPluginVersionError: The text is not an API version.
    """
    platform, oldest = FLOE_PLUGIN_API_VERSION, FLOE_PLUGIN_API_MIN_VERSION
    try:
        too_old = parse_api_version(version) < parse_api_version(oldest)
        fits = is_compatible(version, platform) and not too_old
    except ValueError as error:
        reason = f"floe_api_version: {error}"
    else:
        if not fits:
            raise PluginIncompatibleError(str(plugin), version, platform, oldest=oldest)
        return
    raise InvalidPluginVersionError(str(plugin), version, platform, reason=reason)
