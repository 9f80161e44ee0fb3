"""Every value that might be a secret is known, whatever its shape, and found in every printed form."""

# ruff: noqa: UP007  (written as plugin authors write it)

from __future__ import annotations

import base64
import dataclasses
from typing import Any, Literal, Union
from unittest.mock import MagicMock

import pydantic
import pytest
from pydantic import BaseModel, Field, Json, SecretBytes, SecretStr, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from floe_core._configuring.configuration import assess, validate
from floe_core._configuring.secret_texts import holding_secrets
from floe_core._configuring.secret_values import secret_values
from floe_core.plugin_errors import PluginConfigurationError
from floe_core.plugin_types import PluginName, PluginType
from tests.support.calls import calls_in

PLUGIN = PluginName(PluginType.IDENTITY, "keycloak")
CANARY = "hunter2canary"


class Inner(BaseModel):
    token: SecretStr
    size: int = 3


@dataclasses.dataclass
class Data:
    token: SecretStr


Slots = dataclasses.make_dataclass("Slots", [("token", SecretStr)], slots=True)


class Loop(BaseModel):
    """Whether it holds a secret depends on what is behind the loop."""

    other: Union[Loop, Behind, None] = None
    plain: str = ""


class Behind(BaseModel):
    loop: Union[Loop, None] = None
    token: Union[SecretStr, None] = None


NUMBERED = {f"{CANARY}-{n}" for n in range(50)}
VALUES: list[tuple[Any, Any, set[str]]] = [
    (SecretStr, CANARY, {CANARY}),
    (SecretStr, SecretStr(CANARY), {CANARY}),
    (SecretBytes, b"hunter2canary", {CANARY}),
    (list[SecretStr], [CANARY, SecretStr("other")], {CANARY, "other"}),
    (set[SecretStr], {CANARY}, {CANARY}),
    (frozenset[SecretStr], frozenset({SecretStr(CANARY)}), {CANARY}),
    (Inner, {"token": CANARY, "size": 5}, {CANARY}),
    (Inner, Inner(token=SecretStr(CANARY), size=5), {CANARY}),
    (Data, Data(SecretStr(CANARY)), {CANARY}),
    (Slots, Slots(SecretStr(CANARY)), {CANARY}),
    (dict[str, Inner], {"a": Inner(token=SecretStr(CANARY))}, {CANARY}),
    (dict[SecretStr, int], {CANARY: 1}, {CANARY}),
    (Json[Inner], '{"token": "hunter2canary", "size": 5}', {CANARY}),
    (list[Json[Inner]], [f'{{"token": "{CANARY}-{n}"}}' for n in range(50)], NUMBERED),
    (int, 5, set()),
    (list[str], ["plain"], set()),
    # What does not fit might be anything.
    (list[SecretStr], CANARY, {CANARY}),
    (Inner, f"token={CANARY}", {f"token={CANARY}"}),
    (Inner, [CANARY], {CANARY}),
    (Json[Inner], '{"token": "hunter2canary",}', {'{"token": "hunter2canary",}'}),
    (Union[SecretStr, dict[str, str]], {"a": CANARY}, {"a", CANARY}),
    (Inner, {"tokken": CANARY, "sise": "small"}, {CANARY}),
    (Loop, {"other": CANARY}, {CANARY}),
    (Behind, {"loop": CANARY}, {CANARY}),
]
if hasattr(pydantic, "Secret"):
    VALUES += [(pydantic.Secret[dict[str, int]], {"a": 5, "b": True}, {"a", "b", "5"})]


@pytest.mark.parametrize(("annotation", "value", "expected"), VALUES)
def test_every_value_that_might_be_a_secret_is_known(annotation: Any, value: Any, expected: set[str]) -> None:
    schema = pydantic.create_model("Config", field=(annotation, ...), plain=(str, ""))
    assert secret_values(schema, {"field": value, "plain": "visible"}) == expected


def test_a_value_that_contains_itself_is_searched_once() -> None:
    loop: dict[str, Any] = {"plain": "x"}
    loop["other"] = {"loop": loop, "token": CANARY}
    assert secret_values(Loop, loop) == {CANARY}


@pytest.mark.parametrize(
    "text",
    [
        f"Basic {base64.b64encode(b'floe:hunter2canary').decode()}",
        f"Basic {base64.b64encode(b'xfloe:hunter2canary').decode()}",
        "é HUNTER2CANARY",
        "hunter2c",
        "r2canary!",
    ],
)
def test_a_secret_is_found_within_other_text(text: str) -> None:
    assert holding_secrets(["harmless", text], {CANARY}) == {1}


