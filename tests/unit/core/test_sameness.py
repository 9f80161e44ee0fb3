"""Configurations are the same if they were configured alike."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from floe_core._configuring.sameness import is_same, snapshot


class Inner(BaseModel):
    x: int = 1
    _lock: Any = PrivateAttr(default_factory=Lock)


class Config(BaseModel):
    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    value: Any = None
    inner: Inner | None = None
    secret: SecretStr = SecretStr("")


class Vague:
    """Like an array, it does not say whether it equals another."""

    def __eq__(self, other: object) -> Any:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "VAGUE"


VAGUE = Vague()
NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"value": 1}, {"value": 1}, True),
        ({"value": 1}, {"value": True}, False),
        ({"value": 1}, {"value": 1.0}, False),
        ({"value": 0.0}, {"value": -0.0}, False),
        ({"value": NAN}, {"value": float("nan")}, True),
        ({"value": [1, {"a": 2}]}, {"value": [1, {"a": 2}]}, True),
        ({"value": [1, {"a": 2}]}, {"value": [1, {"a": True}]}, False),
        ({"value": (1,)}, {"value": [1]}, False),
        ({"value": {1, 2}}, {"value": {2, 1}}, True),
        ({"value": Path("x")}, {"value": Path("x")}, True),
        ({"inner": {"x": 2}}, {"inner": {"x": 2}}, True),
        ({"inner": {"x": 2}}, {"inner": {"x": 3}}, False),
        ({"secret": "a"}, {"secret": "a"}, True),
        ({"secret": "a"}, {"secret": "b"}, False),
        ({"more": 1}, {"more": 1}, True),
        ({"more": 1}, {"more": 2}, False),
        ({"more": 1}, {}, False),
        ({"value": VAGUE}, {"value": VAGUE}, False),
    ],
    ids=str,
)
def test_configurations_are_the_same_if_type_and_value_are(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    assert is_same(Config.model_validate(one), Config.model_validate(other)) is same


def test_a_snapshot_does_not_change_with_its_original() -> None:
    config = Config(value={"list": [1]})
    kept = snapshot(config)
    assert is_same(config, kept)
    config.value["list"].append(2)
    assert not is_same(config, kept)


def test_what_cannot_be_copied_has_no_snapshot() -> None:
    assert snapshot(Config(value=Lock())) is None
    assert snapshot(None) is None
