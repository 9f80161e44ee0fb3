"""Configuration: what is valid, and that no error ever contains a value."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from floe_core._configuring.configuration import json_schema, required_fields, validate
from floe_core.plugin_errors import PluginConfigurationError, PluginSchemaError
from floe_core.plugin_types import PluginName, PluginType

PLUGIN = PluginName(PluginType.IDENTITY, "keycloak")
CANARY = "hunter2canary"
RULE = "Input does not satisfy a rule of the plugin"


class _Opaque:
    """A type that JSON cannot represent."""


class Client(BaseModel):
    model_config = ConfigDict(extra="forbid")
    secret: SecretStr = Field(alias="client_secret")
    retries: Annotated[int, Field(gt=0)] = 3


class Dog(BaseModel):
    kind: Literal["dog"]
    weight: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Node(BaseModel):
    children: list[Node] = []
    token: SecretBytes | None = None


class Config(BaseModel):
    realm: str
    client: Client | None = None
    pet: Annotated[Dog | Cat, Field(discriminator="kind")] | None = None
    either: int | Client | None = None
    free: dict[str, dict[str, int]] = {}
    numbers: dict[int, int] = {}
    tree: Node | None = None
    moved: str = Field("", validation_alias=AliasPath("outer", "inner", 0))
    named: int = Field(0, validation_alias=AliasChoices("naming", "named"))
    day: date | None = None
    text: Json[Client] | None = None
    own: str = ""
    secret: SecretStr = SecretStr("")

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: SecretStr) -> SecretStr:
        cls._own(value.get_secret_value())
        return value

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        if value.startswith("value"):
            raise ValueError(f"bad {value}")
        if value.startswith("assert"):
            raise AssertionError(value)
        if value.startswith("custom"):
            raise PydanticCustomError("my_rule", "bad {value}", {"value": value})
        if value.startswith("disguised"):
            raise PydanticCustomError("string_too_short", "bad {value}", {"value": value})
        if value.startswith("type"):
            raise PydanticCustomError(value.replace(" ", "_"), "bad")
        if value.startswith("key"):
            raise KeyError(value)
        if value.startswith("exit"):
            raise SystemExit(value)
        return value


def faults(config: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Config, config, plugin=PLUGIN, **options)
    return [(each["field"], each["type"]) for each in caught.value.errors]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [("realm", "missing")]),
        ({"realm": 1}, [("realm", "string_type")]),
        ({"client": {}}, [("realm", "missing"), ("client.client_secret", "missing")]),
        (
            {"client": {"client_secret": "x", "retries": 0}},
            [("realm", "missing"), ("client.retries", "greater_than")],
        ),
        ({"pet": {"kind": "cat", "lives": "x"}}, [("realm", "missing"), ("pet.lives", "int_parsing")]),
        ({"pet": {"kind": CANARY}}, [("realm", "missing"), ("pet", "union_tag_invalid")]),
        ({"free": {CANARY: {CANARY: "x"}}}, [("realm", "missing"), ("free.*.*", "int_parsing")]),
        ({"free": {"realm": 3}}, [("realm", "missing"), ("free.*", "dict_type")]),
        (
            {"tree": {"children": [{}, {"token": 1}]}},
            [("realm", "missing"), ("tree.children.1.token", "bytes_type")],
        ),
        ({"outer": {"inner": [3]}}, [("realm", "missing"), ("outer.inner.0", "string_type")]),
        ({"naming": "x"}, [("realm", "missing"), ("naming", "int_parsing")]),
        ({"text": '{"retries": 1}'}, [("realm", "missing"), ("text.client_secret", "missing")]),
    ],
)
def test_a_fault_has_a_dotted_path_and_pydantics_type(
    config: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert faults(config, json_mode=True) == expected


def test_a_path_does_not_contain_the_members_of_a_union() -> None:
    found = faults({"realm": "x", "either": {"retries": "x"}})
    assert found == [
        ("either", "int_type"),
        ("either.client_secret", "missing"),
        ("either.retries", "int_parsing"),
    ]


@pytest.mark.parametrize("config", [None, 3, "text", ["realm"], [("realm", "x")]])
def test_a_config_that_is_not_a_mapping_is_a_fault(config: object) -> None:
    assert faults(config) == [("", "dict_type")]


@pytest.mark.parametrize("json_mode", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        {"realm": {"x": CANARY}},
        {"realm": "x", "client": {"client_secret": [CANARY]}},
        {"realm": "x", "client": {"client_secret": "x", f"{CANARY} spaced": 1}},
        {"realm": "x", "pet": {"kind": CANARY}},
        {"realm": "x", "either": CANARY},
        {"realm": "x", "either": {f"{CANARY} key": 1}},
        {"realm": "x", "free": {CANARY: {CANARY: CANARY}}},
        {"realm": "x", "numbers": {CANARY: 1}},
        {"realm": "x", "day": CANARY},
        {"realm": "x", "text": CANARY},
        {"realm": "x", "text": json.dumps({CANARY + " ": CANARY})},
        {"realm": "x", "named": CANARY},
        {"realm": "x", "secret": f"value {CANARY}"},
        {"realm": "x", "secret": f"assert {CANARY}"},
        {"realm": "x", "secret": f"custom {CANARY}"},
        {"realm": "x", "secret": f"disguised {CANARY}"},
        {"realm": "x", "secret": f"type {CANARY}"},
        {"realm": "x", "secret": f"key {CANARY}"},
        {CANARY: 1},
    ],
)
def test_no_error_contains_a_key_or_a_value_that_no_validator_said_or_that_is_secret(
    config: dict[str, Any], json_mode: bool
) -> None:
    with pytest.raises(PluginConfigurationError) as caught:
        _without_locals(config, json_mode)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert CANARY not in f"{error} {error!r} {error.args} {error.errors} {vars(error)}"
    assert CANARY not in "".join(traceback.format_exception(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "floe_core" in frame.f_code.co_filename:
            assert CANARY not in repr(frame.f_locals)


def _without_locals(config: Mapping[str, Any], json_mode: bool) -> None:
    validate(Config, config, plugin=PLUGIN, json_mode=json_mode)


@pytest.mark.parametrize(
    ("own", "kind", "message"),
    [
        ("value 1", "value_error", f"{RULE}: bad value 1"),
        ("assert 1", "assertion_error", f"{RULE}: assert 1"),
        ("custom 1", "my_rule", f"{RULE}: bad custom 1"),
        ("disguised 1", "string_too_short", f"{RULE}: bad disguised 1"),
        ("type 1!", "value_error", f"{RULE}: bad"),
        ("key 1", "validator_error", "A validator raised KeyError: 'key 1'"),
        ("value\n  of several\tlines", "value_error", f"{RULE}: bad value of several lines"),
        (f"value {'x' * 1000}", "value_error", f"{RULE}: bad value {'x' * 309}…"),
        (f"value {'x' * 5000}", "value_error", RULE),
    ],
)
def test_what_a_validator_said_is_shown(own: str, kind: str, message: str) -> None:
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Config, {"realm": "x", "own": own}, plugin=PLUGIN)
    assert caught.value.errors[-1]["type"] == kind
    assert caught.value.errors[-1]["message"] == message
    assert message in str(caught.value)


class Login(BaseModel):
    """Its validators say what they were given, in one of the forms in which programs print things."""

    password: SecretStr
    keys: list[SecretBytes] = []
    pin: SecretStr | None = None
    form: str

    @model_validator(mode="before")
    @classmethod
    def _tells(cls, given: dict[str, Any]) -> dict[str, Any]:
        secret = _plain(given["password"])
        forms = {
            "raw": secret,
            "shouted": secret.upper(),
            "repr": repr(secret),
            "json": json.dumps(secret),
            "begin": secret[:9],
            "end": secret[-9:],
            "base64": base64.b64encode(secret.encode()).decode(),
            "hex": secret.encode().hex(),
            "percent": quote(secret),
            "line": secret.splitlines()[-1],
            "collapsed": " ".join(secret.split()),
            "key": _plain(given.get("keys", [""])[0]),
            "pin": str(_plain(given.get("pin", ""))),
            "harmless": "the realm must exist",
        }
        raise ValueError(f"cannot log in with {forms[given['form']]}!")


def _plain(value: Any) -> str:
    plain = value.get_secret_value() if isinstance(value, (SecretStr, SecretBytes)) else value
    return plain.decode() if isinstance(plain, bytes) else str(plain)


@pytest.mark.parametrize("wrap", [str, SecretStr])
@pytest.mark.parametrize(
    "form",
    """
    raw shouted repr json begin end base64 hex percent line collapsed key pin
    """.split(),  # noqa: SIM905
)
def test_a_validators_text_that_holds_a_secret_is_withheld(form: str, wrap: Any) -> None:
    given = {
        "password": wrap('Tr0ub4dor\\ &"3"\nzwölf Äpfel'),
        "keys": [SecretBytes(b"correct horse") if wrap is SecretStr else "correct horse"],
        "pin": wrap("0815"),
        "form": form,
    }
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Login, given, plugin=PLUGIN)
    [error] = caught.value.errors
    withheld = f"{RULE}, and what it says is withheld because it might hold a secret"
    assert error == {"field": "", "message": withheld, "type": "value_error"}


def test_a_validators_text_without_a_secret_is_shown_beside_secrets() -> None:
    with pytest.raises(PluginConfigurationError, match="cannot log in with the realm must exist!"):
        validate(Login, {"password": "Tr0ub4dor&3", "form": "harmless"}, plugin=PLUGIN)


@pytest.mark.parametrize("json_mode", [False, True])
def test_no_error_measures_a_value(json_mode: bool) -> None:
    class Measured(BaseModel):
        token: SecretStr = Field(min_length=32)
        pin: SecretStr = Field(max_length=1)
        text: Annotated[str, AfterValidator(lambda text: text), Field(max_length=4)]
        items: list[str] = Field(min_length=2)
        words: dict[str, str] = Field(max_length=1)

    given = {
        "token": "short",
        "pin": "0815",
        "text": "too long",
        "items": ["a"],
        "words": {"a": "b", "c": "d"},
    }
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Measured, given, plugin=PLUGIN, json_mode=json_mode)
    rules = {each["field"]: each["message"].partition(" should have at ")[2] for each in caught.value.errors}
    assert rules["pin"] in ("most 1 character", "most 1 characters")  # pydantic's own words differ
    assert rules == {
        "token": "least 32 characters",
        "pin": rules["pin"],
        "text": "most 4 characters",
        "items": "least 2 items",
        "words": "most 1 item",
    }


def test_an_unexpected_error_from_a_validator_is_a_fault() -> None:
    assert faults({"realm": "x", "own": "key"}) == [("", "validator_error")]


def test_an_unknown_field_is_named_only_if_it_is_in_the_plain_config() -> None:
    config = {"realm": "x", "client": {"client_secret": "x", "typo": 1, "merged": 2, "no name": 3}}
    plain = {"client": {"typo": 1, "no name": 3}}
    assert [where for where, _ in faults(config, plain=plain)] == ["client.typo", "client.*", "client.*"]
    assert [where for where, _ in faults(config)] == ["client.typo", "client.merged", "client.*"]


def test_pydantics_own_text_is_kept_if_it_quotes_only_the_schema() -> None:
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Config, {"client": {"client_secret": "x", "retries": 0}}, plugin=PLUGIN)
    message = str(caught.value)
    assert message.startswith("Invalid configuration for IDENTITY:keycloak: ")
    assert "realm: Field required" in message
    assert "client.retries: Input should be greater than 0" in message


def test_many_faults_are_counted_and_not_all_listed() -> None:
    with pytest.raises(PluginConfigurationError) as caught:
        validate(Config, {"realm": "x", "free": {str(key): 1 for key in range(5000)}}, plugin=PLUGIN)
    assert caught.value.errors[-1]["message"] == "4950 more errors"
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize("json_mode", [False, True])
def test_extremely_deep_nesting_is_a_fault(json_mode: bool) -> None:
    config: dict[str, Any] = {}
    inner = config
    for _ in range(100_000):
        inner["children"] = [{}]
        inner = inner["children"][0]
    with pytest.raises(PluginConfigurationError):
        validate(Node, config, plugin=PLUGIN, json_mode=json_mode)
    while config:  # otherwise its destructor recurses
        config = config["children"].pop()


def test_json_mode_accepts_values_in_the_form_that_json_gives_them() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        day: date

    config = {"day": "2026-01-31"}
    assert validate(Strict, config, plugin=PLUGIN, json_mode=True).model_dump() == {"day": date(2026, 1, 31)}
    with pytest.raises(PluginConfigurationError):
        validate(Strict, config, plugin=PLUGIN)


def test_in_json_mode_a_value_that_is_not_json_is_a_fault() -> None:
    assert faults({"realm": object()}, json_mode=True) == [("", "not_json")]


def test_a_huge_config_validates() -> None:
    config = {"realm": "x" * 1_000_000, "free": {str(key): {"a": key} for key in range(10_000)}}
    assert validate(Config, config, plugin=PLUGIN, json_mode=True).model_dump()["free"]["9999"] == {"a": 9999}


def test_defaults_are_filled_in() -> None:
    assert validate(Config, {"realm": "x"}, plugin=PLUGIN).model_dump()["free"] == {}


def test_required_fields_are_named_as_users_write_them() -> None:
    class Required(BaseModel):
        plain: int
        aliased: int = Field(alias="other")
        chosen: int = Field(validation_alias=AliasChoices("first", "second"))
        nested: int = Field(validation_alias=AliasPath("a", "b"))
        optional: int = 1

    assert required_fields(Required) == ("plain", "other", "first", "a.b")
    assert required_fields(RootModel[dict[str, int]]) == ()


def test_a_json_schema_names_fields_as_users_write_them() -> None:
    assert "client_secret" in json_schema(Client)["properties"]


def test_a_model_without_a_json_schema_is_a_schema_error() -> None:
    class NoJson(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: _Opaque

    with pytest.raises(PluginSchemaError, match="cannot be converted to JSON Schema"):
        json_schema(NoJson)


def test_a_validator_that_returns_no_model_is_a_fault_of_the_schema() -> None:
    class Odd(BaseModel):
        @model_validator(mode="wrap")
        @classmethod
        def _odd(cls, value: Any, handler: Any) -> Any:
            return {"not": "a model"}

    with pytest.raises(PluginSchemaError, match="a validator returned dict, which is not a model"):
        validate(Odd, {}, plugin=PLUGIN)
