"""Leader election on a Lease: one operator of a namespace writes, the others stand by.

`run` acquires before it starts what writes, and releases when that has ended; `Connection.write` asks
`time_left` before it sends anything. What is guaranteed, and what is not:

- A leader stops to write `renew_deadline` after it *sent* its last successful renewal; another one starts
  no earlier than `duration` after it *saw* that renewal. Both count on their own monotonic clock, so clocks
  that differ do not matter; clocks that run at a different speed do, beyond half.
- No write is sent after that, and writes under way are abandoned, even if the process was stopped or its
  event loop blocked meanwhile: the time is checked where a write begins, each write is limited to what is
  left, and a thread ends the process. Beyond that is only what has left the process already: the Lease API
  has no fencing, so a request that the network holds back can arrive late. It carries a uid and is applied
  on the server's side, or has preconditions; the next judgement corrects it.
- Somebody who overwrites the Lease by hand is noticed at the next renewal, `retry` later at the most.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from floe_operator import cluster_errors
from floe_operator.connection import Connection
from floe_operator.leases import Lease, Observer, Step, Timing

LEASE = "floe-operator"
RIGHTS = ("get", "create", "update")
"""What the operator does with leases; manifests/base grants just this."""

_SPREAD = 0.25
"""By how much a standby varies its pauses, so that several do not ask in step."""
_GOODBYE_SECONDS = 0.5
"""How long the last log line may take."""

_log = structlog.get_logger(__name__)


class Elector:
    """One candidate for the lead of a namespace.

    `connection` is to be its own: a pool full of other requests that hang must not hold up a renewal.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        *,
        identity: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.identity = identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        self._connection = connection
        self._timing = timing or Timing()
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._observer = Observer(self.identity, self._timing)
        self._lease = Lease(metadata={"name": LEASE, "namespace": namespace})
        self._deadline = Deadline()
        self._watchdog: Watchdog | None = None
        self._renewals: asyncio.Task[None] | None = None
        self.obstacle = "the Lease has not been looked at yet"
        """Why this one neither leads nor knows who does, for people; empty where it does."""

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""
        return self.time_left() > 0

    @property
    def holder(self) -> str:
        """Who leads, as far as is known; empty where nobody does."""
        return self.identity if self.is_leader else self._observer.holder

    def time_left(self) -> float:
        """For how many seconds from now this process may write; 0 or less where it does not lead."""
        return self._deadline.left()

    async def acquire(self) -> None:
        """Waits for the lead; from then on it is renewed until `release`. Losing it ends the process."""
        said = ""
        while True:
            pause = self._timing.retry * random.uniform(1.0, 1.0 + _SPREAD)  # noqa: S311 -- jitter
            try:
                wait = await self._attempt()
            except cluster_errors.ClusterError as error:
                self.obstacle = f"the Lease {LEASE!r} cannot be used: {error}"
                said = _say_once(said, self.obstacle)
            else:
                self.obstacle = ""
                if wait is None:
                    break
                said = _say_once(said, f"standing by for {self._observer.holder}", level="info")
                pause = min(pause, wait + 0.1 * random.random())  # noqa: S311
            await asyncio.sleep(pause)
        _log.info("leading", lease=LEASE, identity=self.identity)
        self._watchdog = Watchdog(self._deadline)
        self._renewals = asyncio.create_task(self._keep(), name="leader election")

    async def release(self) -> None:
        """Lets the next one lead at once, if this one does: the last thing that the process sends."""
        if self._renewals is None or self._watchdog is None:
            return
        self._renewals.cancel()
        await asyncio.gather(self._renewals, return_exceptions=True)
        self._watchdog.stop()
        left = self.time_left()
        self._deadline.clear()
        if left <= 0:
            return
        try:
            await self._put(self._lease.released(datetime.now(UTC)), limit=min(left, self._timing.retry))
        except cluster_errors.ClusterError as error:
            # It costs the next one the rest of the Lease's time.
            _log.warning("the Lease was not released", reason=str(error))
        else:
            _log.info("the Lease was released", lease=LEASE)

    async def _attempt(self) -> float | None:
        """Takes the lead if it is to be had: None then, else for how long another may hold it."""
        lease = await self._read()
        step, wait = self._observer.decide(lease, time.monotonic())
        if step is Step.WAIT:
            return wait
        self._lease = lease or Lease(metadata=_fresh(self._lease))
        started = time.monotonic()
        try:
            await self._write(create=step is Step.CREATE, limit=self._timing.retry)
        except cluster_errors.Conflict:
            return 0.0  # somebody was faster; look again soon
        self._deadline.put_off(started + self._timing.renew_deadline)
        return None

    async def _keep(self) -> None:
        """Renews until it is cancelled."""
        reason, pause = "", self._timing.retry
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            if (left := self.time_left()) <= 0:
                self._lose(reason or "it was not renewed in time")
            try:
                # No longer than a retry takes: a connection that hangs leaves time for another one.
                await self._renew(limit=min(left, self._timing.retry))
            except Exception as error:  # noqa: BLE001 -- whatever it is, the Lease was not renewed
                if str(error) != reason:
                    reason = str(error)
                    _log.warning(
                        "the Lease was not renewed", reason=reason, seconds_left=round(self.time_left(), 1)
                    )
                pause = max(0.0, min(self._timing.retry / 4, self.time_left()))
            else:
                reason, pause = "", self._timing.retry
                self._deadline.put_off(started + self._timing.renew_deadline)

    async def _renew(self, limit: float) -> None:
        async with _within(limit):
            try:
                await self._write(create=False, limit=limit)
            except (cluster_errors.Conflict, cluster_errors.NotFound):
                # An earlier renewal's answer was lost, or somebody edited the Lease, deleted it, or took it.
                lease = await self._read()
                if lease is not None and lease.holder != self.identity:
                    self._lose(f"{lease.holder or 'nobody'} holds it now")
                self._lease = lease or Lease(metadata=_fresh(self._lease))
                await self._write(create=lease is None, limit=limit)

    def _lose(self, why: str) -> NoReturn:
        self._deadline.clear()
        end_process(why)

    async def _read(self) -> Lease | None:
        try:
            async with _within(self._timing.retry):
                return Lease.parse(await self._connection.request("GET", f"{self._collection}/{LEASE}"))
        except cluster_errors.NotFound:
            return None

    async def _write(self, *, create: bool, limit: float) -> None:
        body = self._lease.held_by(self.identity, self._timing.duration, datetime.now(UTC))
        if not create:
            await self._put(body, limit)
            return
        async with _within(limit):
            self._lease = Lease.parse(await self._connection.request("POST", self._collection, body=body))

    async def _put(self, body: dict[str, Any], limit: float) -> None:
        # With the resourceVersion that was read: Conflict if anybody wrote since.
        async with _within(limit):
            answer = await self._connection.request("PUT", f"{self._collection}/{LEASE}", body=body)
        self._lease = Lease.parse(answer)


