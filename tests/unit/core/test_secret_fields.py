"""Secrets given in plain text are found wherever the model's types allow them."""

# ruff: noqa: RUF009, UP007, UP035, UP045  (written as plugin authors write it)

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import pydantic
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretBytes,
    SecretStr,
)
from pydantic.alias_generators import to_camel
from pydantic.errors import PydanticUserError
from typing_extensions import NotRequired, Self, TypeAliasType, TypedDict

from floe_core._configuring.secret_fields import SecretPaths, plaintext_secrets

T = TypeVar("T")
Password = NewType("Password", SecretStr)
Nested = TypeAliasType("Nested", "SecretStr | list[Nested]")


class Inner(BaseModel):
    password: SecretStr


class Box(BaseModel, Generic[T]):
    content: T


@dataclasses.dataclass
class Data(Generic[T]):
    password: SecretStr
    other: T


class Typed(TypedDict):
    password: NotRequired[Annotated[SecretStr, "x"]]


@dataclasses.dataclass
class Renaming:
    __pydantic_config__ = ConfigDict(alias_generator=to_camel)
    password: SecretStr = Field(alias="pw")
    token: Annotated[SecretStr, Field(alias="tok")] = SecretStr("")
    key_used: SecretStr = SecretStr("")


class Aliased(TypedDict):
    __pydantic_config__ = ConfigDict(alias_generator=to_camel)  # type: ignore[misc]
    token: Annotated[SecretStr, Field(alias="tok")]
    key_used: NotRequired[SecretStr]


class Named(NamedTuple):
    user: str
    password: SecretStr


class Tree(BaseModel):
    token: SecretStr | None = None
    left: Tree | None = None
    right: Tree | OtherTree | None = None


class OtherTree(BaseModel):
    token: SecretStr | None = None
    right: Tree | OtherTree | None = None


class Tagged(BaseModel):
    kind: Literal["tagged"]
    password: SecretStr


class Untagged(BaseModel):
    kind: Literal["untagged"]
    password: str


class Root(RootModel[dict[str, SecretStr]]):
    pass


SECRET = {"password": "x"}

CASES: list[tuple[Any, Any, list[str]]] = [
    (SecretStr, "x", ["field"]),
    (SecretBytes, "x", ["field"]),
    (Optional[SecretStr], "x", ["field"]),
    (Optional[SecretStr], None, []),
    (Annotated[SecretStr, Field(min_length=8)], "x", ["field"]),
    (Union[str, SecretStr], "x", ["field"]),
    (Password, "x", ["field"]),
    (str, "x", []),
    (Any, {"password": "x"}, []),
    (Inner, SECRET, ["field.password"]),
    (Inner, "no mapping", []),
    (list[Inner], [SECRET, SECRET], ["field.0.password", "field.1.password"]),
    (Sequence[SecretStr], ["x"], ["field.0"]),
    (tuple[str, SecretStr], ["a", "x"], ["field.0", "field.1"]),
    (set[SecretStr], ["x"], ["field.0"]),
    (dict[str, Inner], {"anyone": SECRET}, ["field.*.password"]),
    (Mapping[str, SecretStr], {"a": "x", "b": "y"}, ["field.*"]),
    (dict[SecretStr, str], {"a": "x"}, ["field.*"]),
    (Box[SecretStr], {"content": "x"}, ["field.content"]),
    (Box[list[Inner]], {"content": [SECRET]}, ["field.content.0.password"]),
    (Data[SecretStr], {"password": "x", "other": "y"}, ["field.password", "field.other"]),
    (Renaming, {"pw": "x", "tok": "y", "keyUsed": "z"}, ["field.pw", "field.tok", "field.keyUsed"]),
    (Typed, SECRET, ["field.password"]),
    (Aliased, {"tok": "x", "keyUsed": "y"}, ["field.tok", "field.keyUsed"]),
    (Named, ["user", "x"], ["field.0", "field.1"]),
    (Root, {"a": "x"}, ["field.*"]),
    (Json[Inner], '{"password": "x"}', ["field.password"]),
    (Json[Inner], "no json", []),
    (Tree, {"left": {"right": {"token": "x"}}}, ["field.left.right.token"]),
    (Nested, ["x", ["y"]], ["field.0", "field.1.0"]),
    (
        Annotated[Tagged | Untagged, Field(discriminator="kind")],
        {"kind": "tagged", "password": "x"},
        ["field.password"],
    ),
]
if hasattr(pydantic, "Secret"):
    CASES += [
        (pydantic.Secret[int], 3, ["field"]),
        (Optional[pydantic.Secret[dict[str, int]]], {"a": 1}, ["field"]),
    ]


