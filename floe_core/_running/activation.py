"""Starts many plugins, dependencies first, and stops them in reverse order.

A plugin that fails prevents only its dependents from starting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from floe_core._running.construction import call_hook, reject_coroutine
from floe_core._running.plugin_records import PluginRecord, hook_turn, loaded, made
from floe_core._running.time_limits import DeadlockError, OutOfTimeError
from floe_core.dependencies import plan, resolve
from floe_core.plugin_errors import PluginError, PluginStartupError, PluginTimeoutError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginId

Outcomes = dict[PluginId, Exception | None]


class Running:
    """The started plugins, in the order in which they were started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: list[PluginRecord] = []

    def start(self, record: PluginRecord, timeout: float) -> None:
        """Start the plugin unless it is already started.

        If startup() completes after its limit, the plugin is shut down again.

        Raises:
            PluginStartupError: startup() raised or did not return in time.
            PluginError: The plugin could not be loaded or created.
        """
        instance = made(record)

        def startup() -> None:
            if not record.started:
                call_hook(record.id, "startup", instance.startup)
                with self._lock:
                    record.started = True
                    self._started.append(record)

        def stop_again(_: None) -> None:
            if self._take(record):
                _shut_down(instance)

        hook_turn(record, "startup", startup, timeout, stop_again)

    def stop_all(self, timeout: float) -> dict[PluginRecord, Exception | None]:
        """Stop all started plugins, the last one first, and continue after an error."""
        with self._lock:
            records = list(reversed(self._started))
        return {record: self._stop(record, timeout) for record in records if self._take(record)}

    def _take(self, record: PluginRecord) -> bool:
        with self._lock:
            was_started = record.started
            record.started = False
            if was_started:
                self._started.remove(record)
            return was_started

    def _stop(self, record: PluginRecord, timeout: float) -> Exception | None:
        instance = record.instance
        assert instance is not None
        try:
            record.turns.run((record.id, "shutdown"), lambda: _shut_down(instance), timeout)
        except OutOfTimeError:
            return PluginTimeoutError("shutdown", timeout)
        except DeadlockError:
            return PluginError("shutdown is waiting for something that is waiting for it")
        except Exception as error:  # noqa: BLE001  (plugin code)
            return error
        except BaseException as error:
            if threading.current_thread() is threading.main_thread() and isinstance(error, KeyboardInterrupt):
                raise
            failure = PluginError(f"shutdown raised {type(error).__name__}")
            failure.__cause__ = error
            return failure
        return None


def _shut_down(instance: PluginMetadata) -> None:
    hook: Callable[[], object] = instance.shutdown
    reject_coroutine("shutdown", hook())


def start_all(
    wanted: Iterable[PluginId],
    record_of: Callable[[PluginId], PluginRecord],
    known: Iterable[PluginId],
    start: Callable[[PluginRecord], None],
) -> Outcomes:
    """Start the wanted plugins and everything they need; return each plugin's error or None.

    `record_of` raises PluginError for a plugin that cannot be loaded.
    """
    everything = set(known)
    records: dict[PluginId, PluginRecord] = {}
    declared: dict[PluginId, tuple[str, ...]] = {}
    outcomes: Outcomes = {}
    todo = list(wanted)
    while todo:
        plugin = todo.pop()
        if plugin in declared:
            continue
        declared[plugin] = ()
        try:
            records[plugin] = record_of(plugin)
            declared[plugin] = _declared_by(records[plugin])
        except PluginError as error:
            outcomes[plugin] = error
        for dependency in declared[plugin]:
            todo.extend(resolve(plugin, dependency, everything))
    planned = plan(declared, everything)
    for plugin in planned.order:
        if plugin not in outcomes:
            failure = planned.faults.get(plugin) or _stopped_by(plugin, planned.needs[plugin], outcomes)
            outcomes[plugin] = failure or _started(records[plugin], start)
    return {plugin: outcomes[plugin] for plugin in planned.order}


def _declared_by(record: PluginRecord) -> tuple[str, ...]:
    if record.description is None:
        loaded(record)
    assert record.description is not None
    return record.description.dependencies


def _stopped_by(
    plugin: PluginId, needs: Iterable[PluginId], outcomes: Mapping[PluginId, Exception | None]
) -> Exception | None:
    failed = [str(each) for each in needs if outcomes.get(each) is not None]
    if not failed:
        return None
    return PluginStartupError(*plugin, PluginError(f"its dependency {', '.join(failed)} did not start"))


def _started(record: PluginRecord, start: Callable[[PluginRecord], None]) -> Exception | None:
    try:
        start(record)
    except PluginError as error:
        return error
    return None
