"""Leader election on a Lease: one operator per namespace writes, the others stand by.

Acquire the Lease before starting anything that writes, release it after all of that has ended, and check
`time_left` before each write. This guarantees the following, and no more:

- A leader stops writing `renew_deadline` seconds after it *sent* its last successful renewal; another process
  starts no earlier than `duration` seconds after it *saw* that renewal. Each uses its own clock, which cannot
  be set, so the clocks can show different times, but their speeds must not differ by more than half. On Linux
  the leader's clock runs while its machine sleeps, so a leader whose machine slept too long no longer leads
  when it wakes up. On other systems it might believe that it leads until its next renewal. A holder that
  asks for more than an hour is taken for a ghost, and gets four terms of ours.
- After its time has run out, a leader sends no write and abandons writes in progress, even if the process was
  suspended or its event loop blocked: the time is checked when a write begins and again when its body is
  handed to the operating system, each write is limited to the time left, and a thread ends the process. Only
  a request already on its way can arrive late, because the Lease API has no fencing and the network can delay
  a request. Such a request carries a uid and uses server-side apply, or has preconditions; the next
  assessment corrects what it wrote.
- If a user overwrites the Lease, the leader notices at its next renewal, at most `retry` seconds later.
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
from floe_operator.rules.leases import Lease, NotALease, Observer, Step, Timing
from floe_operator.said import Said

LEASE = "floe-operator"
RIGHTS = ("get", "create", "update")
"""The verbs that the operator needs on leases; manifests/base grants only these."""

_SPREAD = 0.25
"""Maximum fraction added to a standby's pauses, so that standbys read the Lease at different times."""

_log = structlog.get_logger(__name__)


