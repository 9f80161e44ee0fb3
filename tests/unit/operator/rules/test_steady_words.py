"""Words of a plugin that change with every check are shown seldom, and everything else at once."""

from __future__ import annotations

from typing import Any

import pytest

from floe_operator.rules.facts import Checked, ConfigDigest, CrashedWhileRunning, StartupFailed
from floe_operator.rules.steady_words import QUIET_SECONDS, Heard, Known, Shown, steady

ONE, OTHER = ConfigDigest(b"1"), ConfigDigest(b"2")


def degraded(words: str) -> Heard:
    return heard(Checked("degraded", message=words))


def unhealthy(words: str, failures: int = 3, ours: str = "") -> Heard:
    return heard(Checked("unhealthy", failures, words), ours)


def heard(fact: Known, ours: str = "", digest: ConfigDigest = ONE) -> Heard:
    return Heard(fact, ours, 3, digest)


def words_shown(*told: tuple[float, Heard]) -> list[str]:
    """Return the words that are shown after each of the moments."""
    shown: Shown | None = None
    words = []
    for now, each in told:
        fact, shown = steady(each, 1, shown, now)
        words.append(fact.message)
    return words


@pytest.mark.parametrize("start", [0.0, 1e6])
@pytest.mark.parametrize("say", [degraded, unhealthy, lambda words: heard(StartupFailed(words), "startup()")])
def test_the_first_change_is_shown_at_once_and_the_next_ones_after_the_quiet_time(
    say: Any, start: float
) -> None:
    told = [(0, "a"), (1, "b"), (2, "c"), (QUIET_SECONDS, "d"), (QUIET_SECONDS + 1, "e")]
    told += [(QUIET_SECONDS + 2, "f"), (2 * QUIET_SECONDS, "g"), (2 * QUIET_SECONDS + 1, "h")]
    shown = words_shown(*((start + at, say(words)) for at, words in told))
    assert shown == ["a", "b", "b", "b", "e", "e", "e", "h"]


def test_words_that_return_are_no_change() -> None:
    told = [(0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "b"), (QUIET_SECONDS + 2, "b")]
    told += [(QUIET_SECONDS + 3, "a")]
    assert words_shown(*((at, degraded(words)) for at, words in told)) == list("aabbbba")


@pytest.mark.parametrize(
    "other",
    [
        unhealthy("z"),
        heard(Checked("healthy", message="z")),
        heard(Checked("degraded", message="z"), digest=OTHER),
        heard(StartupFailed("z")),
        heard(CrashedWhileRunning("z")),
    ],
)
def test_words_that_mean_something_else_are_shown_at_once(other: Heard) -> None:
    quiet = [(0.0, degraded("a")), (1.0, degraded("b")), (2.0, degraded("c"))]
    assert words_shown(*quiet, (3.0, other), (4.0, degraded("d"))) == ["a", "b", "b", "z", "d"]


def test_words_of_ours_are_shown_at_once_and_do_not_let_those_of_the_plugin_change_more_often() -> None:
    late = heard(Checked("degraded", message="late"), ours="late")
    end = 2 + QUIET_SECONDS
    told = [(0.0, degraded("a")), (1.0, late), (2.0, degraded("b")), (3.0, late), (4.0, degraded("c"))]
    told += [(5.0, late), (end, degraded("d")), (end + 1, late), (end + 2, degraded("e"))]
    assert words_shown(*told) == ["a", "late", "b", "late", "late", "late", "d", "late", "late"]


def test_the_newest_words_are_shown_for_another_generation() -> None:
    _, shown = steady(degraded("a"), 1, None, 0.0)
    _, shown = steady(degraded("b"), 1, shown, 1.0)
    newest = degraded("c")
    fact, shown = steady(newest, 1, shown, 2.0)
    assert fact.message == "b"
    fact, shown = steady(newest, 2, shown, 3.0)
    assert fact.message == "c"


def test_failures_that_are_too_few_to_be_shown_do_not_end_the_quiet_time() -> None:
    flapping = [(0.0, degraded("a")), (1.0, degraded("b"))]
    for now in range(2, 20, 2):
        flapping += [(now, unhealthy(f"no {now}", failures=1)), (now + 1, degraded(f"again {now}"))]
    assert set(words_shown(*flapping)[3::2]) == {"b"}


def test_failures_are_counted_whatever_words_are_shown() -> None:
    shown: Shown | None = None
    for failures in range(1, 9):
        fact, shown = steady(unhealthy(f"for {failures} s", failures), 1, shown, float(failures))
        assert isinstance(fact, Checked)
        assert fact.failures == failures
    assert fact == Checked("unhealthy", 8, "for 4 s")