def test_secrets_that_are_not_ascii_are_found() -> None:
    secret = "пароль-für-alle & jeden"
    texts = [repr(secret.encode()), ascii(secret), "p%C3", "harmless"]
    assert holding_secrets(texts, {secret}) == {0, 1}


class Mocked(BaseModel):
    token: Any
    secret: SecretStr = SecretStr("")

    @model_validator(mode="before")
    @classmethod
    def _refuses(cls, given: Any) -> Any:
        raise ValueError("nothing is right")


@pytest.mark.parametrize("value", [MagicMock(), SecretStr, object(), lambda: None])
def test_objects_of_any_class_are_no_obstacle(value: Any) -> None:
    for config in ({"token": value}, {"secret": value}):
        with pytest.raises(PluginConfigurationError):
            validate(Mocked, config, plugin=PLUGIN)


class Chosen(BaseModel):
    """Raises errors of pydantic's types, with a context of its own choice."""

    token: SecretStr
    form: str

    @model_validator(mode="before")
    @classmethod
    def _raises(cls, given: dict[str, Any]) -> Any:
        secret = given["token"]
        raise {
            "known": PydanticKnownError("literal_error", {"expected": secret}),
            "pattern": PydanticKnownError("string_pattern_mismatch", {"pattern": secret}),
            "length": PydanticKnownError(
                "too_short", {"field_type": secret, "min_length": 1, "actual_length": 0}
            ),
            "custom": PydanticCustomError("literal_error", "x", {"expected": f"'{secret}'"}),
            "type": PydanticCustomError(secret, "x"),
            "long": PydanticKnownError("literal_error", {"expected": secret * 500}),
        }[given["form"]]


@pytest.mark.parametrize("form", ["known", "pattern", "length", "custom", "type", "long"])
def test_an_error_of_pydantics_types_can_hold_a_secret_too(form: str) -> None:
    faults = assess(Chosen, {"token": CANARY, "form": form}, plugin=PLUGIN)
    assert isinstance(faults, list)
    assert CANARY not in repr(faults)


@pytest.mark.parametrize("given", [{"token": "s"}, {"token": "x" * 40_000}, {"modde": "x"}, {"sizes": 1}])
def test_bounds_and_enumerations_stay_beside_secrets_and_misspelt_names(given: dict[str, Any]) -> None:
    class Own(BaseModel):
        model_config = {"extra": "forbid"}
        token: SecretStr = SecretStr("")
        mode: Literal["fast", "slow", "sluggish"] = "fast"
        size: int = Field(1, le=10)

    faults = assess(Own, {**given, "mode": "x", "size": 50}, plugin=PLUGIN)
    assert isinstance(faults, list)
    messages = [fault.message for fault in faults]
    assert "Input should be 'fast', 'slow' or 'sluggish'" in messages
    assert "Input should be less than or equal to 10" in messages


def test_pydantics_own_words_stay_beside_secrets() -> None:
    class Own(BaseModel):
        token: SecretStr
        mode: str = Field("fast", pattern="fast|slow")

    with pytest.raises(PluginConfigurationError, match=r"should match pattern 'fast\|slow'"):
        validate(Own, {"token": CANARY, "mode": "other"}, plugin=PLUGIN)


class Item(BaseModel):
    token: SecretStr
    size: int = 3

    @model_validator(mode="after")
    def _refuses(self) -> Item:
        raise ValueError("no item is right")


class Wide(BaseModel):
    model_config = {"extra": "forbid"}
    token: SecretStr = SecretStr("")
    items: list[Item] = []


WIDE = pydantic.create_model(
    "WIDE", __base__=Wide, **dict.fromkeys(map("field_{}".format, range(100)), (Inner, None))
)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "config",
    [
        {f"unknown_{n}": n for n in range(200)},
        {"token": "é" * 200_000, "items": [{"token": "x"}], **{f"unknown_{n}": n for n in range(60)}},
        {"items": [{"token": f"{n:03}" * 20} for n in range(500)]},
        {"items": [{"token": f"{n:04}"} for n in range(8000)]},
    ],
)
def test_many_faults_and_large_secrets_do_not_multiply_the_work(config: dict[str, Any]) -> None:
    calls, faults = calls_in(lambda: assess(WIDE, config, plugin=PLUGIN))
    assert isinstance(faults, list)
    assert calls < 2_000_000  # it was a multiple of that for each fault
