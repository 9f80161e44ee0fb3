"""Starts many plugins, dependencies first, and stops them in reverse order.

A plugin that fails prevents only its dependents from starting. Why it did is logged once.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from floe_core import _logs
from floe_core._class_names import error_name
from floe_core._loading.loading import is_users_interrupt
from floe_core._running.construction import call_hook
from floe_core._running.delivery import alone_with, check_configured, inside, made
from floe_core._running.known_plugins import KnownPlugins
from floe_core._running.plugin_records import PluginRecord, loaded
from floe_core._running.shutdown import call_shutdown, shut_down
from floe_core._running.waiting import DeadlockError, WaitError, explained
from floe_core.dependencies import plan, resolve
from floe_core.plugin_errors import PluginError, PluginStartupError, PluginTimeoutError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginId, PluginName, PluginType

STARTUP_TIMEOUT = 30.0
SHUTDOWN_TIMEOUT = 30.0
"""Default time limits in seconds."""


class Running:
    """The started plugins, in the order in which they were started."""

    def __init__(self) -> None:
        # A dictionary, because a plugin's thread changes it in single steps, without a lock.
        self._started: dict[PluginRecord, None] = {}
        self._complaints = _Complaints()

    def start(self, record: PluginRecord, timeout: float) -> None:
        """Start the plugin unless it is already started.

        If startup() completes after its limit, the plugin is shut down again.

        Raises:
            ConfigurationRequiredError: The plugin requires a configuration that was not given.
            PluginStartupError: startup() raised or did not return in time.
            PluginError: The plugin could not be loaded or constructed.
        """
        try:
            self._start(record, timeout)
        except PluginError as error:
            self._complaints.note(record.name, safe_text(error))
            raise
        self._complaints.forget(record.name)

    def _started_or_error(self, record: PluginRecord, timeout: float) -> PluginError | None:
        try:
            self.start(record, timeout)
        except PluginError as error:
            return error
        return None

    def _start(self, record: PluginRecord, timeout: float) -> None:
        check_configured(record)
        made(record)
        with alone_with(record, "startup", timeout) as deadline:
            present = record.object
            assert present is not None
            if record.started:
                return

            def startup() -> None:
                if record.started:
                    return
                if record.object is not present:  # a hook that this one was queued behind has replaced it
                    raise DeadlockError
                # A lambda, because looking up the method is plugin code, too.
                call_hook(record.name, "startup", lambda: present.instance.startup())
                record.started = True
                self._started[record] = None
                if present.is_replaced:  # a hook started its own plugin while that was constructed anew
                    stop_again(None)
                    raise DeadlockError

            def stop_again(_: None) -> None:
                if self._take(record):
                    call_shutdown(present.instance)

            present.thread.run("startup", startup, deadline - monotonic(), too_late=stop_again)

    def stop_all(self, timeout: float) -> dict[PluginName, Exception | None]:
        """Stop all started plugins, the last one first, and continue after an error."""
        records = list(self._started)[::-1]
        outcomes: dict[PluginName, Exception | None] = {}
        for record in records:
            try:
                if self._stop(record, timeout):
                    outcomes[record.name] = None
            except Exception as error:  # noqa: BLE001, PERF203  (plugin code)
                outcomes[record.name] = error
        return outcomes

    def start_all(
        self, wanted: Iterable[PluginId], plugins: KnownPlugins, timeout: float
    ) -> dict[PluginName, Exception | None]:
        """Start the wanted plugins and everything they need; return each plugin's error or None.

        `timeout` (seconds) applies to each.
        """
        known = set(plugins.ids(PluginType))
        records: dict[PluginId, PluginRecord] = {}
        declared: dict[PluginId, tuple[str, ...]] = {}
        failures: dict[PluginId, Exception | None] = {}
        todo = list(wanted)
        while todo:
            plugin = todo.pop()
            if plugin in declared:
                continue
            declared[plugin] = ()
            try:
                records[plugin] = plugins.record(*plugin)
                _, description = loaded(records[plugin])
                declared[plugin] = description.dependencies
            except PluginError as error:
                failures[plugin] = error
                self._complaints.note(plugins.spelled(plugin), safe_text(error))
            for dependency in declared[plugin]:
                todo.extend(resolve(plugin, dependency, known))
        planned = plan(declared, known, plugins.spelled)
        for plugin in planned.order:
            if plugin in failures:
                continue
            name = plugins.spelled(plugin)
            stopped_by = [each for each in planned.needs[plugin] if failures.get(each) is not None]
            failure: PluginError | None = planned.faults.get(plugin)
            if records[plugin].started:
                failure = None
            elif failure is None and stopped_by:
                said = ", ".join(str(plugins.spelled(each)) for each in stopped_by)
                failure = PluginStartupError(*name, PluginError(f"its dependency {said} did not start"))
            if failure is not None:
                self._complaints.note(name, str(failure))
            else:
                failure = self._started_or_error(records[plugin], timeout)
            failures[plugin] = failure
        return {plugins.spelled(plugin): failures[plugin] for plugin in planned.order}

    def _take(self, record: PluginRecord) -> bool:
        try:
            del self._started[record]
        except KeyError:
            return False
        record.started = False
        return True

    def _stop(self, record: PluginRecord, timeout: float) -> bool:
        """Stop the plugin; return False if it is not started any more."""
        deadline = monotonic() + timeout
        try:
            with inside(record, deadline):
                present = record.object
                assert present is not None

                def shutdown() -> bool:
                    taken = self._take(record)  # only now: what never begins leaves the plugin started
                    if taken:
                        _call_shutdown(present.instance)
                    return taken

                return shut_down(record.name, present.thread, shutdown, deadline - monotonic())
        except WaitError as error:
            failure = explained(error, "shutdown", timeout)
        raise failure


def _call_shutdown(instance: PluginMetadata) -> None:
    """Call shutdown(); what it raises is an Exception, so that others are stopped, or the user's Ctrl-C."""
    try:
        call_shutdown(instance)
    except Exception:
        raise
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        failure = PluginError(f"shutdown raised {error_name(error)}")
        failure.__cause__ = error
    else:
        return
    raise failure


class _Complaints:
    """Logs why a plugin did not start: once, until it starts or there is another reason."""

    def __init__(self) -> None:
        self._said: dict[PluginName, str] = {}

    def note(self, plugin: PluginName, text: str) -> None:
        if self._said.get(plugin) != text:
            self._said[plugin] = text
            _logs.warning("Plugin not started", plugin=str(plugin), error=text)

    def forget(self, plugin: PluginName) -> None:
        self._said.pop(plugin, None)


def safe_text(error: PluginError) -> str:
    """Return the text of an error for the log; that of a hook can quote the configuration."""
    if not isinstance(error, PluginStartupError):
        return str(error)
    if isinstance(error.cause, PluginTimeoutError):
        return str(error)
    return f"{error.hook} failed: {error_name(error.cause)}" if error.cause else f"{error.hook} failed"
