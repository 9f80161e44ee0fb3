"""A path of spec.configFrom as the steps into a configuration."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules.config_paths import Steps, gives, keys_of, leads_into_list, steps_of, with_value
from floe_operator.rules.resource import PATH_PATTERN
from floe_operator.rules.sentences import dotted


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a", ("a",)),
        ("a.b_1", ("a", "b_1")),
        ("feeds[0].auth.token", ("feeds", 0, "auth", "token")),
        ("a[0][9999].b[10]", ("a", 0, 9999, "b", 10)),
    ],
)
def test_a_path_has_keys_and_indices(path: str, steps: Steps) -> None:
    assert steps_of(path) == steps
    assert keys_of(path) == tuple(map(str, steps))
    assert leads_into_list(steps) == ("[" in path)


@given(st.from_regex(PATH_PATTERN, fullmatch=True))
def test_the_steps_of_every_path_are_written_as_that_path(path: str) -> None:
    path = path.rstrip()
    assert dotted(steps_of(path)) == path


@pytest.mark.parametrize(
    ("value", "path", "there"),
    [
        ({"a": [{"b": None}]}, "a[0].b", True),
        ({"a": [[1, 2]]}, "a[0][1]", True),
        ({"a": [{}]}, "a[0].b", False),
        ({"a": [None]}, "a[0]", False),
        ({"a": [1]}, "a[1]", False),
        ({"a": {"0": 1}}, "a[0]", False),
        ({"a": "text"}, "a[0]", False),
        ({"a": [1]}, "a.b", False),
        (None, "a", False),
    ],
)
def test_a_null_is_something_unless_it_keeps_the_place_of_an_item(value: Any, path: str, there: bool) -> None:
    assert gives(value, steps_of(path)) is there


@pytest.mark.parametrize(
    ("value", "path", "changed"),
    [
        ({"a": [{"b": 1, "c": 2}, 3]}, "a[0].b", {"a": [{"b": "x", "c": 2}, 3]}),
        ({"a": [1]}, "a[2].b", {"a": [1, None, {"b": "x"}]}),
        ({"a": "text", "z": 1}, "a[0]", {"a": ["x"], "z": 1}),
        ({"a": [1]}, "a.b", {"a": {"b": "x"}}),
        ({}, "a[0][1]", {"a": [[None, "x"]]}),
    ],
)
def test_a_value_is_put_at_a_path_without_changing_what_was_given(
    value: Any, path: str, changed: Any
) -> None:
    before = copy.deepcopy(value)
    assert with_value(value, steps_of(path), "x") == changed
    assert value == before
