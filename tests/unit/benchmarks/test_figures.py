"""The arithmetic of the benchmarks' tables."""

from __future__ import annotations

import pytest

from benchmarks.side_by_side.figures import Spread, percentile, ratios


def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed() -> None:
    samples = [float(number) for number in range(300, 0, -1)]
    assert [percentile(samples, percent) for percent in (0, 50, 99, 100)] == [1, 150, 297, 300]


@pytest.mark.parametrize("samples", [[], [1.0], [1.0] * 99])
def test_samples_too_few_for_a_percentile_have_none(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="have no 99th percentile"):
        percentile(samples, 99)


def test_a_spread_is_shown_if_the_runs_differ() -> None:
    assert Spread.of([3.0, 1.0, 2.0]).text() == "2 (1 to 3)"
    assert Spread.of([2.0, 2.0]).text(1000) == "2,000"
    assert Spread.of([0.0]).text() == "0"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.94, "99.9"), (9.994, "9.99"), (0.0123, "0.012"), (-12.5, "-12.5")],
)
def test_a_figure_has_about_three_digits(value: float, text: str) -> None:
    assert Spread.of([value]).text() == text


def test_ratios_are_those_of_the_runs_that_both_have() -> None:
    assert ratios({0: 2.0, 1: 6.0, 2: 3.0}, {2: 3.0, 1: 2.0, 0: 1.0}) == Spread(2.0, 1.0, 3.0, 3)
    assert ratios({0: 2.0}, {0: 1.0, 1: 9.0}) == Spread(2.0, 2.0, 2.0, 1)


@pytest.mark.parametrize("others", [{}, {1: 1.0}, {0: 0.0}])
def test_there_is_no_ratio_to_nothing(others: dict[int, float]) -> None:
    assert ratios({0: 1.0}, others) is None
