"""The work queue: keys wait to be reconciled, each at most once, with one reconcile per key at a time.

It works like client-go's rate-limited work queue. `add` has no effect while the key waits; while the key is
being reconciled, `add` enqueues it again afterwards. After a failure, a key comes back with exponential
back-off and jitter.

There are three lanes. What somebody changed (`add`) goes before what is only looked at again (`add_later`),
so that a change does not wait behind thousands of keys; both go before keys with little left to do (`LATER`).
But one key in `_TURN` is from a lane further back while that has some, so that a stream of changes does not
hold it up forever.
"""

from __future__ import annotations

import asyncio
import collections
import enum
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


class _Lane(enum.IntEnum):
    """The lanes, the first one first."""

    CHANGED = 0
    LOOK_AT = 1
    LEFT_OVER = 2


_Keys = collections.OrderedDict[Key, float]
"""Keys in the order in which they came, and since when each has waited."""

_log = structlog.get_logger(__name__)


class _Timer(NamedTuple):
    handle: asyncio.TimerHandle
    lane: _Lane


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
        self._waiting: tuple[_Keys[Key], ...] = tuple(collections.OrderedDict() for _ in _Lane)
        """The keys of each lane."""
        self._in_a_row = dict.fromkeys(_Lane, 0)
        """How many keys were taken from a lane in a row while one further back had some."""
        self._active: set[Key] = set()
        self._again: dict[Key, _Lane] = {}
        """The active keys to enqueue again, and in which lane."""
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, _Timer] = {}
        self._available = asyncio.Semaphore(0)
        self._closing = False

    def __len__(self) -> int:
        return sum(map(len, self._waiting))

    @property
    def idle(self) -> bool:
        """Whether no key is waiting or being reconciled (keys in back-off do not count)."""
        return not len(self) and not self._active

    def oldest_age(self) -> float:
        """Return how many seconds the key that has waited longest has waited."""
        # A key that has moved up may have waited longer than those before it.
        since = min(itertools.chain.from_iterable(keys.values() for keys in self._waiting), default=None)
        return time.monotonic() - since if since is not None else 0.0

    def add(self, key: Key) -> None:
        """Enqueue a key that somebody changed."""
        self._add(key, _Lane.CHANGED)

    def add_later(self, key: Key) -> None:
        """Enqueue a key that should be looked at again, behind those that somebody changed."""
        self._add(key, _Lane.LOOK_AT)

    def _add(self, key: Key, lane: _Lane) -> None:
        if self._closing:
            return
        # Whoever adds a key again must not put it further back.
        lane = min(lane, self._cancel_timer(key))
        if key in self._active:
            self._again[key] = min(lane, self._again.get(key, lane))
        elif (now := self._lane_of(key)) is None:
            self._waiting[lane][key] = time.monotonic()
            self._available.release()
        elif lane < now:
            self._waiting[lane][key] = self._waiting[now].pop(key)

    def _lane_of(self, key: Key) -> _Lane | None:
        """Return the lane in which a key waits, or None if it does not."""
        return next((lane for lane in _Lane if key in self._waiting[lane]), None)

    def add_after(self, key: Key, seconds: float, *, changed: bool = True) -> None:
        """Enqueue the key after some seconds, or earlier if it is added before that."""
        self._add_after(key, seconds, _Lane.CHANGED if changed else _Lane.LOOK_AT)

    def _add_after(self, key: Key, seconds: float, lane: _Lane) -> None:
        if self._closing or self._lane_of(key) is not None:
            return
        due = asyncio.get_running_loop().time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.handle.when() <= due:
            self._timers[key] = _Timer(timer.handle, min(timer.lane, lane))
            return
        lane = min(lane, self._cancel_timer(key))
        handle = asyncio.get_running_loop().call_at(due, self._due, key)
        self._timers[key] = _Timer(handle, lane)

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
            key, lane = self._next()
            self._active.add(key)
            try:
                await self._attempt(key, lane)
            finally:
                self._active.discard(key)
                if (again := self._again.pop(key, None)) is not None:
                    self._add(key, again)

    def _next(self) -> tuple[Key, _Lane]:
        """Take the key whose turn it is, with its lane."""
        *ahead, last = (lane for lane in _Lane if self._waiting[lane])
        lane = next((each for each in ahead if self._in_a_row[each] < _TURN - 1), last)
        self._in_a_row[lane] = 0 if lane is last else self._in_a_row[lane] + 1
        self._in_a_row |= {each: 0 for each in _Lane if each < lane}
        key, _ = self._waiting[lane].popitem(last=False)
        return key, lane

    async def _attempt(self, key: Key, lane: _Lane) -> None:
        try:
            result = await self._reconcile(key)
        except RetryableError as error:
            delay = self._back_off(key, error.after, lane)
            log = _log.warning if self._said.is_new(gist(str(error))) else _log.debug
            log("will be retried", key=self._name(key), reason=str(error), in_seconds=round(delay, 1))
        except Exception:  # noqa: BLE001 -- our own bug must not stop the other keys
            delay = self._back_off(key, None, lane)
            _log.exception("reconcile failed", key=self._name(key), in_seconds=round(delay, 1))
        else:
            self._failures.pop(key, None)
            if isinstance(result, RetryAfter):
                self.add_after(key, result.seconds, changed=result.is_urgent)
            elif isinstance(result, Later):
                self._again.setdefault(key, _Lane.LEFT_OVER)

    def _back_off(self, key: Key, at_least: float | None, lane: _Lane) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311
        delay = max(at_least or 0.0, _BACKOFF.after(failures) * jitter)
        self._add_after(key, delay, lane)
        return delay

    def _due(self, key: Key) -> None:
        self._add(key, _Lane.LEFT_OVER)  # or further ahead, as its timer says

    def _cancel_timer(self, key: Key) -> _Lane:
        """Cancel the key's timer; return the lane that it was for, or the last one if there is none."""
        timer = self._timers.pop(key, None)
        if timer is None:
            return _Lane.LEFT_OVER
        timer.handle.cancel()
        return timer.lane
