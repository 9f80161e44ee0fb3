"""The rows of a result by phase, number of objects and contestant, and the spread of their figures; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.side_by_side.figures import Spread, ratios

Row = Mapping[str, Any]
"""One contestant's phase in one run, as measured and written to JSON."""
Figure = Callable[[Row], float]
NONE = "–"  # noqa: RUF001 -- what a table shows where there is nothing


class Results:
    """The rows of all runs."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)

    @property
    def sizes(self) -> list[int]:
        """The numbers of objects, smallest first."""
        return sorted({row["objects"] for row in self._rows})

    def runs(self, objects: int) -> int:
        """Return how many runs there were with so many objects."""
        return len({row["run"] for row in self._rows if row["objects"] == objects})

    def contestants(self, phase: str, objects: int) -> list[str]:
        """Return who took part in a phase, in a fixed order."""
        found = {
            row["contestant"] for row in self._rows if (row["phase"], row["objects"]) == (phase, objects)
        }
        return sorted(found, key=("operator", "peer", "bare-loop").index)

    def values(self, phase: str, objects: int, who: str, figure: Figure) -> Mapping[int, float]:
        """Return one figure by run."""
        wanted = (phase, objects, who)
        found = (row for row in self._rows if (row["phase"], row["objects"], row["contestant"]) == wanted)
        return {row["run"]: figure(row) for row in found}

    def spread(self, phase: str, objects: int, who: str, figure: Figure) -> Spread | None:
        """Return a figure's spread, or None if it was not measured."""
        found = self.values(phase, objects, who, figure)
        return Spread.of(found.values()) if found else None

    def to_peer(self, phase: str, objects: int, who: str, figure: Figure) -> Spread | None:
        """Return how many times the peer's a figure is, or None if either is missing or the peer's is 0."""
        if who == "peer":
            return None
        return ratios(*(self.values(phase, objects, each, figure) for each in (who, "peer")))

    def to_smallest(self, phase: str, objects: int, who: str, figure: Figure) -> Spread | None:
        """Return how many times the median of the smallest size a figure is, or None as `to_peer` does."""
        own, smallest = (self.spread(phase, each, who, figure) for each in (objects, self.sizes[0]))
        if own is None or smallest is None or smallest.median == 0:
            return None
        return own.divided_by(smallest.median)


def total(counts: str) -> Figure:
    """Return a figure: the sum of `requests` or `writes`."""
    return lambda row: float(sum(row[counts].values()))


def written(resource: str) -> Figure:
    """Return a figure: the writes of a resource."""
    return lambda row: float(row["writes"].get(resource, 0))


def each(figure: Figure) -> Figure:
    """Return a figure for each object that was changed or had to be judged."""
    return lambda row: figure(row) / row["changes"]


def a_minute(figure: Figure) -> Figure:
    """Return a figure for each minute."""
    return lambda row: figure(row) / row["seconds"] * 60


def megabytes(what: str, kind: str) -> Figure:
    """Return a figure: `peaks` or `resident` of a kind of process, 0 if there was none."""
    return lambda row: row[what].get(kind, 0) / 1e6


def seconds(row: Row) -> float:
    """Return how long a phase took."""
    return float(row["seconds"])


def cpu(row: Row) -> float:
    """Return the seconds of processor time."""
    return float(row["cpu"])


def host_cpu(row: Row) -> float:
    """Return what of the processor time the plugin host used."""
    return float(row["host_cpu"])


def shown(spread: Spread | None, scale: float = 1.0, unit: str = "") -> str:
    """Return the text of a cell."""
    return NONE if spread is None else f"{spread.text(scale)}{unit}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, aligned for a terminal, too; none if there are no rows."""
    lines = [tuple(head), *map(tuple, rows)]
    if len(lines) == 1:
        return []
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    are_numbers = [all(cell[:1].isdecimal() or cell == NONE for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, are_numbers, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if is_number else "-" * width
        for width, is_number in zip(widths, are_numbers, strict=True)
    ]
    return [line(lines[0]), line(rule), *map(line, lines[1:])]
