"""The JSON schema of all that validation accepts, with every release of pydantic."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
import pytest
from jsonschema import Draft202012Validator
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretBytes,
    SecretStr,
    SkipValidation,
    ValidationError,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import SchemaError, core_schema
from typing_extensions import TypedDict

from floe_core._configuring.accepted_schema import accepted_schema
from floe_core._configuring.secret_fields import plaintext_secrets


def split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


class AnyCase(enum.Enum):
    LOW = "low"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.LOW if str(value).lower() == "low" else None


class Point(NamedTuple):
    x: int
    y: int = 0


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    size: int = Field(1, alias="pool-size")
    host: str = Field("", validation_alias=AliasChoices("server", "address", AliasPath("at", "host")))


class Unnamed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(1, alias="pool-size")


class Typed(TypedDict, total=False):
    size: Annotated[int, Field(alias="pool-size")]


@pydantic.dataclasses.dataclass(config=ConfigDict(populate_by_name=True, extra="forbid"))
class Data:
    size: int = Field(1, alias="pool-size")


@dataclasses.dataclass
class Plain:
    size: int = 1


class Shared(BaseModel):
    a: list[int] = Field([], validation_alias=AliasChoices("a", "shared"))
    b: str | list[int] = Field("", validation_alias=AliasChoices("b", "shared"))
    at: int = Field(0, validation_alias=AliasPath("at", 0, "b"))
    next: int = Field(0, validation_alias=AliasChoices(AliasPath("at", 1), "at"))


class Renamed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given: Any) -> Any:
        return {"size": given["pool"]} if isinstance(given, dict) and "pool" in given else given


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    code: Annotated[str, Field(max_length=3)] = ""


class Nested(BaseModel):
    named: Named = Named()
    all: list[Named] = []


ACCEPTED: list[tuple[str, Any, list[Any]]] = [
    ("timedelta", dt.timedelta, ["PT90S", "00:01:30", 90]),
    ("time", dt.time, ["10:00", 3600]),
    ("datetime", dt.datetime, ["2026-01-31T10:00:00", "2026-01-31 10:00:00", 1700000000]),
    ("date", dt.date, ["2026-01-31", 86400]),
    ("uuid", uuid.UUID, ["0a1b2c3d0a1b4c3d8a1b0a1b2c3d4e5f"]),
    ("decimal", Decimal, [1, "1.5", "1e5"]),
    ("set", set[int], [[1, 1]]),
    ("set of one", Annotated[set[int], Field(max_length=1)], [[1, 1]]),
    ("frozenset", frozenset[int], [[1, 1]]),
    ("bytes", Annotated[bytes, Field(min_length=2)], ["é"]),
    ("multiple", Annotated[float, Field(multiple_of=0.1)], [0.3]),
    ("stripped", Stripped, [{"code": " abc "}]),
    ("named tuple", Point, [[1], {"x": 1}]),
    (
        "names",
        Named,
        [{"size": 1}, {"pool-size": 1}, {"server": "a"}, {"address": "a"}, {"at": {"host": "a"}}],
    ),
    ("nested names", Nested, [{"named": {"size": 1}}, {"all": [{"address": "a"}]}]),
    ("dataclass", Data, [{"size": 1}, {"pool-size": 1}]),
    ("plain dataclass", Plain, [{"size": 1}]),
    ("typed dict", Typed, [{"pool-size": 1}]),
    ("before", Annotated[list[str], BeforeValidator(split)], ["a,b"]),
    ("wrap", Annotated[list[str], WrapValidator(lambda value, inner: inner(split(value)))], ["a,b"]),
    ("renamed", Renamed, [{"pool": 1}, {"size": 1}]),
    ("bounded after", Annotated[str, BeforeValidator(str.strip), Field(max_length=3)], [" abc "]),
    ("bounded after after", Annotated[list[str], AfterValidator(unique), Field(max_length=1)], [["a", "a"]]),
    ("bounded json", Annotated[Json[list[int]], Field(max_length=1)], ["[1]"]),
    ("shared names", Shared, [{"a": [1], "shared": "x"}, {"at": [{"b": 1}, 2]}]),
    ("iterable", Iterable[int], [["a"], "abc"]),
    ("skipped", SkipValidation[int], ["a"]),
    ("root", RootModel[dict[str, dt.timedelta]], [{"a": 90}]),
    ("compiled", Annotated[str, Field(pattern="a")], ["a"]),
]
if hasattr(core_schema, "enum_schema"):  # older releases do not tell the generator which enum it is
    ACCEPTED.append(("enum of any case", AnyCase, ["low", "LOW"]))
REFUSED: list[tuple[str, Any, list[Any]]] = [
    ("timedelta", dt.timedelta, [[], None]),
    ("int", int, ["8", True]),
    ("bool", bool, ["yes", 1]),
    ("unnamed", Unnamed, [{"size": 1}]),
    ("named", Named, [{"sizes": 1}, {"size": "a"}]),
    ("literal", Literal["a"], ["b"]),
    ("tuple", tuple[int, str], [["a", 1]]),
]


def _cases(rows: list[tuple[str, Any, list[Any]]]) -> list[Any]:
    return [
        pytest.param(type_, value, id=f"{name}-{index}")
        for name, type_, values in rows
        for index, value in enumerate(values)
    ]


def _model(type_: Any) -> type[BaseModel]:
    return create_model("Config", field=(type_, ...))


def _is_taken(model: type[BaseModel], config: Any) -> bool:
    try:
        model.model_validate_json(json.dumps(config))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("type_", "value"), _cases(ACCEPTED))
def test_the_schema_accepts_what_validation_accepts(type_: Any, value: Any) -> None:
    model, config = _model(type_), {"field": value}
    schema = accepted_schema(model)
    Draft202012Validator.check_schema(schema)
    # Some forms are accepted by newer releases of pydantic only.
    assert Draft202012Validator(schema).is_valid(config) or not _is_taken(model, config)


@pytest.mark.parametrize(("type_", "value"), _cases(REFUSED))
def test_the_schema_still_refuses_other_values(type_: Any, value: Any) -> None:
    assert not Draft202012Validator(accepted_schema(_model(type_))).is_valid({"field": value})


class Inner(BaseModel):
    password: SecretStr
    size: int = 1


class Secrets(BaseModel):
    plain: str = ""
    looks: Annotated[str, Field(json_schema_extra={"format": "password", "writeOnly": True})] = ""
    text: SecretStr = SecretStr("")
    data: SecretBytes = SecretBytes(b"")
    optional: SecretStr | None = None
    either: int | SecretStr = 1
    several: list[SecretStr] = []
    pair: tuple[str, SecretStr] = ("", SecretStr(""))
    mapped: dict[str, SecretStr] = {}
    nested: dict[str, list[SecretStr | None]] = {}
    inner: Inner | None = None
    inner_or_secret: Inner | SecretStr | None = None


PLAIN: list[tuple[Any, list[str]]] = [
    ({"plain": "a", "looks": "a"}, []),
    ({"text": "a", "data": "a", "optional": "a", "either": "a"}, ["text", "data", "optional", "either"]),
    ({"several": ["a"], "mapped": {"b": "a"}}, ["several.0", "mapped.*"]),
    ({"nested": {"b": ["a", None]}}, ["nested.*.0"]),
    ({"inner": {"password": "a", "size": 2}}, ["inner.password"]),
    ({"inner_or_secret": "a"}, ["inner_or_secret"]),
    ({"inner_or_secret": {"password": "a"}}, ["inner_or_secret.password"]),
]


@pytest.mark.parametrize(("config", "secrets"), PLAIN)
def test_the_marked_values_are_those_that_the_judge_calls_secrets(config: Any, secrets: list[str]) -> None:
    assert plaintext_secrets(Secrets, config) == secrets
    assert sorted(_marked(accepted_schema(Secrets), config)) == sorted(secrets)


def test_a_secret_that_leaves_no_trace_in_pydantics_schema_is_marked() -> None:
    if not hasattr(pydantic, "Secret"):  # added in pydantic 2.7
        return
    model = _model(dict[str, pydantic.Secret[int]])
    assert _marked(accepted_schema(model), {"field": {"a": 7}}) == ["field.*"]


def _marked(schema: Any, config: Any) -> list[str]:
    """Return the dotted paths of values whose schema is marked as a secret."""
    found: list[str] = []

    def walk(part: Any, value: Any, path: tuple[str, ...]) -> None:
        part = _resolved(schema, part)
        if part.get("writeOnly") and part.get("format") == "password" and isinstance(value, (str, int)):
            found.append(".".join(path))
            return
        for each in (*part.get("anyOf", ()), *part.get("oneOf", ())):
            walk(each, value, path)
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in part.get("properties", {}):
                    walk(part["properties"][key], inner, (*path, key))
                elif isinstance(part.get("additionalProperties"), dict):
                    walk(part["additionalProperties"], inner, (*path, "*"))
        if isinstance(value, list) and isinstance(part.get("items"), dict):
            for index, inner in enumerate(value):
                walk(part["items"], inner, (*path, str(index)))

    walk(schema, config, ())
    return sorted(set(found))


def _resolved(schema: Any, part: Any) -> Any:
    while "$ref" in part or "allOf" in part:
        reference = part["$ref"] if "$ref" in part else part["allOf"][0]["$ref"]
        part = schema["$defs"][reference.removeprefix("#/$defs/")]
    return part


def test_a_pattern_shows_the_flags_and_the_engine_that_its_text_does_not() -> None:
    class Config(BaseModel):
        model_config = ConfigDict(regex_engine="python-re")  # type: ignore[typeddict-unknown-key,unused-ignore]

        anchored: Annotated[str, Field(pattern="^a$")] = ""
        free: Annotated[str, Field(pattern="a")] = ""

    written = {name: each["pattern"] for name, each in accepted_schema(Config)["properties"].items()}
    assert written["free"] == "a"
    assert written["anchored"] in ("(?u)^a$", "^a$")  # releases without a choice of engines


def test_a_model_that_writes_its_own_schema_is_taken_at_its_word() -> None:
    class Config(BaseModel):
        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            if kwargs:
                raise TypeError("no arguments here")
            return {"type": "object", "title": "Mine"}

    assert accepted_schema(Config) == {"type": "object", "title": "Mine"}


def test_a_compiled_pattern_keeps_its_flags() -> None:
    try:
        model = _model(Annotated[str, Field(pattern=re.compile("^a$", re.IGNORECASE))])  # type: ignore[arg-type,unused-ignore]
    except SchemaError:
        return  # older releases take strings only
    written = accepted_schema(model)["properties"]["field"]["pattern"]
    assert written == "(?i)^a$"
