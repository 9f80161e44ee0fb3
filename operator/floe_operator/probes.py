"""Runs the plugins that should be probed: starts each once, checks it periodically, and stops it.

Each plugin has its own task, so a plugin that hangs affects only its own condition. `want` and `drop` set
what is wanted, `fact` returns what is known, and the tasks report when that changes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.plugin_host import (
    CrashedBefore,
    HookCrashed,
    HookError,
    HookFailed,
    HookTimedOut,
    HostUnavailable,
    Loading,
    NoPlace,
    NotStarted,
    PluginGone,
    PluginHost,
)
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.facts import (
    Checked,
    ConfigDigest,
    CrashedWhileRunning,
    Probe,
    Probing,
    StartupFailed,
)
from floe_operator.rules.probing import Run
from floe_operator.rules.scrub import Scrubber
from floe_operator.rules.sentences import with_detail
from floe_operator.rules.steady_words import Heard, Known, Shown, steady
from floe_operator.scrubbers import Scrubbers, scrubbed

STARTUP_LIMIT = 30.0
"""Seconds that a plugin's constructor, configure() and startup() may take together."""
STOP_LIMIT = 10.0
"""Seconds that a plugin's shutdown() may take."""

_AT_ONCE = 32
_BACKOFF = Backoff(first=1.0, longest=300.0)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Runner:
    wanted: Run
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    fact: Probe = field(default_factory=Probing)
    started: ConfigDigest | None = None
    """The configuration that the plugin was started with; the host knows whether it is still started."""
    judged: ConfigDigest | None = None
    """The configuration that `fact` is about."""
    heard: Heard | None = None
    """What `fact` was made from, or None if no check with this configuration has ended."""
    shown: Shown | None = None
    generation: int | None = None
    """The generation of the object that `fact` was last asked for."""
    failures: int = 0
    setbacks: int = 0
    task: asyncio.Task[None] | None = None
    starting: asyncio.Task[None] | None = None
    """The start in progress; it ends within its own time limit, even if `task` is cancelled."""


