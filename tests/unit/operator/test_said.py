"""What a log says only once."""

from __future__ import annotations

import time

import pytest

from floe_operator.said import Said, gist


def test_the_same_words_are_new_once_and_other_words_or_subjects_are_new() -> None:
    said: Said[str] = Said()
    asked = [("a", 1), ("a", 1), ("b", 1), ("a", 2), ("a", 1)]
    assert [said.is_new(*one) for one in asked] == [True, False, True, True, True]


def test_a_subject_that_is_over_is_new_when_it_comes_back() -> None:
    said: Said[str] = Said()
    assert said.is_new("a")
    said.is_over("a")
    said.is_over("never said")
    assert said.is_new("a")


def test_subjects_that_are_no_longer_named_are_over() -> None:
    said: Said[str] = Said()
    assert said.is_new("a")
    assert said.is_new("b")
    said.only(["b", "c"])
    assert (said.is_new("a"), said.is_new("b")) == (True, False)


def test_the_same_words_are_new_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    said: Said[str] = Said(again_after=60.0)
    assert said.is_new("a")
    now += 59
    assert not said.is_new("a")
    now += 1
    assert said.is_new("a")
    assert not said.is_new("a")


def test_the_memory_is_bounded_and_the_oldest_subject_is_forgotten_first() -> None:
    said: Said[int] = Said()
    assert all(said.is_new(subject) for subject in range(10_001))
    assert not said.is_new(10_000)
    assert said.is_new(0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('floeplugins "dbt-a" is forbidden: no', 'floeplugins "dbt-b" is forbidden: no'),
        ("read tcp 127.0.0.1:40001: timeout", "read tcp 127.0.0.1:40317: timeout"),
    ],
)
def test_texts_that_differ_in_names_and_numbers_have_the_same_gist(first: str, second: str) -> None:
    assert gist(first) == gist(second)
    assert gist(first) != gist("something else")


def test_a_given_name_is_no_part_of_the_gist_but_a_longer_name_that_contains_it_is() -> None:
    reasons = [f"FloePlugin/floe/{name} was blocked by no-x: {name}." for name in ("dbt-a", "dbt-bee")]
    assert gist(reasons[0], "dbt-a") == gist(reasons[1], "dbt-bee")
    assert gist("blocked by dbt-a-b, xdbt-a, dbt-a_", "dbt-a") == "blocked by dbt-a-b, xdbt-a, dbt-a_"
