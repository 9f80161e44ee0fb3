"""Runs the health checks of plugins in parallel; what they return is checked, never trusted."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Mapping

from floe_core._running.construction import reject_coroutine
from floe_core._running.time_limits import outcome, start_daemon
from floe_core.plugin_errors import PluginTimeoutError, exception_text
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginId

STARTUP_TIMEOUT = 30.0
SHUTDOWN_TIMEOUT = 30.0
HEALTH_CHECK_TIMEOUT = 5.0
"""Default time limits in seconds."""


def call_health_check(plugin: PluginMetadata, timeout: float | None) -> HealthStatus:
    """Return the plugin's own answer; `timeout` (seconds) is passed on if the signature takes one.

    Raises:
        TypeError: The answer is not a HealthStatus.
        BaseException: Whatever the plugin raises.
    """
    check = plugin.health_check
    try:
        parameter = inspect.signature(check).parameters.get("timeout")
    except (TypeError, ValueError):
        parameter = None
    takes_timeout = parameter is not None and parameter.kind is not parameter.POSITIONAL_ONLY
    status: object = check(timeout=timeout) if takes_timeout else check()  # type: ignore[call-arg]
    reject_coroutine("health_check", status)
    if not isinstance(status, HealthStatus) or not isinstance(status.state, HealthState):
        raise TypeError(f"health_check() returned {type(status).__name__}, which is not a HealthStatus")
    return status


class HealthChecks:
    """Checks plugins in parallel, but never a plugin whose earlier check has not returned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[PluginId] = set()

    def run(self, plugins: Mapping[PluginId, PluginMetadata], timeout: float) -> dict[PluginId, HealthStatus]:
        """Return each plugin's health within `timeout` seconds; exceptions and timeouts are UNHEALTHY."""
        answers: dict[PluginId, HealthStatus] = {}
        checks: dict[PluginId, threading.Event] = {}
        for plugin, instance in plugins.items():
            with self._lock:
                busy = plugin in self._under_way
                self._under_way.add(plugin)
            if busy:
                answers[plugin] = _unhealthy("an earlier health check has not returned")
            else:
                checks[plugin] = self._start(plugin, instance, timeout, answers)
        deadline = time.monotonic() + timeout
        for check in checks.values():
            check.wait(max(0.0, deadline - time.monotonic()))
        late = _unhealthy(str(PluginTimeoutError("health_check()", timeout)))
        # Copied key by key: an answer that arrives from now on is too late.
        return {plugin: answers.get(plugin, late) for plugin in plugins}

    def _start(
        self,
        plugin: PluginId,
        instance: PluginMetadata,
        timeout: float,
        answers: dict[PluginId, HealthStatus],
    ) -> threading.Event:
        done = threading.Event()

        def check() -> None:
            status, error = outcome(lambda: call_health_check(instance, timeout))
            answers[plugin] = status if status is not None else _unhealthy(_said(error))
            with self._lock:
                self._under_way.discard(plugin)
            done.set()

        start_daemon(check, f"floe: health of {plugin}")
        return done


def _said(error: BaseException | None) -> str:
    return exception_text(error) if error is not None else "health_check() returned nothing"


def _unhealthy(message: str) -> HealthStatus:
    return HealthStatus(HealthState.UNHEALTHY, message)