class Elector:
    """A candidate for the leadership of one namespace.

    `connection` must not be shared: other requests that hang in its pool must not delay a renewal.
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
        """Whether the Lease might name this candidate."""
        self._not_renewed = ""
        """Why the last attempt to renew the Lease failed; empty if it did not."""
        self.obstacle = "the Lease has not been read yet"
        """Why this candidate neither leads nor knows who does, worded for users; otherwise empty."""

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""
        return self.time_left() > 0

    @property
    def holder(self) -> str:
        """The identity of the leader, as far as known; empty if nobody leads."""
        return self.identity if self.is_leader else self._observer.holder

    def time_left(self) -> float:
        """Return the seconds for which this process may still write; 0 or less if it does not lead."""
        return self._deadline.left()

    async def acquire(self) -> None:
        """Wait for leadership, then renew the Lease in the background until `release`.

        Losing leadership ends the process.
        """
        while True:
            pause = self._timing.retry * random.uniform(1.0, 1.0 + _SPREAD)  # noqa: S311 -- jitter
            try:
                wait = await self._attempt()
            except errors.ClusterError as error:
                self.obstacle = f"the Lease {LEASE!r} cannot be used: {error}"
                self._say(_log.warning, self.obstacle)
                pause = errors.pause(error, pause)
            else:
                self.obstacle = ""
                if wait is None:
                    break
                if oddity := self._observer.oddity(time.monotonic()):
                    self.obstacle = f"the Lease {LEASE!r} is odd: {oddity}"
                    self._say(_log.warning, self.obstacle)
                elif self._observer.holder:
                    self._say(_log.info, f"standing by for {self._observer.holder}")
                pause = min(pause, wait + 0.1 * random.random())  # noqa: S311
            await asyncio.sleep(pause)
        _log.info("leading", lease=LEASE, identity=self.identity)
        self._watchdog = Watchdog(self._deadline, lambda: self._not_renewed)
        self._renewals = asyncio.create_task(self._keep(), name="leader election")

    def _say(self, log: Callable[..., object], why: str) -> None:
        if self._said.is_new("not leading", why):
            log("not leading", reason=why)

    async def release(self) -> None:
        """Release the Lease if held, so that the next leader need not wait; this is the last request sent."""
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
            # The next leader has to wait until the Lease expires.
            _log.warning("Lease not released", reason=str(error))
        else:
            if released:
                _log.info("Lease released", lease=LEASE)

    async def _attempt(self) -> float | None:
        """Try to become the leader; return None, or the seconds another operator might still lead."""
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
            return 0.0  # another operator was faster; look again soon
        self._deadline.put_off(started + self._timing.renew_deadline)
        return None

    async def _keep(self) -> None:
        """Renew the Lease until cancelled."""
        pause = self._timing.retry
        while True:
            await asyncio.sleep(pause)
            started = since_boot()
            if (left := self.time_left()) <= 0:
                self._lose(self._not_renewed or "the Lease was not renewed in time")
            try:
                # At most `retry` seconds, so that a hanging request leaves time for another attempt.
                await self._renew(min(left, self._timing.retry))
            except Exception as error:  # noqa: BLE001 -- whatever happened, the Lease was not renewed
                self._not_renewed = reason = str(error)
                if self._said.is_new("not renewed", reason):
                    _log.warning("Lease not renewed", reason=reason, seconds_left=round(self.time_left(), 1))
                pause = self._pause_after(error)
            else:
                self._not_renewed, pause = "", self._timing.retry
                self._said.is_over("not renewed")
                self._deadline.put_off(started + self._timing.renew_deadline)

    def _pause_after(self, error: Exception) -> float:
        """Return the seconds until the next attempt to renew; one fits into the lead, whatever is asked."""
        soon, left = self._timing.retry / 4, self.time_left()
        asked = min(errors.pause(error, soon), left - self._timing.retry)
        return max(0.0, min(max(soon, asked), left))

    async def _renew(self, limit: float) -> None:
        until = since_boot() + limit
        if self._lease.is_stored:
            try:
                await self._write(limit)
                return
            except errors.ClusterUnreachable:
                raise
            except errors.ClusterError:
                # The answer to an earlier renewal was lost, or someone edited, deleted or took the Lease.
                pass
        lease = await self._read(until - since_boot())
        if lease is not None and lease.holder != self.identity:
            self._lose(f"{lease.holder_shown or 'nobody'} holds the Lease now")
        self._lease = lease or Lease(metadata=_fresh(self._lease))
        await self._write(until - since_boot())

    async def _give_back(self, limit: float) -> bool:
        """Release the Lease if it names this candidate; even a cancelled request might have written this."""
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
            return await self._lease_of("GET", f"{self._collection}/{LEASE}", limit)
        except errors.NotFound:
            return None

    async def _write(self, limit: float) -> None:
        """Make the Lease name this candidate.

        Raises:
            Conflict: Someone has written the Lease since it was read.
        """
        body = self._lease.held_by(self.identity, self._timing.duration, datetime.now(UTC))
        if self._lease.is_stored:
            await self._put(body, limit)
            return
        self._lease = await self._lease_of("POST", self._collection, limit, body)

    async def _put(self, body: dict[str, Any], limit: float) -> None:
        self._lease = await self._lease_of("PUT", f"{self._collection}/{LEASE}", limit, body)

    async def _lease_of(
        self, method: str, path: str, limit: float, body: dict[str, Any] | None = None
    ) -> Lease:
        answer = await self._connection.request(method, path, body=body, timeout=limit)
        try:
            return Lease.parse(answer)
        except NotALease as error:
            raise errors.Refused(f"{method} of the Lease: {error}") from None


class NoElection:
    """Replaces the Elector if leader election is off: this process always leads, even if others do too."""

    is_leader = True
    obstacle = ""

    def time_left(self) -> float:
        """Return infinity."""
        return math.inf

    async def acquire(self) -> None:
        """Return immediately."""

    async def release(self) -> None:
        """Do nothing, because no Lease is held."""


def _fresh(lease: Lease) -> dict[str, Any]:
    return {key: lease.metadata[key] for key in ("name", "namespace")}
