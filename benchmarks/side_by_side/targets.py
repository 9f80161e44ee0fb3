"""What the operator promises, and what was measured of it; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.side_by_side.figures import Spread
from benchmarks.side_by_side.results import (
    Results,
    Row,
    a_minute,
    cpu,
    each,
    megabytes,
    seconds,
    shown,
    total,
)

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Target:
    """An upper bound for the median of a figure."""

    what: str
    bound: float
    unit: str
    objects: int
    measured: Spread | None

    def row(self) -> tuple[str, str, str, str]:
        """Return the cells of the table."""
        assert self.measured is not None
        met = "yes" if self.measured.median <= self.bound else "no"
        allowed = f"{self.what} <= {self.bound:g}{self.unit}" if self.bound else f"{self.what}: none"
        return allowed, f"{self.objects:,} objects", shown(self.measured, unit=self.unit), met


def targets(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each target of a size that was measured."""
    for target in _all(results):
        if target.measured is not None:
            yield target.row()


def _all(results: Results) -> Iterator[Target]:
    for phase, name in (("first-pass", "first pass"), ("specs", "all specs changed")):
        for objects in (1_000, 10_000):
            time = results.to_peer(phase, objects, OPERATOR, seconds)
            yield Target(f"{name}, time", 1.0, " x peer", objects, time)
            processor = results.to_peer(phase, objects, OPERATOR, cpu)
            yield Target(f"{name}, CPU", 2.0, " x peer", objects, processor)
        if (least := results.sizes[0]) < 10_000:
            cost = results.to_smallest(phase, 10_000, OPERATOR, each(cpu))
            yield Target(f"{name}, CPU of one object", 1.2, f" x at {least:,}", 10_000, cost)
    single = results.spread("singles", 10_000, OPERATOR, _p99)
    yield Target("a single change, p99", 0.3, " s", 10_000, single)
    for objects, bound in ((1_000, 0.1), (10_000, 1.2)):
        idle = results.spread("idle", objects, OPERATOR, a_minute(cpu))
        yield Target("idle, CPU in a minute", bound, " s", objects, idle)
        writes = results.spread("idle", objects, OPERATOR, a_minute(total("writes")))
        yield Target("idle, writes", 0, "", objects, writes)
    for objects, bound in ((1_000, 100), (10_000, 200)):
        peak = results.spread("specs", objects, OPERATOR, megabytes("peaks", "process"))
        yield Target("peak memory without the plugin host", bound, " MB", objects, peak)
    for objects in (1_000, 10_000):
        touched = results.spread("touched", objects, OPERATOR, total("writes"))
        yield Target("a Secret's labels change, writes", 0, "", objects, touched)


def _p99(row: Row) -> float:
    return float(row["p99"])
