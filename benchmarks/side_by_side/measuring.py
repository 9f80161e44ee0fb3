"""One contestant with its objects in its own namespace, and the measurement of one phase."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.side_by_side.audit_tail import AuditTail
from benchmarks.side_by_side.contestants import Running
from benchmarks.side_by_side.figures import percentile
from benchmarks.side_by_side.observer import Check, Observer
from benchmarks.side_by_side.workload import names
from tests.support.distributions import Environment

_QUIET = 1.0
"""Seconds of rest after which nothing is counted for a phase any more."""
_LITTLE = 0.1
"""What part of a processor whoever is at rest may use: it scans from time to time."""


@dataclass(frozen=True)
class Row:
    """What one contestant needed for one phase in one run."""

    objects: int
    run: int
    contestant: str
    phase: str
    seconds: float
    """From the first change to the last status that reflects one."""
    cpu: float
    """Seconds of processor time, until it is at rest."""
    host_cpu: float
    """What of it the plugin host used, which imports the plugins and runs their code."""
    requests: Mapping[str, int]
    """By verb and resource."""
    writes: Mapping[str, int]
    """Requests that write something other than a Lease, by resource."""
    peaks: Mapping[str, int]
    """The largest resident memory since the start of the process, by kind of process, in bytes."""
    resident: Mapping[str, int]
    changes: int
    """How many objects were changed, or had to be judged."""
    p50: float | None = None
    """Of the changes, one after the other, in seconds."""
    p99: float | None = None


@dataclass
class Contest:
    """One contestant at work, and what was measured."""

    objects: int
    run: int
    running: Running
    observer: Observer
    audit: AuditTail
    environment: Environment
    idle_seconds: float
    say: Callable[[Row], None]
    with_secrets: list[str] = field(default_factory=list)
    """The objects that name a Secret of their own."""

    @cached_property
    def names(self) -> list[str]:
        """The names of its objects."""
        return names(self.objects)

    @property
    def within(self) -> float:
        """Seconds after which it has failed to do something to all objects."""
        return 60 + self.objects * 0.06

    async def until(self, checks: Mapping[str, Check]) -> float:
        """Wait until the objects are as awaited, and return that moment."""
        return await self.observer.until(checks, within=self.within)

    async def measure(
        self,
        phase: str,
        work: Callable[[], Awaitable[Sequence[float]]],
        *,
        changes: int | None = None,
        until_quiet: bool = True,
    ) -> None:
        """Measure one phase; `work` returns seconds: one figure for all `changes`, or one for each.

        `until_quiet`: what the contestant does until it is at rest counts, too.
        """
        self.audit.clear()
        before = self.running.usage()
        took = await work()
        if until_quiet:
            await self.quiet()
        self.audit.read()
        after = self.running.usage()
        each = changes is None
        row = Row(
            objects=self.objects,
            run=self.run,
            contestant=self.running.contestant.name,
            phase=phase,
            seconds=sum(took),
            cpu=after.cpu - before.cpu,
            host_cpu=after.host_cpu - before.host_cpu,
            requests=dict(self.audit.requests),
            writes=dict(self.audit.writes),
            peaks=after.peaks,
            resident=after.resident,
            changes=len(took) if changes is None else changes,
            **({"p50": percentile(took, 50), "p99": percentile(took, 99)} if each else _NONE),
        )
        self.say(row)

    async def quiet(self) -> None:
        """Wait until the contestant has written no FloePlugin for a moment, and hardly used a processor.

        Raises:
            RuntimeError: It does not come to rest.
        """
        used, until = self.running.usage().cpu, time.monotonic() + self.within
        while time.monotonic() < until:
            await asyncio.sleep(_QUIET)
            self.audit.read()
            before, used = used, self.running.usage().cpu
            last = self.audit.last_writes.get("floeplugins", 0.0)
            if used - before < _LITTLE * _QUIET and last < time.time() - _QUIET:
                return
        raise RuntimeError(f"{self.running.contestant.name} is not at rest after {self.within:.0f} s")

    async def silence(self, seconds: float) -> None:
        """Wait until the contestant has written nothing for so long, not even an Event.

        Raises:
            RuntimeError: It does not stop writing.
        """
        until = time.monotonic() + self.within
        while time.monotonic() < until:
            await asyncio.sleep(seconds)
            self.audit.read()
            if max(self.audit.last_writes.values(), default=0.0) < time.time() - seconds:
                return
        raise RuntimeError(f"{self.running.contestant.name} still writes after {self.within:.0f} s")


_NONE: Mapping[str, Any] = {}
