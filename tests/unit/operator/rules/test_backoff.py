"""Pauses after consecutive failures."""

from __future__ import annotations

from itertools import pairwise

from floe_operator.rules.backoff import Backoff


def test_pauses_double_from_the_first_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=30.0)
    assert [backoff.after(failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_pauses_stay_at_the_longest_however_many_failures_there_are() -> None:
    backoff = Backoff(first=0.1, longest=60.0)
    pauses = [backoff.after(failures) for failures in (1, 10, 100, 10_000, 10**9)]
    assert all(earlier <= later for earlier, later in pairwise(pauses))
    assert pauses[-1] == 60.0
