"""The work queue: keys wait to be reconciled, each at most once, with one reconcile per key at a time.

It works like client-go's rate-limited work queue. `add` has no effect while the key waits; while the key is
being reconciled, `add` enqueues it again afterwards. After a failure, a key comes back with exponential
back-off and jitter.

There are two lanes. What somebody changed (`add`) goes before what is only looked at again (`add_later`), so
that a change does not wait behind thousands of keys; but one key in `_TURN` is from the other lane while both
have some, so that a stream of changes does not hold that lane up forever.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

import structlog

from floe_operator.rules.backoff import Backoff
from floe_operator.rules.results import Later, Result, RetryableError, RetryAfter
from floe_operator.said import Said, gist

Key = TypeVar("Key", bound=Hashable)

_BACKOFF = Backoff(first=0.1, longest=60.0)
_TURN = 8
_SAID_AGAIN_AFTER = 60.0
"""Seconds during which the same reason for a retry is logged as one warning: an outage affects every key."""

_Lane = collections.OrderedDict[Key, float]
"""Keys in the order in which they came, and since when each has waited."""

_log = structlog.get_logger(__name__)


class _Timer(NamedTuple):
    handle: asyncio.TimerHandle
    changed: bool


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
        self._changed: _Lane[Key] = collections.OrderedDict()
        self._later: _Lane[Key] = collections.OrderedDict()
        self._in_a_row = 0
        """How many keys were taken from the lane of changes while the other had some, too."""
        self._active: set[Key] = set()
        self._again: dict[Key, bool] = {}
        """The active keys to enqueue again, and whether somebody changed them."""
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, _Timer] = {}
        self._available = asyncio.Semaphore(0)
        self._closing = False

    def __len__(self) -> int:
        return len(self._changed) + len(self._later)

    @property
    def idle(self) -> bool:
        """Whether no key is waiting or being reconciled (keys in back-off do not count)."""
        return not len(self) and not self._active

    def oldest_age(self) -> float:
        """Return how many seconds the key that has waited longest has waited."""
        # A key that has moved up may have waited longer than those before it.
        since = min(itertools.chain(self._changed.values(), self._later.values()), default=None)
        return time.monotonic() - since if since is not None else 0.0

    def add(self, key: Key) -> None:
        """Enqueue a key that somebody changed."""
        self._add(key, changed=True)

    def add_later(self, key: Key) -> None:
        """Enqueue a key that should be looked at again, behind those that somebody changed."""
        self._add(key, changed=False)

    def _add(self, key: Key, *, changed: bool) -> None:
        if self._closing:
            return
        # Whoever looks at a key again must not put it behind the others that somebody changed.
        changed |= self._cancel_timer(key)
        if key in self._active:
            self._again[key] = changed or self._again.get(key, False)
        elif key in self._later:
            if changed:
                self._changed[key] = self._later.pop(key)
        elif key not in self._changed:
            lane = self._changed if changed else self._later
            lane[key] = time.monotonic()
            self._available.release()

    def add_after(self, key: Key, seconds: float, *, changed: bool = True) -> None:
        """Enqueue the key after some seconds, or earlier if it is added before that."""
        if self._closing or key in self._changed or key in self._later:
            return
        due = asyncio.get_running_loop().time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.handle.when() <= due:
            self._timers[key] = _Timer(timer.handle, timer.changed or changed)
            return
        changed |= self._cancel_timer(key)
        handle = asyncio.get_running_loop().call_at(due, self._due, key)
        self._timers[key] = _Timer(handle, changed)

    async def run(self) -> None:
        """Work until cancelled; no exception from a reconcile ends the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self._closing = True
            for timer in self._timers.values():
                timer.handle.cancel()
            self._timers.clear()

    async def _work(self) -> None:
        while True:
            await self._available.acquire()
            key, changed = self._next()
            self._active.add(key)
            try:
                await self._attempt(key, changed=changed)
            finally:
                self._active.discard(key)
                if (again := self._again.pop(key, None)) is not None:
                    self._add(key, changed=again)

    def _next(self) -> tuple[Key, bool]:
        """Take the key whose turn it is; the second value says whether somebody changed it."""
        changed = bool(self._changed) and not (self._later and self._in_a_row >= _TURN - 1)
        self._in_a_row = self._in_a_row + 1 if changed and self._later else 0
        key, _ = (self._changed if changed else self._later).popitem(last=False)
        return key, changed

    async def _attempt(self, key: Key, *, changed: bool) -> None:
        try:
            result = await self._reconcile(key)
        except RetryableError as error:
            delay = self._back_off(key, error.after, changed=changed)
            log = _log.warning if self._said.is_new(gist(str(error))) else _log.debug
            log("will be retried", key=self._name(key), reason=str(error), in_seconds=round(delay, 1))
        except Exception:  # noqa: BLE001 -- our own bug must not stop the other keys
            delay = self._back_off(key, None, changed=changed)
            _log.exception("reconcile failed", key=self._name(key), in_seconds=round(delay, 1))
        else:
            self._failures.pop(key, None)
            if isinstance(result, RetryAfter):
                self.add_after(key, result.seconds, changed=result.is_urgent)
            elif isinstance(result, Later):
                self._again.setdefault(key, False)

    def _back_off(self, key: Key, at_least: float | None, *, changed: bool) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311
        delay = max(at_least or 0.0, _BACKOFF.after(failures) * jitter)
        self.add_after(key, delay, changed=changed)
        return delay

    def _due(self, key: Key) -> None:
        self._add(key, changed=False)

    def _cancel_timer(self, key: Key) -> bool:
        """Cancel the key's timer; return True if it was to bring back a key that somebody changed."""
        timer = self._timers.pop(key, None)
        if timer is None:
            return False
        timer.handle.cancel()
        return timer.changed
