"""Gives a plugin its object and its configuration, and replaces the object if that is the only way.

A record's configuration is always the one that its object has.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING

from floe_core._configuring.configuration import assess, required_fields
from floe_core._configuring.faults import configuration_error
from floe_core._configuring.sameness import is_same, snapshot
from floe_core._running import plugin_records
from floe_core._running.construction import (
    check_constructible,
    configure,
    construct,
    is_configured_by_constructor,
)
from floe_core._running.plugin_records import PluginObject, PluginRecord, loaded
from floe_core._running.plugin_thread import PluginThread
from floe_core._running.waiting import StillRunningError, WaitError, explained
from floe_core.plugin_errors import (
    ConfigurationChangedError,
    ConfigurationNotAcceptedError,
    ConfigurationRequiredError,
    FieldError,
    PluginConfigurationError,
    PluginSchemaError,
    PluginStartupError,
)
from floe_core.plugin_metadata import PluginMetadata

if TYPE_CHECKING:
    from pydantic import BaseModel


def made(record: PluginRecord) -> PluginMetadata:
    """Return the record's object, constructed on first use.

    A failure of the constructor is not remembered: what it lacked might be available next time.

    Raises:
        PluginError: The plugin cannot be loaded or constructed.
    """
    if record.object is None:
        loaded(record)
        with alone_with(record, "constructor", plugin_records.LOAD_TIMEOUT) as deadline:
            if record.object is None:
                _construct(record, None, deadline)
    assert record.object is not None
    return record.object.instance


def validated(record: PluginRecord, config: object) -> BaseModel | PluginConfigurationError | None:
    """Return the validated configuration or what is wrong with it, or None if the plugin takes none."""
    _, description = loaded(record)
    kind, name = record.name
    schema = description.config_schema
    if description.schema_error is not None:
        return description.schema_error
    if schema is None:
        if not config:
            return None
        fault = FieldError(field="", message="the plugin takes no configuration", type="config_not_accepted")
        return ConfigurationNotAcceptedError(name, [fault], plugin_type=kind)
    verdict = assess(schema, config, plugin=record.name)
    if not isinstance(verdict, list):
        return verdict
    error = configuration_error(record.name, verdict)
    if config == {} and required_fields(schema):
        return ConfigurationRequiredError(name, error.errors, plugin_type=kind)
    return error


def check_configured(record: PluginRecord) -> None:
    """Check that an installed plugin has the configuration that its schema requires.

    Whoever registered an object might have configured it.

    Raises:
        ConfigurationRequiredError: The plugin was never configured, and its schema does not accept `{}`.
        PluginError: The plugin cannot be loaded.
    """
    if record.claim is None or (record.object is not None and record.object.config is not None):
        return
    verdict = validated(record, {})
    if isinstance(verdict, PluginConfigurationError) and not isinstance(verdict, PluginSchemaError):
        kind, name = record.name
        raise ConfigurationRequiredError(name, verdict.errors, plugin_type=kind)


def deliver(record: PluginRecord, config: BaseModel | None) -> BaseModel | None:
    """Make the plugin have this configuration; return it, or the equal one that the plugin has already.

    Raises:
        ConfigurationChangedError: Only a new object could have it, and the present one is started.
        PluginStartupError: The constructor or configure() failed.
    """
    plugin_class, _ = loaded(record)
    replaces = record.claim is not None and is_configured_by_constructor(plugin_class)
    with alone_with(record, "configure", plugin_records.LOAD_TIMEOUT) as deadline:
        present = record.object
        if present is None:
            return _construct(record, config, deadline)
        if _has(present, config):
            return present.config
        if not replaces:
            return _configure(record, present, config, deadline)
        if config is not None:
            _check_replaceable(record, present)
            return _construct(record, config, deadline)
        return present.config


@contextmanager
def alone_with(record: PluginRecord, hook: str, timeout: float) -> Iterator[float]:
    """Yield the deadline of a hook, with nobody else changing the plugin until the block ends.

    Raises:
        PluginStartupError: The hook did not begin or return in time, or would wait in a circle.
    """
    deadline = monotonic() + timeout
    with _startup_errors(record, hook, timeout), inside(record, deadline):
        yield deadline


def inside(record: PluginRecord, deadline: float) -> AbstractContextManager[None]:
    """Return what keeps others from changing the plugin; a hook of its own need not wait for them.

    Entering it raises as Gate.held() does.
    """
    own = record.object is not None and record.object.thread.is_here
    return nullcontext() if own else record.gate.held(deadline)


@contextmanager
def _startup_errors(record: PluginRecord, hook: str, timeout: float) -> Iterator[None]:
    try:
        yield
    except WaitError as error:
        cause = explained(error, hook, timeout)
    else:
        return
    raise PluginStartupError(*record.name, cause, hook=hook)


def _construct(record: PluginRecord, config: BaseModel | None, deadline: float) -> BaseModel | None:
    plugin_class, _ = loaded(record)
    earlier = record.constructing() if record.constructing is not None else None
    if earlier is not None and "constructor" in earlier.hooks:
        raise StillRunningError("constructor")
    check_constructible(plugin_class, config, record.name)
    kept = snapshot(config)
    thread = PluginThread(f"floe: {record.name}")
    record.constructing = weakref.ref(thread)

    def take_late(instance: PluginMetadata) -> None:
        # An object with a configuration that was reported as failed is dropped.
        if config is None and record.object is None:
            record.object = PluginObject(instance, thread)

    try:
        with _startup_errors(record, "constructor", plugin_records.LOAD_TIMEOUT):
            instance = thread.run(
                "constructor",
                lambda: construct(plugin_class, config, record.name),
                deadline - monotonic(),
                too_late=take_late,
            )
        _replace(record, PluginObject(instance, thread, config, kept))
    except BaseException:
        # An object without a configuration is used even if it comes late.
        thread.close_unless(lambda: record.object is not None and record.object.thread is thread)
        raise
    return config


def _replace(record: PluginRecord, new: PluginObject) -> None:
    old = record.object
    if old is not None:
        old.is_replaced = True  # before the look at `started`, which startup sets before it looks at this
        if record.started:
            old.is_replaced = False
            raise _changed(record)
    record.object = new


def _configure(
    record: PluginRecord, present: PluginObject, config: BaseModel | None, deadline: float
) -> BaseModel | None:
    kept = snapshot(config)

    def work() -> None:
        present.is_config_certain = False
        configure(present.instance, config, record.name)
        # Here, because it is true even if it comes too late for the caller.
        present.config, present.snapshot, present.is_config_certain = config, kept, True

    present.thread.run("configure", work, deadline - monotonic())
    return config


def _check_replaceable(record: PluginRecord, present: PluginObject) -> None:
    hooks = present.thread.hooks
    if record.started or "startup" in hooks:
        raise _changed(record)
    if "shutdown" in hooks:
        raise StillRunningError("shutdown")


def _changed(record: PluginRecord) -> ConfigurationChangedError:
    kind, name = record.name
    return ConfigurationChangedError(
        name, state="started" if record.started else "starting", plugin_type=kind
    )


def _has(present: PluginObject, config: BaseModel | None) -> bool:
    return present.is_config_certain and config is not None and is_same(present.snapshot, config)
