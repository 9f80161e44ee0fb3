"""Constructs, configures, starts, checks and stops the plugins that run in the host, each on its own thread.

It sets no time limits: the operator decides how long to wait, and calls `stop` on a plugin it gives up on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from floe_core._class_names import error_name
from floe_core._configuring.configuration import assess
from floe_core._configuring.faults import configuration_error
from floe_core._running.construction import construct, reject_coroutine
from floe_core._running.health_checks import call_health_check
from floe_core._running.plugin_thread import Job, PluginThread
from floe_core._running.shutdown import call_shutdown, shut_down
from floe_core._running.waiting import OutOfTimeError, StillRunningError, locked
from floe_core.host.errors import LONGEST_TEXT, CallError, plugin_text, sentence_of, whole_or
from floe_core.host.inventory import LoadedPlugin
from floe_core.host.marks import Marks
from floe_core.host.protocol import HOOK_FAILED, NOT_STARTED, HealthReport, HookFailure
from floe_core.plugin_errors import PluginConfigurationError, PluginSchemaError, PluginStartupError
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId, PluginName

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")
Hook = Literal["constructor", "configure", "startup", "health_check", "shutdown"]


class _Instance:
    """A plugin between its constructor and the end of its shutdown."""

    __slots__ = ("plugin", "started", "thread")

    def __init__(self, name: PluginName) -> None:
        self.thread = PluginThread(f"floe: {name}")
        self.plugin: PluginMetadata | None = None
        self.started = False


class Instances:
    """The wanted instances, at most one of each plugin."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._wanted: dict[PluginId, _Instance] = {}

    def start(self, plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any]) -> None:
        """Construct, configure and start the plugin; an existing instance is stopped first."""
        self._discard(plugin, None)
        instance = _Instance(PluginName(*plugin))
        with locked():
            self._wanted[plugin] = instance
        try:
            instance.thread.run("startup", lambda: self._start(plugin, instance, loaded, config), None)
        except BaseException:
            with locked():
                if self._wanted.get(plugin) is instance:
                    del self._wanted[plugin]
            raise

    def _start(
        self, plugin: PluginId, instance: _Instance, loaded: LoadedPlugin, config: Mapping[str, Any]
    ) -> None:
        with self._marks.around(plugin):
            instance.plugin = _constructed(plugin, loaded, config)
            if self._wanted.get(plugin) is not instance:
                return
            _call("startup", instance.plugin.startup)
        with locked():
            instance.started = True
            late = self._wanted.get(plugin) is not instance
            if not late:  # the dictionary is ordered by when plugins were started
                del self._wanted[plugin]
                self._wanted[plugin] = instance
        if late:
            _call("shutdown", partial(self._shut_down, plugin, instance.plugin))

    def post_check(self, plugin: PluginId, timeout: float | None, work: Callable[[], None]) -> bool:
        """Have the plugin's thread do `work`, which calls check(); return False if it cannot."""
        with locked():
            instance = self._wanted.get(plugin)
            if instance is None or not instance.started:
                return False
        try:
            instance.thread.submit(Job("health_check", work, timeout))
        except StillRunningError:
            return False
        return True

    def check(self, plugin: PluginId, timeout: float | None) -> HealthReport:
        """Return the plugin's health; `timeout` (seconds) is passed to a hook that takes a timeout."""
        with locked():
            instance = self._wanted.get(plugin)
        if instance is None or instance.plugin is None or not instance.started:
            raise CallError(NOT_STARTED, f"{plugin.slug} is not started")
        running, thread = instance.plugin, instance.thread

        def hook() -> HealthStatus:
            return call_health_check(running, timeout)

        call = hook if thread.is_here else lambda: thread.run("health_check", hook, timeout)
        with self._marks.around(plugin):
            status = _call("health_check", call)
            return _call("health_check", lambda: _report(status))

    def stop(self, plugin: PluginId, timeout: float | None = None, *, at_last: bool = False) -> None:
        """Stop the plugin, within `timeout` seconds; it is forgotten even if its shutdown fails.

        With `at_last`, shutdown() is called at any rate, if need be beside a hook that has not returned.
        """
        instance = self._forget(plugin)
        if instance is not None and instance.plugin is not None and instance.started:
            thread = instance.thread
            shutdown = partial(self._shut_down, plugin, instance.plugin)

            def stop() -> None:
                try:
                    shut_down(PluginName(*plugin), thread, shutdown, timeout)
                except StillRunningError:
                    if not at_last:
                        raise
                    PluginThread(thread.name).submit(Job("shutdown", shutdown, None))

            _call("shutdown", stop)

    def _shut_down(self, plugin: PluginId, running: PluginMetadata) -> None:
        with self._marks.around(plugin):
            call_shutdown(running)

    def stop_all(self, timeout: float) -> None:
        """Stop all plugins in reverse start order, within `timeout` seconds; continue after an error."""
        deadline = monotonic() + timeout
        while True:
            with locked():
                plugin, count = next(reversed(self._wanted), None), len(self._wanted)
            if plugin is None:
                return
            # A plugin that hangs uses up its own share of the time, not that of the others.
            self._discard(plugin, max(0.0, deadline - monotonic()) / count, at_last=True)

    def _discard(self, plugin: PluginId, timeout: float | None, *, at_last: bool = False) -> None:
        try:
            self.stop(plugin, timeout, at_last=at_last)
        except BaseException:  # noqa: BLE001 - a plugin's shutdown can raise anything, and nobody waits for it
            return

    def _forget(self, plugin: PluginId) -> _Instance | None:
        """Return the instance, which is no longer wanted: if its startup() still returns, it is shut down."""
        with locked():
            return self._wanted.pop(plugin, None)