class Prober:
    """The probed plugins of one operator."""

    def __init__(
        self,
        host: PluginHost,
        configure: Callable[[PluginId, ConfigDigest], Awaitable[dict[str, Any] | None]],
        scrubbers: Scrubbers,
        on_change: Callable[[PluginId], None],
    ) -> None:
        self._host = host
        self._configure = configure
        self._scrubbers = scrubbers
        self._on_change = on_change
        self._runners: dict[PluginId, _Runner] = {}
        self._stopping: dict[PluginId, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def want(self, plugin: PluginId, wanted: Run) -> None:
        """Run and check the plugin as `wanted` says."""
        runner = self._runners.get(plugin)
        if runner is None:
            runner = self._runners[plugin] = _Runner(wanted)
            runner.task = asyncio.create_task(self._run(plugin, runner), name=f"probe {plugin.slug}")
        elif runner.wanted != wanted:
            if runner.wanted.digest != wanted.digest:
                runner.fact, runner.heard = Probing(changed=runner.judged is not None), None
                runner.failures = runner.setbacks = 0
            runner.wanted = wanted
            runner.changed.set()
        elif runner.started is not None and not self._host.is_started(plugin):
            runner.changed.set()  # its host is gone: start it in the new one

    def drop(self, plugin: PluginId) -> None:
        """Stop probing the plugin, and stop the plugin itself."""
        runner = self._runners.pop(plugin, None)
        if runner is None or runner.task is None:
            return
        runner.task.cancel()
        stop = self._stop(plugin, runner, after=self._stopping.get(plugin))
        self._stopping[plugin] = task = asyncio.create_task(stop, name=f"stop {plugin.slug}")
        task.add_done_callback(lambda _: self._stopped(plugin, task))

    def fact(self, plugin: PluginId, digest: ConfigDigest | None, generation: int) -> Probe | None:
        """Return what is known about a plugin with this configuration, or None if it should not run.

        If `digest` is None, return what is known about it with its last configuration. The first answer for
        a generation of its object, whose status is written anyway, has the plugin's newest words.
        """
        runner = self._runners.get(plugin)
        if runner is None:
            return None
        if digest is not None and digest != runner.wanted.digest:
            return Probing(changed=runner.judged is not None)
        if generation != runner.generation:
            runner.generation = generation
            _show(runner)
        return runner.fact

    async def close(self) -> None:
        """End all checks; when the plugin host ends, it stops the plugins that it started."""
        runners = self._runners.values()
        tasks = [task for each in runners for task in (each.task, each.starting) if task is not None]
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
            except (HostUnavailable, NotStarted, PluginGone, errors.ClusterError) as error:
                # Not the plugin's fault: what is known about it remains valid.
                _log.debug("probe will be retried", plugin=plugin.slug, reason=str(error))
                pause = errors.pause(error, self._setback(runner))
            except Exception:  # noqa: BLE001 -- our own bug must not silently end a plugin's probes
                pause = self._setback(runner)
                _log.exception("probe failed", plugin=plugin.slug, in_seconds=round(pause, 1))
            else:
                if pause is None:
                    pause = self._setback(runner)
                else:
                    runner.setbacks = 0
            try:
                async with asyncio.timeout(pause):
                    await runner.changed.wait()
            except TimeoutError:
                continue

    async def _round(self, plugin: PluginId, runner: _Runner, wanted: Run) -> float | None:
        """Start the plugin if necessary and check it once.

        Return the seconds until the next round, or None after a setback.
        """
        runs = runner.started == wanted.digest and self._host.is_started(plugin)
        if not runs and isinstance(self._host.load_state(plugin), Loading):
            return _BACKOFF.longest  # another release is loading; after that, a reconcile sets the digest
        if not runs and not await self._start(plugin, runner, wanted):
            return None
        try:
            async with self._slots:
                report = await self._host.check(plugin, wanted.probe.timeout_seconds)
        except (HookFailed, HookTimedOut) as error:
            self._checked(plugin, runner, wanted, "unhealthy", await self._words(plugin, error), _ours(error))
        except HookCrashed as error:
            runner.started = None  # so that no reconcile restarts it before the pause is over
            crashed = CrashedWhileRunning(await self._words(plugin, error))
            self._note(plugin, runner, wanted, crashed, _ours(error))
            return None
        else:
            message = await scrubbed(self._scrubbers.of(plugin), report.message)
            self._checked(plugin, runner, wanted, report.state, message)
        # A little early or late, so that a hundred plugins are not checked at the same moment.
        return wanted.probe.period_seconds * random.uniform(0.95, 1.05)  # noqa: S311

    async def _start(self, plugin: PluginId, runner: _Runner, wanted: Run) -> bool:
        config = await self._configure(plugin, wanted.digest)
        if config is None:
            return False
        runner.started = None
        try:
            async with self._slots:
                start = self._host.start_plugin(plugin, config, STARTUP_LIMIT)
                runner.starting = asyncio.create_task(start, name=f"start {plugin.slug}")
                await asyncio.shield(runner.starting)
        except (HookFailed, HookTimedOut, HookCrashed, NoPlace) as error:
            self._note(plugin, runner, wanted, StartupFailed(await self._words(plugin, error)), _ours(error))
            return False
        except CrashedBefore as error:
            crashed = CrashedWhileRunning(await self._words(plugin, error))
            self._note(plugin, runner, wanted, crashed, _ours(error))
            return False
        runner.started = wanted.digest
        _log.info("plugin started", plugin=plugin.slug)
        return True

    async def _stop(self, plugin: PluginId, runner: _Runner, *, after: asyncio.Task[None] | None) -> None:
        """Stop the plugin once its runner, a start in progress and an earlier stop have ended.

        A plugin that is not started may still hold a place for a host of its own.
        """
        before = [task for task in (after, runner.task, runner.starting) if task is not None]
        await asyncio.gather(*before, return_exceptions=True)
        started = self._host.is_started(plugin)
        try:
            await self._host.stop_plugin(plugin, STOP_LIMIT)
            if started:
                _log.info("plugin stopped", plugin=plugin.slug)
        except (HookError, HostUnavailable, PluginGone) as error:
            reason = await _words(error, self._scrubbers.of_stopped(plugin))
            _log.warning("plugin did not stop cleanly", plugin=plugin.slug, reason=reason)

    def _stopped(self, plugin: PluginId, task: asyncio.Task[None]) -> None:
        if self._stopping.get(plugin) is task:
            del self._stopping[plugin]

    def _checked(
        self, plugin: PluginId, runner: _Runner, wanted: Run, state: Any, message: str, ours: str = ""
    ) -> None:
        runner.failures = runner.failures + 1 if state == "unhealthy" else 0
        self._note(plugin, runner, wanted, Checked(state, runner.failures, message), ours)

    def _note(self, plugin: PluginId, runner: _Runner, wanted: Run, fact: Known, ours: str) -> None:
        if runner.wanted.digest != wanted.digest:
            return  # the configuration has changed, and this fact says nothing about the new one
        before = runner.fact, runner.judged
        runner.heard = Heard(fact, ours, wanted.probe.failure_threshold, wanted.digest)
        _show(runner)
        runner.judged = wanted.digest
        if (runner.fact, runner.judged) != before:
            self._on_change(plugin)

    def _setback(self, runner: _Runner) -> float:
        runner.setbacks += 1
        return _BACKOFF.after(runner.setbacks)

    async def _words(self, plugin: PluginId, error: Exception) -> str:
        return await _words(error, self._scrubbers.of(plugin))


def _show(runner: _Runner) -> None:
    """Put into words what was heard of the plugin."""
    if runner.heard is not None:
        now = asyncio.get_running_loop().time()
        runner.fact, runner.shown = steady(runner.heard, runner.generation, runner.shown, now)


def _ours(error: Exception) -> str:
    """Return the part of the words that is our own; the name of an exception is the plugin's."""
    return str(error).partition(" raised ")[0] if isinstance(error, HookFailed) else str(error)


async def _words(error: Exception, scrubber: Scrubber) -> str:
    """Return our own sentence, followed by the plugin's scrubbed text if there is any."""
    text = await scrubbed(scrubber, error.failure.plugin_text) if isinstance(error, HookFailed) else ""
    return with_detail(str(error), text)
