"""The arithmetic of the tables: percentiles of samples, and the spread of runs; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that at least `percent` of the samples do not exceed (nearest rank).

    Raises:
        ValueError: There are so few samples that this would be the largest of them, except for 100 percent.
    """
    rank = math.ceil(len(samples) * percent / 100)
    if not samples or (rank == len(samples) and percent < 100):
        raise ValueError(f"{len(samples)} samples have no {percent:g}th percentile")
    return sorted(samples)[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure of several runs."""

    median: float
    least: float
    most: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of at least one value."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found), len(found))

    def divided_by(self, other: float) -> Spread:
        """Return the spread of the ratios to another figure."""
        return Spread(self.median / other, self.least / other, self.most / other, self.runs)

    def text(self, scale: float = 1.0) -> str:
        """Return the median, and the least and the most if there are several runs and they differ."""
        middle, least, most = (_figure(each * scale) for each in (self.median, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


def ratios(values: Mapping[int, float], others: Mapping[int, float]) -> Spread | None:
    """Return how many times the others' values are in the runs that both have.

    None if there is no such run, or if one of the others' values in them is 0.
    """
    both = sorted(values.keys() & others.keys())
    if not both or not all(others[run] for run in both):
        return None
    return Spread.of(values[run] / others[run] for run in both)


def _figure(value: float) -> str:
    """Return about three digits, without an exponent; whole numbers are counts."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