def _constructed(plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any]) -> PluginMetadata:
    schema, name = loaded.description.config_schema, PluginName(*plugin)
    try:
        return construct(loaded.plugin_class, _validated(schema, config, name), name)
    except PluginConfigurationError as error:
        raise _failed("configure", f"the configuration is not valid: {sentence_of(error)}", None) from None
    except PluginStartupError as error:
        hook: Hook = "configure" if error.hook == "configure" else "constructor"
        raise _raised(hook, error.cause or error) from None
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        raise _raised("constructor", error) from None


def _validated(
    schema: type[BaseModel] | None, config: Mapping[str, Any], name: PluginName
) -> BaseModel | None:
    if schema is None:
        return None
    # Treat nothing as plain text: which part of the config is secret is unknown here.
    assessed = assess(schema, config, plugin=name, json_mode=True, plain={})
    if isinstance(assessed, PluginSchemaError):
        raise assessed
    if isinstance(assessed, list):
        # Without what validators say: the verdict on this configuration tells it, scrubbed for its reader.
        raise configuration_error(name, (fault.without_texts for fault in assessed))
    return assessed


def _call(hook: Hook, code: Callable[[], T]) -> T:
    try:
        answer = code()
        reject_coroutine(hook, answer)
    except StillRunningError as error:
        said = f"{hook}() did not begin, because an earlier {error.hook} has not returned"
        raise _failed(hook, said, None) from None
    except OutOfTimeError:
        raise _failed(hook, f"{hook}() did not return in time", None) from None
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        raise _raised(hook, error) from None
    return answer


def _raised(hook: Hook, error: BaseException) -> CallError:
    name = "the constructor" if hook == "constructor" else f"{hook}()"
    return _failed(hook, f"{name} raised {error_name(error)}", error)


def _failed(hook: Hook, summary: str, error: BaseException | None) -> CallError:
    failure = HookFailure(hook=hook, summary=summary, plugin_text=plugin_text(error, summary))
    return CallError(HOOK_FAILED, summary, failure)


def _report(status: HealthStatus) -> HealthReport:
    too_long = f"health_check() returned a message of more than {LONGEST_TEXT} characters"
    return HealthReport(state=status.state.value, message=whole_or(str(status.message), too_long))
