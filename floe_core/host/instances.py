"""Constructs, configures, starts, checks and stops the plugins that run in the host.

It sets no time limits: the operator decides how long to wait, and calls `stop` on a plugin it gives up on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock, Thread  # these names, because plugins replace the module's
from typing import Any, Literal, TypeVar

from floe_core._configuring.configuration import validate
from floe_core._running.construction import construct, reject_coroutine
from floe_core._running.health_checks import call_health_check
from floe_core.host.errors import LONGEST_TEXT, CallError, plugin_text, sentence_of, whole_or
from floe_core.host.inventory import LoadedPlugin
from floe_core.host.protocol import HOOK_FAILED, NOT_STARTED, HealthReport, HookFailure
from floe_core.plugin_errors import PluginConfigurationError, PluginStartupError
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId

T = TypeVar("T")
Hook = Literal["constructor", "configure", "startup", "health_check", "shutdown"]


class _Instance:
    """A plugin between its constructor and the end of its shutdown."""

    __slots__ = ("abandoned", "plugin", "started")

    def __init__(self) -> None:
        self.plugin: PluginMetadata | None = None
        self.started = False
        self.abandoned = False
        """Whether it is no longer wanted; if its startup() still returns, it is shut down immediately."""


class Instances:
    """The wanted instances, at most one of each plugin."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted: dict[PluginId, _Instance] = {}

    def start(self, plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any]) -> None:
        """Construct, configure and start the plugin; an existing instance is stopped first."""
        self._discard(plugin)
        instance = _Instance()
        with self._lock:
            self._wanted[plugin] = instance
        try:
            instance.plugin = _constructed(plugin, loaded, config)
            if not instance.abandoned:
                _call("startup", instance.plugin.startup)
        except BaseException:
            with self._lock:
                if self._wanted.get(plugin) is instance:
                    del self._wanted[plugin]
            raise
        with self._lock:
            instance.started = True
            late = instance.abandoned
            if not late:  # the dictionary is ordered by when plugins were started
                del self._wanted[plugin]
                self._wanted[plugin] = instance
        if late:
            _call("shutdown", instance.plugin.shutdown)

    def check(self, plugin: PluginId, timeout: float | None) -> HealthReport:
        """Return the plugin's health; `timeout` (seconds) is passed to a hook that takes a timeout."""
        with self._lock:
            instance = self._wanted.get(plugin)
        if instance is None or instance.plugin is None or not instance.started:
            raise CallError(NOT_STARTED, f"{plugin.slug} is not started")
        running = instance.plugin
        status = _call("health_check", lambda: call_health_check(running, timeout))
        return _call("health_check", lambda: _report(status))

    def stop(self, plugin: PluginId) -> None:
        """Stop the plugin; it is forgotten even if its shutdown fails."""
        instance = self._forget(plugin)
        if instance is not None and instance.plugin is not None and instance.started:
            _call("shutdown", instance.plugin.shutdown)

    def stop_all(self, timeout: float) -> None:
        """Stop all plugins in reverse start order, within `timeout` seconds; continue after an error."""
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                plugin = next(reversed(self._wanted), None)
            if plugin is None:
                return
            stopping = Thread(target=self._discard, args=(plugin,), daemon=True)
            stopping.start()
            with self._lock:
                waiting = len(self._wanted) + 1
            # A plugin that hangs uses up its own share of the time, not that of the others.
            stopping.join(max(0.0, deadline - time.monotonic()) / waiting)
            self._forget(plugin)

    def _discard(self, plugin: PluginId) -> None:
        try:
            self.stop(plugin)
        except BaseException:  # noqa: BLE001 - a plugin's shutdown can raise anything, and nobody waits for it
            return

    def _forget(self, plugin: PluginId) -> _Instance | None:
        with self._lock:
            instance = self._wanted.pop(plugin, None)
            if instance is not None:
                instance.abandoned = True
            return instance


def _constructed(plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any]) -> PluginMetadata:
    schema = loaded.description.config_schema
    try:
        # Treat nothing as plain text: which part of the config is secret is unknown here.
        validated = (
            None if schema is None else validate(schema, config, plugin=plugin, json_mode=True, plain={})
        )
        return construct(loaded.plugin_class, validated, plugin)
    except PluginConfigurationError as error:
        raise _failed("configure", f"the configuration is not valid: {sentence_of(error)}", None) from None
    except PluginStartupError as error:
        hook: Hook = "configure" if error.hook == "configure" else "constructor"
        raise _raised(hook, error.cause or error) from None
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        raise _raised("constructor", error) from None


def _call(hook: Hook, code: Callable[[], T]) -> T:
    try:
        answer = code()
        reject_coroutine(hook, answer)
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        raise _raised(hook, error) from None
    return answer


def _raised(hook: Hook, error: BaseException) -> CallError:
    name = "the constructor" if hook == "constructor" else f"{hook}()"
    return _failed(hook, f"{name} raised {type(error).__name__}", error)


def _failed(hook: Hook, summary: str, error: BaseException | None) -> CallError:
    failure = HookFailure(hook=hook, summary=summary, plugin_text=plugin_text(error, summary))
    return CallError(HOOK_FAILED, summary, failure)


def _report(status: HealthStatus) -> HealthReport:
    too_long = f"health_check() returned a message of more than {LONGEST_TEXT} characters"
    return HealthReport(state=status.state.value, message=whole_or(str(status.message), too_long))
