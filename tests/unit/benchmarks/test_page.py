"""The page that is made of the benchmark's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.side_by_side.page import page
from benchmarks.side_by_side.phases import PHASES

FACTS = {"commit": "0123456789ab", "Kubernetes": "1.37.1"}
MEASURED = [phase for phase in PHASES if phase != "distributions"]
SLOWER = {"operator": 1.5, "peer": 1.0}


def rows(*, objects: tuple[int, ...] = (100, 1_000, 10_000), runs: int = 3) -> Iterator[Mapping[str, Any]]:
    """Yield rows in which the operator is slower than the peer, and each run slower than the one before."""
    for size in objects:
        for run in range(runs):
            for who, times in SLOWER.items():
                for phase in (
                    *MEASURED,
                    *(("distribution-comes", "distribution-goes") * (who == "operator")),
                ):
                    yield {
                        "objects": size,
                        "run": run,
                        "contestant": who,
                        "phase": phase,
                        "seconds": size / 100 * (run + 1) * times,
                        "cpu": size / 200 * (run + 1) * times,
                        "host_cpu": size / 400 * (run + 1) * times,
                        "requests": {"patch floeplugins": 2 * size, "update leases": 3},
                        "writes": {}
                        if phase in ("touched", "idle")
                        else {"floeplugins": 2 * size, "events": 5},
                        "peaks": {"process": size * 10_000, "plugin host": size * 20_000},
                        "resident": {"process": size * 5_000},
                        "changes": size,
                        "p50": 0.01 * times,
                        "p99": 0.1 * (run + 1) * times,
                    }


def lines_of(section: str, made: str) -> list[str]:
    """Return the lines of a section's table, with each run of spaces as one."""
    _, _, rest = made.partition(f"\n## {section}\n")
    return [
        " ".join(line.split()) for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")
    ]


def test_a_page_shows_medians_with_their_spread_and_ratios_to_the_peer() -> None:
    made = page({"facts": FACTS, "rows": list(rows())})
    first = lines_of("First pass", made)
    assert first[0] == "| objects | who | seconds | x peer | CPU s | x peer | CPU ms an object | host's ms |"
    assert first[2] == (
        "| 100 | operator | 3 (1.50 to 4.50) | 1.50 | 1.50 (0.75 to 2.25) | 1.50 | 15 (7.50 to 22.5) "
        "| 7.50 (3.75 to 11.2) |"
    )
    assert first[3].startswith("| 100 | peer | 2 (1 to 3) | –")  # noqa: RUF001
    assert "| 100 | operator | 203 | 200 | 5 |" in first
    assert len(first) == 2 * (2 + 3 * 2)


def test_a_page_says_what_was_measured_on_and_which_targets_are_met() -> None:
    made = page({"facts": FACTS, "rows": list(rows())})
    assert "- commit: 0123456789ab" in made
    found = lines_of("Targets", made)
    assert "| first pass, time <= 1 x peer | 1,000 objects | 1.50 x peer | no |" in found
    assert "| first pass, CPU <= 2 x peer | 10,000 objects | 1.50 x peer | yes |" in found
    assert (
        "| first pass, CPU of one object <= 1.2 x at 100 | 10,000 objects | 1 (0.50 to 1.50) x at 100 | yes |"
        in found
    )
    assert "| idle, writes: none | 1,000 objects | 0 | yes |" in found


def test_a_page_says_how_often_each_size_was_measured() -> None:
    made = page({"facts": FACTS, "rows": [*rows(objects=(100,)), *rows(objects=(10_000,), runs=1)]})
    assert "- runs: 3 with 100 objects, 1 with 10,000 objects" in made
    assert any(line.startswith("| first pass, CPU of one object") for line in lines_of("Targets", made))


def test_a_page_of_a_part_has_only_that_part() -> None:
    some = [row for row in rows(objects=(1_000,), runs=1) if row["phase"] == "specs"]
    made = page({"facts": FACTS, "rows": [row for row in some if row["contestant"] == "operator"]})
    assert [line for line in made.splitlines() if line.startswith("## ")] == [
        "## Targets",
        "## All specs changed",
        "## Memory",
    ]


def test_a_page_fits_a_wide_terminal() -> None:
    made = page({"facts": FACTS, "rows": list(rows())})
    assert max(len(line) for line in made.splitlines()) <= 140
