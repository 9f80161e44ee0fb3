"""A second host for calls under suspicion: one call at a time, so that the host's end has only one cause.

Calls that crashed or hung, or that were under way when a host ended, run here and not in the current host, so
that a retry never ends a started plugin.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from floe_core.host.protocol import ScanResult
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.knowledge import needs_new_host
from floe_operator.plugin_host.triage import Blame

T = TypeVar("T")
_IDLE_LIMIT = 2.0
_MEMORY_PERIOD = 0.5


class Order(IntEnum):
    """Which job goes first: a caller waits for a validation, and imports that hang take their full time."""

    VALIDATION = 0
    SUSPECT_IMPORT = 1
    CONFIRMATION = 2
    SLOW_IMPORT = 3
    RETRY = 4


@dataclass(frozen=True, slots=True)
class _Job:
    do: Callable[[Host], Awaitable[Any]]
    outcome: asyncio.Future[Any]
    fresh: bool
    """Whether it needs a host that nobody used before, and that nobody uses afterwards."""


class Trials:
    """A queue of jobs, and a host for them while there are any."""

    def __init__(self, start: Callable[[], Awaitable[Host]], memory_limit: int) -> None:
        self._start = start
        self._memory_limit = memory_limit
        self._jobs: asyncio.PriorityQueue[tuple[int, int, _Job]] = asyncio.PriorityQueue()
        self._count = itertools.count()
        self._host: Host | None = None
        self._watch: asyncio.Task[None] | None = None
        """Ends the host if it uses too much memory."""
        self._newest: ScanResult | None = None

    def renew(self, now: ScanResult) -> None:
        """Do no later job in a host whose modules are older than what this scan found."""
        self._newest = now

    async def run(self, order: Order, job: Callable[[Host], Awaitable[T]], *, fresh: bool = False) -> T:
        """Run a job alone in a host; return or raise what the job does.

        `fresh`: the host is new, and ends after the job.

        Raises:
            HostLost: The job ended the host; `blame` is CAUSE.
            HostStartError: No host can be started for the job.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait((order, next(self._count), _Job(job, outcome, fresh)))
        return await outcome

    async def work(self) -> None:
        """Run the jobs, until cancelled."""
        try:
            while True:
                await self._next()
        finally:
            await self._end_host()

    async def _next(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_LIMIT if self._host else None):
                _, _, job = await self._jobs.get()
        except TimeoutError:
            await self._end_host()
            return
        outcome = job.outcome
        if outcome.cancelled():
            return
        try:
            result = await self._do(job)
        except asyncio.CancelledError:
            outcome.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to whoever submitted the job
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(result)

    async def _do(self, job: _Job) -> Any:
        if job.fresh or self._host is None or self._host.is_ending or self._is_outdated(self._host):
            await self._end_host()
            self._host = await self._start()
            self._watch = asyncio.create_task(self._watch_memory(self._host))
        try:
            return await job.do(self._host)
        except CallTimedOut:
            await self._end_host()
            raise
        except HostLost as lost:
            await self._end_host()
            raise HostLost(lost.how, Blame.CAUSE, hung=lost.hung) from None
        finally:
            if job.fresh:
                await self._end_host()

    def _is_outdated(self, host: Host) -> bool:
        return self._newest is not None and needs_new_host(host.installed, self._newest)

    async def _end_host(self) -> None:
        host, self._host = self._host, None
        if self._watch is not None:
            self._watch.cancel()
        if host is not None:
            host.condemn("its work is done", Blame.CAUSE)
            await host.lost.wait()

    async def _watch_memory(self, host: Host) -> None:
        while True:
            await asyncio.sleep(_MEMORY_PERIOD)
            host.end_above(self._memory_limit)

    async def close(self) -> None:
        """End the host, and fail the jobs that were not done."""
        await self._end_host()
        while not self._jobs.empty():
            *_, job = self._jobs.get_nowait()
            if not job.outcome.done():
                job.outcome.set_exception(HostStartError("The plugin host is closed"))