class NoElection:
    """Stands for an Elector where election is off: this one leads, whoever else may."""

    is_leader = True
    obstacle = ""

    def time_left(self) -> float:
        """For ever."""
        return math.inf

    async def acquire(self) -> None:
        """At once."""

    async def release(self) -> None:
        """Nothing is held."""


class Deadline:
    """Until when this process leads, on the monotonic clock; read by the watchdog's thread, too."""

    def __init__(self) -> None:
        self._at: float | None = None

    def left(self) -> float:
        """Seconds until then; 0 or less where it is over or never began."""
        at = self._at
        return at - time.monotonic() if at is not None else 0.0

    def put_off(self, at: float) -> None:
        """The lead lasts until then."""
        self._at = at

    def clear(self) -> None:
        """The lead is over."""
        self._at = None


class Watchdog:
    """A thread that ends the process when the deadline passes, whatever the event loop does."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="leader watchdog", daemon=True).start()

    def stop(self) -> None:
        """The lead is given up on purpose."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(max(0.0, self._deadline.left())):
            if self._deadline.left() <= 0 and not self._stopped.is_set():
                end_process("it was not renewed in time")


def end_process(why: str) -> NoReturn:
    """Ends the process now: no clean-up, which could write. Exit code 1."""
    try:
        # In a thread: another one may hold the log's lock, or nobody may read the log.
        goodbye = threading.Thread(
            target=_log.critical,
            args=("the lead is lost: the process ends",),
            kwargs={"reason": why},
            daemon=True,
        )
        goodbye.start()
        goodbye.join(_GOODBYE_SECONDS)
    finally:
        os._exit(1)


@contextlib.asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Bounds what a request may take in all, its second try with new credentials included."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise cluster_errors.ClusterUnreachable(f"the API server did not answer in {seconds:.1f} s") from None


def _fresh(lease: Lease) -> dict[str, Any]:
    return {key: lease.metadata[key] for key in ("name", "namespace")}


def _say_once(said: str, what: str, level: str = "warning") -> str:
    if what != said:
        getattr(_log, level)("not leading", reason=what)
    return what
