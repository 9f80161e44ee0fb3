"""Runs the health checks of plugins in parallel; what they return is checked, never trusted."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from time import monotonic

from floe_core._running.construction import reject_coroutine
from floe_core._running.plugin_records import PluginObject, PluginRecord
from floe_core._running.plugin_thread import Job, PluginThread, give_up
from floe_core._running.waiting import StillRunningError, lock, seconds_until, waiting_for, waits_for_me
from floe_core.plugin_errors import PluginTimeoutError, exception_text
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginName

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


def check_all(
    plugins: Iterable[tuple[PluginRecord, PluginObject]], timeout: float
) -> dict[PluginName, HealthStatus]:
    """Return the health of plugins that have an object, checked side by side within `timeout` seconds.

    Exceptions and timeouts are UNHEALTHY. An object is not checked while an earlier check has not returned.
    """
    deadline = monotonic() + timeout
    answers: dict[PluginName, HealthStatus] = {}
    jobs: dict[PluginName, tuple[Job[HealthStatus], PluginThread]] = {}
    for record, present in plugins:
        refusal, job = _begin(present, timeout)
        if refusal:
            give_up((job,))
            answers[record.name] = _unhealthy(refusal)
        else:
            jobs[record.name] = job, present.thread
    try:
        with waiting_for([thread for job, thread in jobs.values() if not job.is_settled]):
            for job, _ in jobs.values():
                job.done.wait(seconds_until(deadline))
    finally:
        give_up(job for job, _ in jobs.values())
    return answers | {plugin: _answer(job, thread, timeout) for plugin, (job, thread) in jobs.items()}


def _begin(present: PluginObject, timeout: float) -> tuple[str, Job[HealthStatus]]:
    """Submit a health check; return why it was refused, if it was, and its job."""
    thread = present.thread
    job = Job("health_check", lambda: call_health_check(present.instance, timeout), timeout)
    with lock:
        if present.check is not None and not present.check.is_settled:
            return "an earlier health check has not returned", job
        present.check = job
    if not thread.is_here and waits_for_me(thread):
        return "health_check() is waiting for something that is waiting for it", job
    try:
        thread.submit(job)
    except StillRunningError as error:
        return str(PluginTimeoutError("health_check()", timeout, behind=error.hook)), job
    return "", job


def _answer(job: Job[HealthStatus], thread: PluginThread, timeout: float) -> HealthStatus:
    if not job.done.is_set():
        behind = None if job.begun else next(iter(thread.hooks), None)
        return _unhealthy(str(PluginTimeoutError("health_check()", timeout, behind=behind)))
    if job.error is not None:
        return _unhealthy(exception_text(job.error))
    return job.result()


def _unhealthy(message: str) -> HealthStatus:
    return HealthStatus(HealthState.UNHEALTHY, message)
