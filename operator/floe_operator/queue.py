"""The work queue: keys wait to be reconciled, each at most once, with one reconcile per key at a time.

It works like client-go's rate-limited work queue. `add` has no effect while the key waits; while the key is
being reconciled, `add` enqueues it again afterwards. After a failure, a key comes back with exponential
back-off and jitter.
"""

from __future__ import annotations

import asyncio
import collections
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from floe_operator.rules.backoff import Backoff
from floe_operator.rules.results import Later, Result, RetryableError, RetryAfter
from floe_operator.said import Said, gist

Key = TypeVar("Key", bound=Hashable)

_BACKOFF = Backoff(first=0.1, longest=60.0)
_SAID_AGAIN_AFTER = 60.0
"""Seconds during which the same reason for a retry is logged as one warning: an outage affects every key."""

_log = structlog.get_logger(__name__)


class WorkQueue(Generic[Key]):
    """Keys and the workers that reconcile them; must be used from one event loop."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[Result]],
        *,
        workers: int,
        name: Callable[[Key], str] = str,
    ) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._name = name
        self._said: Said[str] = Said(again_after=_SAID_AGAIN_AFTER)
        self._waiting: collections.OrderedDict[Key, float] = collections.OrderedDict()
        self._later: collections.OrderedDict[Key, float] = collections.OrderedDict()
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._available = asyncio.Semaphore(0)
        self._closing = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._later)

    @property
    def idle(self) -> bool:
        """Whether no key is waiting or being reconciled (keys in back-off do not count)."""
        return not len(self) and not self._active

    def oldest_age(self) -> float:
        """Return how many seconds the key that has waited longest has waited."""
        heads = [next(iter(lane.values())) for lane in (self._waiting, self._later) if lane]
        return time.monotonic() - min(heads) if heads else 0.0

    def add(self, key: Key) -> None:
        """Enqueue the key now."""
        if self._closing:
            return
        self._cancel_timer(key)
        if key in self._active:
            self._again.add(key)
        elif key in self._later:
            self._waiting[key] = self._later.pop(key)
        elif key not in self._waiting:
            self._waiting[key] = time.monotonic()
            self._available.release()

    def add_after(self, key: Key, seconds: float) -> None:
        """Enqueue the key after some seconds, or earlier if it is added before that."""
        if self._closing or key in self._waiting:
            return
        due = asyncio.get_running_loop().time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= due:
            return
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_at(due, self._due, key)

    async def run(self) -> None:
        """Work until cancelled; no exception from a reconcile ends the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self._closing = True
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self) -> None:
        while True:
            await self._available.acquire()
            key, _ = (self._waiting or self._later).popitem(last=False)
            self._active.add(key)
            try:
                await self._attempt(key)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _attempt(self, key: Key) -> None:
        try:
            result = await self._reconcile(key)
        except RetryableError as error:
            delay = self._back_off(key, error.after)
            log = _log.warning if self._said.is_new(gist(str(error))) else _log.debug
            log("will be retried", key=self._name(key), reason=str(error), in_seconds=round(delay, 1))
        except Exception:  # noqa: BLE001 -- our own bug must not stop the other keys
            delay = self._back_off(key, None)
            _log.exception("reconcile failed", key=self._name(key), in_seconds=round(delay, 1))
        else:
            self._failures.pop(key, None)
            if isinstance(result, RetryAfter):
                self.add_after(key, result.seconds)
            elif isinstance(result, Later):
                self._later[key] = time.monotonic()
                self._available.release()

    def _back_off(self, key: Key, at_least: float | None) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311
        delay = max(at_least or 0.0, _BACKOFF.after(failures) * jitter)
        self.add_after(key, delay)
        return delay

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
