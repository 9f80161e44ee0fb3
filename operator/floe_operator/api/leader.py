"""Leader election on a Lease: one operator of a namespace writes, the others stand by.

Acquire the lead before anything that writes is started, release it when that has ended, and ask `time_left`
before each write. What is guaranteed then, and what is not:

- A leader stops writing `renew_deadline` after it *sent* its last successful renewal; another one starts
  no earlier than `duration` after it *saw* that renewal. Each counts on a clock of its own that nobody sets,
  so clocks that differ do not matter; clocks that run at a different speed do, beyond half. On Linux the
  leader's goes on while its machine sleeps: one that is woken up leads no more. Elsewhere it may go
  on believing that it leads until its next renewal.
- No write is sent after that, and writes under way are abandoned, even if the process was stopped or its
  event loop blocked meanwhile: the time is checked where a write begins, each write is limited to what is
  left, and a thread ends the process. Beyond that is only what has left the process already: the Lease API
  has no fencing, so a request that the network holds back can arrive late. It carries a uid and is applied
  on the server's side, or has preconditions; the next judgement corrects it.
- Somebody who overwrites the Lease by hand is noticed at the next renewal, `retry` later at the most.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.api.deadline import Deadline, Watchdog, end_process, since_boot
from floe_operator.rules.leases import Lease, Observer, Step, Timing
from floe_operator.said import Said

LEASE = "floe-operator"
RIGHTS = ("get", "create", "update")
"""What the operator does with leases; manifests/base grants just this."""

_SPREAD = 0.25
"""By how much a standby varies its pauses, so that several do not ask in step."""

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
        self._said: Said[str] = Said()
        self._has_asked = False
        """Whether the Lease may name this one."""
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
        while True:
            pause = self._timing.retry * random.uniform(1.0, 1.0 + _SPREAD)  # noqa: S311 -- jitter
            try:
                wait = await self._attempt()
            except errors.ClusterError as error:
                self.obstacle = f"the Lease {LEASE!r} cannot be used: {error}"
                self._say(_log.warning, self.obstacle)
            else:
                self.obstacle = ""
                if wait is None:
                    break
                self._say(_log.info, f"standing by for {self._observer.holder}")
                pause = min(pause, wait + 0.1 * random.random())  # noqa: S311
            await asyncio.sleep(pause)
        _log.info("leading", lease=LEASE, identity=self.identity)
        self._watchdog = Watchdog(self._deadline)
        self._renewals = asyncio.create_task(self._keep(), name="leader election")

    def _say(self, log: Callable[..., object], why: str) -> None:
        if self._said.is_new("not leading", why):
            log("not leading", reason=why)

    async def release(self) -> None:
        """Lets the next one lead at once, if this one does: the last thing that the process sends."""
        limit = self._timing.retry
        if self._renewals is not None and self._watchdog is not None:
            self._renewals.cancel()
            await asyncio.gather(self._renewals, return_exceptions=True)
            self._watchdog.stop()
            limit = min(limit, self.time_left())
        self._deadline.clear()
        if not self._has_asked or limit <= 0:
            return
        try:
            released = await self._give_back(limit)
        except errors.ClusterError as error:
            # It costs the next one the rest of the Lease's time.
            _log.warning("the Lease was not released", reason=str(error))
        else:
            if released:
                _log.info("the Lease was released", lease=LEASE)

    async def _attempt(self) -> float | None:
        """Takes the lead if it is to be had: None then, else for how long another may hold it."""
        lease = await self._read(self._timing.retry)
        step, wait = self._observer.decide(lease, time.monotonic())
        if step is Step.WAIT:
            return wait
        self._lease = lease or Lease(metadata=_fresh(self._lease))
        started = since_boot()
        self._has_asked = True
        try:
            await self._write(self._timing.retry)
        except errors.Conflict:
            self._has_asked = False
            return 0.0  # somebody was faster; look again soon
        self._deadline.put_off(started + self._timing.renew_deadline)
        return None

    async def _keep(self) -> None:
        """Renews until it is cancelled."""
        reason, pause = "", self._timing.retry
        while True:
            await asyncio.sleep(pause)
            started = since_boot()
            if (left := self.time_left()) <= 0:
                self._lose(reason or "it was not renewed in time")
            try:
                # No longer than a retry takes: a connection that hangs leaves time for another one.
                await self._renew(min(left, self._timing.retry))
            except Exception as error:  # noqa: BLE001 -- whatever it is, the Lease was not renewed
                reason = str(error)
                if self._said.is_new("not renewed", reason):
                    _log.warning(
                        "the Lease was not renewed", reason=reason, seconds_left=round(self.time_left(), 1)
                    )
                pause = max(0.0, min(self._timing.retry / 4, self.time_left()))
            else:
                reason, pause = "", self._timing.retry
                self._said.is_over("not renewed")
                self._deadline.put_off(started + self._timing.renew_deadline)

    async def _renew(self, limit: float) -> None:
        until = since_boot() + limit
        if self._lease.is_stored:
            try:
                await self._write(limit)
                return
            except errors.ClusterUnreachable:
                raise
            except errors.ClusterError:
                # An earlier renewal's answer was lost, or somebody edited the Lease, deleted it, or took it.
                pass
        lease = await self._read(until - since_boot())
        if lease is not None and lease.holder != self.identity:
            self._lose(f"{lease.holder or 'nobody'} holds it now")
        self._lease = lease or Lease(metadata=_fresh(self._lease))
        await self._write(until - since_boot())

    async def _give_back(self, limit: float) -> bool:
        """Releases the Lease if it names this one; a request that was cancelled may have made it do so."""
        until = since_boot() + limit
        lease = self._lease if self._renewals and self._lease.is_stored else await self._read(limit)
        while lease is not None and lease.holder == self.identity:
            try:
                await self._put(lease.released(datetime.now(UTC)), until - since_boot())
            except errors.Conflict:
                lease = await self._read(until - since_boot())
            else:
                return True
        return False

    def _lose(self, why: str) -> NoReturn:
        self._deadline.clear()
        end_process(why)

    async def _read(self, limit: float) -> Lease | None:
        try:
            return Lease.parse(
                await self._connection.request("GET", f"{self._collection}/{LEASE}", timeout=limit)
            )
        except errors.NotFound:
            return None

    async def _write(self, limit: float) -> None:
        """Makes the Lease name this one; Conflict if anybody wrote since it was read."""
        body = self._lease.held_by(self.identity, self._timing.duration, datetime.now(UTC))
        if self._lease.is_stored:
            await self._put(body, limit)
            return
        answer = await self._connection.request("POST", self._collection, body=body, timeout=limit)
        self._lease = Lease.parse(answer)

    async def _put(self, body: dict[str, Any], limit: float) -> None:
        path = f"{self._collection}/{LEASE}"
        self._lease = Lease.parse(await self._connection.request("PUT", path, body=body, timeout=limit))


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


def _fresh(lease: Lease) -> dict[str, Any]:
    return {key: lease.metadata[key] for key in ("name", "namespace")}
