"""Runs the health checks of plugins in parallel; what they return is checked, never trusted."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

from floe_core._class_names import class_name
from floe_core._running.construction import reject_coroutine
from floe_core._running.plugin_records import PluginObject, PluginRecord
from floe_core._running.plugin_thread import Job, outcome
from floe_core._running.waiting import (
    DeadlockError,
    WaitError,
    explained,
    seconds_until,
    waiting_for,
    waits_for_me,
)
from floe_core.plugin_errors import exception_text
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginName

HEALTH_CHECK_TIMEOUT = 5.0
"""The default time limit in seconds."""
_HOOK = "health_check()"


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
        raise TypeError(f"health_check() returned {class_name(type(status))}, which is not a HealthStatus")
    return status


def check_all(
    plugins: Iterable[tuple[PluginRecord, PluginObject]], timeout: float
) -> dict[PluginName, HealthStatus]:
    """Return the health of plugins that have an object, checked side by side within `timeout` seconds.

    Exceptions and timeouts are UNHEALTHY. An object is not checked while an earlier check has not returned.
    """
    deadline = monotonic() + timeout
    answers: dict[PluginName, HealthStatus] = {}
    checks: dict[PluginObject, Job[HealthStatus]] = {}
    named: dict[PluginName, PluginObject] = {}
    try:
        for record, present in plugins:
            named[record.name] = present
            if present not in checks:  # an object can be registered under several types
                refusal = _begin(present, checks, timeout)
                if refusal:
                    answers[record.name] = _unhealthy(refusal)
        _wait(checks, deadline)
    finally:
        for job in checks.values():
            job.give_up()
    return {name: answers.get(name) or _answer(named[name], checks, timeout) for name in named}


def _begin(present: PluginObject, checks: dict[PluginObject, Job[HealthStatus]], timeout: float) -> str:
    """Submit a health check and add it to `checks`; return why it was refused, if it was."""
    if present.check is not None and not present.check.is_settled:
        return "an earlier health check has not returned"
    job = Job("health_check", lambda: call_health_check(present.instance, timeout), timeout)
    try:
        checks[present] = present.check = job  # in this order, so that an interrupt leaves it to the caller
        present.thread.submit(job)
    except WaitError as error:
        refusal = str(explained(error, _HOOK, timeout))
    else:
        return ""
    del checks[present]
    job.give_up()
    return refusal


def _wait(checks: dict[PluginObject, Job[HealthStatus]], deadline: float) -> None:
    """Wait for the checks, but for none that is waiting for this thread."""
    waiting = {present: job for present, job in checks.items() if not job.is_settled}
    while waiting:
        with suppress(DeadlockError), waiting_for([present.thread for present in waiting]):
            for job in waiting.values():
                job.done.wait(seconds_until(deadline))
            return
        waiting = {each: job for each, job in waiting.items() if not waits_for_me(each.thread)}


def _answer(
    present: PluginObject, checks: dict[PluginObject, Job[HealthStatus]], timeout: float
) -> HealthStatus:
    job = checks[present]
    if job.give_up():
        circle = waits_for_me(present.thread) and not present.thread.is_here
        reason = DeadlockError() if circle else present.thread.reason_of(job)
        return _unhealthy(str(explained(reason, _HOOK, timeout)))
    status, error = outcome(job.result)
    if error is not None:
        return _unhealthy(exception_text(error))
    assert status is not None
    return status


def _unhealthy(message: str) -> HealthStatus:
    return HealthStatus(HealthState.UNHEALTHY, message)
