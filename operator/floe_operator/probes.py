"""Runs the plugins that somebody wants probed: starts each once, checks it by its period, stops it.

One task a plugin, so that a plugin that hangs costs its own condition alone. A reconcile says what is wanted
(`want`, `drop`) and reads what is known (`fact`); the tasks tell when that changed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.cluster_errors import ClusterError
from floe_operator.facts import Checked, CrashedWhileRunning, Probe, Probing, StartupFailed
from floe_operator.plugin_host import (
    HookCrashed,
    HookError,
    HookFailed,
    HookTimedOut,
    HostUnavailable,
    NotStarted,
    PluginGone,
    PluginHost,
)
from floe_operator.resource import ProbeSpec

STARTUP_LIMIT = 30.0
"""Seconds that a plugin's constructor, configure() and startup() may take together."""
STOP_LIMIT = 10.0
"""Seconds that a plugin's shutdown() may take."""

_AT_ONCE = 32
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 300.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plugin is to be started and checked with; another digest is another configuration."""

    probe: ProbeSpec
    digest: bytes


@dataclass(slots=True)
class _Runner:
    wanted: Wanted
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    fact: Probe = field(default_factory=Probing)
    started: bytes = b""
    """The configuration that the plugin was started with; the host knows whether it still is."""
    judged: bytes = b""
    """The configuration that `fact` is about."""
    failures: int = 0
    setbacks: int = 0
    task: asyncio.Task[None] | None = None


class Prober:
    """The probed plugins of one operator."""

    def __init__(
        self,
        host: PluginHost,
        configure: Callable[[PluginId], Awaitable[dict[str, Any] | None]],
        scrub: Callable[[PluginId, str], str],
        on_change: Callable[[PluginId], None],
    ) -> None:
        self._host = host
        self._configure = configure
        self._scrub = scrub
        self._on_change = on_change
        self._runners: dict[PluginId, _Runner] = {}
        self._stopping: dict[PluginId, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def want(self, plugin: PluginId, wanted: Wanted) -> None:
        """The plugin is to run with this configuration, and to be checked so."""
        runner = self._runners.get(plugin)
        if runner is None:
            runner = self._runners[plugin] = _Runner(wanted)
            runner.task = asyncio.create_task(self._run(plugin, runner), name=f"probe {plugin}")
        elif runner.wanted != wanted:
            if runner.wanted.digest != wanted.digest:
                runner.fact = Probing(changed=bool(runner.judged))
                runner.failures = runner.setbacks = 0
            runner.wanted = wanted
            runner.changed.set()
        elif runner.started and not self._host.is_started(plugin):
            runner.changed.set()  # its host is gone: start it in the new one

    def drop(self, plugin: PluginId) -> None:
        """The plugin is not to be probed (any more): it is stopped."""
        runner = self._runners.pop(plugin, None)
        if runner is None or runner.task is None:
            return
        runner.task.cancel()
        task = asyncio.create_task(self._stop(plugin, runner), name=f"stop {plugin}")
        self._stopping[plugin] = task
        task.add_done_callback(lambda _: self._stopping.pop(plugin, None))

    def fact(self, plugin: PluginId, digest: bytes) -> Probe | None:
        """What is known of a probed plugin with a configuration; None where no probe is wanted (yet)."""
        runner = self._runners.get(plugin)
        if runner is None:
            return None
        if digest and digest != runner.wanted.digest:
            return Probing(changed=bool(runner.judged))
        return runner.fact

    def is_running(self, plugin: PluginId) -> bool:
        """Whether the plugin was asked to run, and not to stop since."""
        return plugin in self._runners

    async def close(self) -> None:
        """Ends every check; the host stops what it started when it ends."""
        tasks = [runner.task for runner in self._runners.values() if runner.task is not None]
        tasks += self._stopping.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, plugin: PluginId, runner: _Runner) -> None:
        if (stopping := self._stopping.get(plugin)) is not None:
            await asyncio.wait([stopping])
        while True:
            runner.changed.clear()
            wanted = runner.wanted
            try:
                pause = await self._round(plugin, runner, wanted)
            except (HostUnavailable, NotStarted, PluginGone, ClusterError) as error:
                # Not the plugin's fault: what is known of it stands.
                _log.debug("a probe will be tried again", plugin=str(plugin), reason=str(error))
                pause = self._setback(runner)
            else:
                if pause is None:
                    pause = self._setback(runner)
                else:
                    runner.setbacks = 0
            try:
                await asyncio.wait_for(runner.changed.wait(), pause)
            except TimeoutError:
                continue

    async def _round(self, plugin: PluginId, runner: _Runner, wanted: Wanted) -> float | None:
        """Starts the plugin if need be, checks it once; seconds to the next round, None after a setback."""
        runs = runner.started == wanted.digest and self._host.is_started(plugin)
        if not runs and not await self._start(plugin, runner, wanted):
            return None
        try:
            async with self._slots:
                report = await self._host.check(plugin, wanted.probe.timeout_seconds)
        except (HookFailed, HookTimedOut) as error:
            self._checked(plugin, runner, wanted, "unhealthy", self._words(plugin, error))
        except HookCrashed as error:
            self._judge(plugin, runner, wanted, CrashedWhileRunning(self._words(plugin, error)))
            return None
        else:
            self._checked(plugin, runner, wanted, report.state, self._scrub(plugin, report.message))
        # A little early or late, so that a hundred plugins are not checked in one instant.
        return wanted.probe.period_seconds * random.uniform(0.95, 1.05)  # noqa: S311

    async def _start(self, plugin: PluginId, runner: _Runner, wanted: Wanted) -> bool:
        config = await self._configure(plugin)
        if config is None:
            return False
        try:
            async with self._slots:
                await self._host.start_plugin(plugin, config, STARTUP_LIMIT)
        except HostUnavailable:
            raise
        except (HookFailed, HookTimedOut, HookCrashed) as error:
            self._judge(plugin, runner, wanted, StartupFailed(self._words(plugin, error)))
            return False
        runner.started = wanted.digest
        _log.info("plugin started", plugin=str(plugin))
        return True

    async def _stop(self, plugin: PluginId, runner: _Runner) -> None:
        if runner.task is not None and runner.task is not asyncio.current_task():
            await asyncio.gather(runner.task, return_exceptions=True)
        if not self._host.is_started(plugin):
            return
        try:
            await self._host.stop_plugin(plugin, STOP_LIMIT)
            _log.info("plugin stopped", plugin=str(plugin))
        except (HookError, HostUnavailable, PluginGone) as error:
            reason = self._words(plugin, error)
            _log.warning("a plugin did not stop as it should", plugin=str(plugin), reason=reason)

    def _checked(self, plugin: PluginId, runner: _Runner, wanted: Wanted, state: Any, message: str) -> None:
        runner.failures = runner.failures + 1 if state == "unhealthy" else 0
        self._judge(plugin, runner, wanted, Checked(state, runner.failures, message))

    def _judge(self, plugin: PluginId, runner: _Runner, wanted: Wanted, fact: Probe) -> None:
        if runner.wanted.digest != wanted.digest:
            return  # another configuration by now: this one tells nothing of it
        different = fact != runner.fact or runner.judged != wanted.digest
        runner.fact, runner.judged = fact, wanted.digest
        if different:
            self._on_change(plugin)

    def _setback(self, runner: _Runner) -> float:
        runner.setbacks += 1
        return float(min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(runner.setbacks - 1, 16)))

    def _words(self, plugin: PluginId, error: Exception) -> str:
        """Our sentence, and the plugin's own words where it may say them."""
        text = self._scrub(plugin, error.failure.plugin_text) if isinstance(error, HookFailed) else ""
        return f"{error}: {text}" if text else str(error)