try:

    class Chain(BaseModel):
        token: SecretStr | None = None
        child: Optional[Self] = None
        children: list[Self] = []

except PydanticUserError:
    pass  # the first releases of pydantic 2 do not know Self
else:
    CASES += [
        (Chain, {"child": {"child": {"token": "x"}}}, ["field.child.child.token"]),
        (Chain, {"children": [{"token": "x"}]}, ["field.children.0.token"]),
    ]


@pytest.mark.parametrize(("annotation", "value", "expected"), CASES)
def test_a_secret_is_found_at_any_depth(annotation: Any, value: Any, expected: list[str]) -> None:
    schema = pydantic.create_model("Config", field=(annotation, ...))
    assert plaintext_secrets(schema, {"field": value}) == expected


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ({"by_alias": "x"}, ["by_alias"]),
        ({"aliased": "x"}, ["aliased"]),
        ({"first": "x"}, ["first"]),
        ({"outer": {"inner": ["x"]}}, ["outer.inner.0"]),
        ({"outer": {"other": ["x"]}}, []),
        ({"camelCase": "x", "camel_case": "y"}, ["camelCase", "camel_case"]),
        ({"unknown": "x"}, []),
    ],
)
def test_a_secret_field_is_found_under_its_name_and_each_alias(
    plain: dict[str, Any], expected: list[str]
) -> None:
    class Config(BaseModel):
        model_config = ConfigDict(alias_generator=lambda name: {"camel_case": "camelCase"}.get(name, name))
        aliased: SecretStr = Field(alias="by_alias")
        chosen: SecretStr = Field(validation_alias=AliasChoices("first", AliasPath("outer", "inner", 0)))
        camel_case: SecretStr = SecretStr("")

    assert plaintext_secrets(Config, plain) == expected


def test_extra_fields_that_are_typed_as_secrets_are_found_too() -> None:
    # Built by hand: pydantic 2.0 does not evaluate postponed annotations here.
    body = {"__module__": __name__, "__annotations__": {"__pydantic_extra__": dict[str, SecretStr]}}
    metaclass: Any = type(BaseModel)
    Config = metaclass("Config", (BaseModel,), {"model_config": ConfigDict(extra="allow"), **body})  # noqa: N806
    assert plaintext_secrets(Config, {"anything": "x"}) == ["*"]


def test_models_that_contain_each_other_cost_no_more_than_the_size_of_the_value() -> None:
    plain: dict[str, Any] = {"token": "x"}
    for _ in range(200):
        plain = {"right": plain}
    assert len(plaintext_secrets(Tree, plain)) == 1


def test_a_deeply_nested_config_raises_no_recursion_error() -> None:
    plain: dict[str, Any] = {}
    inner = plain
    for _ in range(5_000):
        inner["left"] = {}
        inner = inner["left"]
    inner["token"] = "x"
    assert plaintext_secrets(Tree, plain) == ["left." * 5_000 + "token"]
    while plain:
        plain = plain.pop("left", {})


class Renamed(BaseModel):
    plain: str
    token: SecretStr = Field(alias="api-token")
    moved: SecretStr = Field(validation_alias=AliasPath("outer", "inner"))
    either: SecretStr = Field(validation_alias=AliasChoices("first", "second"))


PATHS: list[tuple[Any, tuple[str, ...]]] = [
    (SecretStr, ("field",)),
    (Optional[SecretBytes], ("field",)),
    (str, ()),
    (Inner, ("field.password",)),
    (Union[int, Inner, None], ("field.password",)),
    (list[Inner], ("field.0.password",)),
    (list[SecretStr], ("field.0",)),
    (dict[str, SecretStr], ()),
    (Renamed, ("field.api-token", "field.first", "field.outer.inner")),
    (Data[SecretStr], ("field.password", "field.other")),
    (Typed, ("field.password",)),
    (Root, ()),
    (Tree, ("field.token", "field.right.token")),
    (Union[SecretStr, Inner], ("field",)),
    (Union[dict[str, int], list[Inner]], ("field.0.password",)),
    (Annotated[Tagged | Untagged, Field(discriminator="kind")], ("field.password",)),
]


@pytest.mark.parametrize(("annotation", "expected"), PATHS)
def test_the_secret_fields_of_a_schema_are_named_as_a_configuration_spells_them(
    annotation: Any, expected: tuple[str, ...]
) -> None:
    assert SecretPaths().below([annotation], "field") == expected
