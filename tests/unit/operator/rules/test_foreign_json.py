"""Foreign JSON of any depth is read on every Python, and what is not JSON stays an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules import foreign_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def nested(levels: int, inside: str = "1") -> bytes:
    return ('{"a":[' * (levels // 2) + inside + "]}" * (levels // 2)).encode()


def depth(value: Any) -> int:
    levels = 0
    while isinstance(value, dict | list):
        value = value["a"] if isinstance(value, dict) else value[0]
        levels += 1
    return levels


@pytest.mark.parametrize("levels", [1_600, 9_990, 19_990, 200_000])
def test_what_is_too_deep_for_this_python_is_read_without_its_depths(levels: int) -> None:
    assert depth(foreign_json.loads(nested(levels))) in (levels, foreign_json.DEEPEST)


@pytest.mark.parametrize("levels", [2, 100, foreign_json.DEEPEST])
def test_what_is_deep_enough_for_any_configuration_is_read_whole(levels: int) -> None:
    assert depth(foreign_json.loads(nested(levels))) == levels


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"<html>",
        nested(20_000)[:-1],
        nested(20_000)[:70_000],
        nested(20_000) + b"]",
        nested(20_000, '"'),
    ],
    ids=[
        "nothing",
        "begun",
        "not UTF-8",
        "HTML",
        "cut off",
        "cut off deep inside",
        "too many ends",
        "an open string",
    ],
)
def test_what_is_not_json_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- several kinds, each with its own message
        foreign_json.loads(text)


@given(JSON)
def test_what_is_not_too_deep_is_left_as_it_is(value: Any) -> None:
    text = json.dumps(value).encode()
    assert foreign_json.without_depths(text) == text


@given(st.text())
def test_brackets_in_strings_do_not_count(text: str) -> None:
    neighbours = f"[{json.dumps(text)}, {'[' * 300}{json.dumps(text)}{']' * 300}, {json.dumps(text)}]"
    cut = json.loads(foreign_json.without_depths(neighbours.encode()))
    assert (cut[0], cut[2]) == (text, text)
    assert depth(cut[1]) == foreign_json.DEEPEST - 1
