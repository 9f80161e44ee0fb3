"""The JSON schemas of whole FloePlugin documents."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.commands.document_schema import document_schema, kind_schema
from floe_operator.commands.schema_checks import UnusableSchema

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Tree(BaseModel):
    """A model that refers to itself."""

    model_config = ConfigDict(extra="forbid")

    required: str
    level: Level = Field(default=Level.LOW, description="How much of it")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    pair: tuple[int, str] = (1, "a")
    secret: SecretStr | None = None
    secrets: dict[str, SecretStr] = {}
    children: "list[Tree]" = []  # noqa: UP037


def described(model: type[BaseModel] | None, **more: Any) -> Description:
    schema = model.model_json_schema() if model is not None else None
    fields = {
        "declared_name": "x",
        "version": "0.1.0",
        "floe_api_version": "1.0",
        "takes_config": bool(model),
    }
    return Description(**{**fields, "config_schema": schema, **more})


def document(config: Any = None, *, plugin: PluginId = KEYCLOAK, **spec: Any) -> dict[str, Any]:
    named: dict[str, Any] = {"type": plugin.plugin_type.slug, "name": plugin.name, **spec}
    if config is not None:
        named["config"] = config
    return {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": f"{plugin.plugin_type.slug}-{plugin.name}"},
        "spec": named,
    }


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def accepts(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    Draft7Validator.check_schema(schema)
    return bool(Draft7Validator(schema).is_valid(value))


CONFIGS = [
    ({}, True),
    ({"required": "a", "level": "high"}, True),
    ({"level": "middle"}, False),
    ({"required": 1}, False),
    ({"unknown": 1}, False),
    ({"pet": {"kind": "cat", "lives": 7}}, True),
    ({"pet": {"kind": "cat", "lives": "seven"}}, False),
    ({"pet": {"kind": "dog"}}, True),
    ({"pet": {}}, True),
    ({"pair": [1, "a"]}, True),
    ({"pair": ["a", 1]}, False),
    ({"pair": [1, "a", 2]}, False),
    ({"children": [{"children": [{"level": "low"}]}]}, True),
    ({"children": [{"children": [{"level": "middle"}]}]}, False),
    ({"secret": "in plain"}, False),
    ({"secret": None}, True),
    ({"secrets": {"a": "in plain"}}, False),
]


@pytest.mark.parametrize(("config", "valid"), CONFIGS)
def test_the_schema_of_a_plugin_accepts_what_can_be_part_of_a_valid_configuration(
    config: Any, valid: bool
) -> None:
    assert accepts(document_schema(KEYCLOAK, described(Tree)), document(config)) is valid


@pytest.mark.parametrize(("config", "valid"), CONFIGS)
def test_the_schema_of_the_kind_accepts_the_same(config: Any, valid: bool) -> None:
    schema = kind_schema({KEYCLOAK: described(Tree), DUCKDB: described(Cat)})
    assert accepts(schema, document(config)) is valid


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"status": {"observedGeneration": 1, "conditions": [], "later": True}}, True),
        ({"apiVersion": "floe.dev/v1"}, False),
        ({"metadata": {"name": "keycloak"}}, False),
        ({"metadata": {"name": "identity-keycloak", "namespace": "floe", "labels": {"a": "b"}}}, True),
        ({"metadata": {"name": "identity-keycloak", "labels": {"a": 1}}}, False),
        ({"spec": {"type": "identity"}}, False),
        ({"specs": {}}, False),
    ],
)
def test_both_schemas_contain_the_rules_of_the_crd(change: dict[str, Any], valid: bool) -> None:
    known = {KEYCLOAK: described(Tree)}
    for schema in (document_schema(KEYCLOAK, known[KEYCLOAK]), kind_schema(known)):
        assert accepts(schema, {**document(), **change}) is valid


@pytest.mark.parametrize(
    ("sources", "valid"),
    [
        ([{"secretKeyRef": {"name": "a", "key": "b"}, "path": "c.d"}], True),
        ([{"secretKeyRef": {"name": "a", "key": "b"}, "path": "c-d"}], False),
        ([{"path": "c"}], False),
        ([{"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}}], False),
    ],
)
def test_the_schema_of_the_kind_contains_the_rules_of_config_from(sources: list[Any], valid: bool) -> None:
    assert accepts(kind_schema({}), document(configFrom=sources)) is valid


def test_the_schema_of_a_plugin_accepts_only_that_plugin() -> None:
    schema = document_schema(KEYCLOAK, described(Tree))
    assert not accepts(schema, document(plugin=DUCKDB))


def test_the_schema_of_the_kind_accepts_any_configuration_of_a_plugin_not_installed() -> None:
    schema = kind_schema({KEYCLOAK: described(Tree)})
    assert accepts(schema, document({"unknown": 1}, plugin=DUCKDB))


def test_a_plugin_that_takes_no_configuration_accepts_only_an_empty_configuration() -> None:
    schema = document_schema(KEYCLOAK, described(None))
    assert [accepts(schema, document(config)) for config in (None, {}, {"a": 1})] == [True, True, False]


UNUSABLE: list[tuple[str, dict[str, Any], str]] = [
    ("an error", {"schema_error": "it raises"}, "it raises"),
    ("too large", {"takes_config": True}, "too large for a message"),
    ("no such keyword value", {"config_schema": {"properties": {"a": {"type": "strng"}}}}, "a/type"),
    ("a bound that is a text", {"config_schema": {"properties": {"a": {"minimum": "3"}}}}, "a/minimum"),
    ("no mapping of fields", {"config_schema": {"properties": [1]}}, "not a JSON schema"),
    ("no choice", {"config_schema": {"anyOf": 3}}, "not a JSON schema"),
    (
        "an alternative that no tag can name",
        {
            "config_schema": {
                "$defs": {"A": {"properties": {"kind": {"enum": []}}}},
                "oneOf": [{"$ref": "#/$defs/A"}],
                "discriminator": {"propertyName": "kind"},
            }
        },
        "not a JSON schema",
    ),
    ("a reference to nothing", {"config_schema": {"$ref": "#/$defs/Nothing"}}, "Nothing"),
    ("a reference to elsewhere", {"config_schema": {"$ref": "https://example.com/a"}}, "example.com"),
    ("a reference into data", {"config_schema": {"$ref": "#/default", "default": {"type": 5}}}, "default"),
    ("a name to escape", {"config_schema": {"$defs": {"a%41": {}}, "$ref": "#/$defs/a%41"}}, "a%41"),
    ("a name with a slash", {"config_schema": {"$defs": {"a/b": {}}, "$ref": "#/$defs/a~1b"}}, "a~1b"),
    ("a reference to itself", {"config_schema": {"$ref": "#"}}, "leads back to itself"),
    (
        "references in a circle",
        {
            "config_schema": {
                "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}]}, "B": {"$ref": "#/$defs/A"}},
                "$ref": "#/$defs/A",
            }
        },
        "leads back to itself",
    ),
    ("an endless nest", {"config_schema": nested(3_000)}, "nested too deeply"),
]


@pytest.mark.parametrize(("fields", "said"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_a_schema_that_no_validator_could_use_is_refused_with_its_reason(
    fields: dict[str, Any], said: str
) -> None:
    description = described(None, **fields)
    with pytest.raises(UnusableSchema, match=said):
        document_schema(KEYCLOAK, description)
    with pytest.raises(UnusableSchema, match=said):
        kind_schema({KEYCLOAK: description})


def test_a_purely_recursive_model_has_a_schema() -> None:
    class Node(BaseModel):
        value: int
        next: Node | None = None

    schema = document_schema(KEYCLOAK, described(Node))
    good, bad = {"next": {"next": {"value": 1}}}, {"next": {"next": {"value": "a"}}}
    assert [accepts(schema, document(config)) for config in (good, bad)] == [True, False]


def test_a_field_can_have_the_name_of_a_schema_keyword() -> None:
    schema = document_schema(KEYCLOAK, described(Tree))
    config = schema["properties"]["spec"]["properties"]["config"]
    definition = schema["definitions"]["Tree"] if "required" not in config.get("properties", {}) else config
    assert definition["properties"]["required"]["type"] == "string"
    assert "required" not in definition


def test_editors_get_the_descriptions_of_the_crd_and_of_the_plugin() -> None:
    schema = document_schema(KEYCLOAK, described(Tree, description="Signs people in"))
    spec = schema["properties"]["spec"]["properties"]
    assert schema["description"] == "Signs people in"
    assert "Python packaging" in spec["version"]["description"]
    assert "refers to itself" in str(spec["config"]) + str(schema["definitions"])


def test_editors_say_where_a_secret_belongs() -> None:
    schema = document_schema(KEYCLOAK, described(Tree))
    secret = schema["definitions"]["Tree"]["properties"]["secret"]
    said = "a secret: put it into a Secret and refer to it by configFrom"
    assert secret["title"] == said
    assert "put it into a Secret and refer to it by configFrom" in secret["description"]
    assert [each.message for each in Draft7Validator(secret).iter_errors("hunter2")] == [
        f"{said!r} was expected"
    ]
    assert Draft7Validator(secret).is_valid(None)
    assert not Draft7Validator(secret).is_valid(said)


def test_what_only_validate_checks_is_said_in_the_description() -> None:
    class Config(BaseModel):
        code: str = Field("", pattern=r"^\w+$", description="The code.")
        date: str = Field("", json_schema_extra={"format": "date"})
        keys: dict[Annotated[str, Field(pattern=r"^\w+$")], int] = {}
        other: Annotated[str, Field(pattern=r"^\s$")] | None = Field(None, description="Another")

    config = document_schema(KEYCLOAK, described(Config))["properties"]["spec"]["properties"]["config"]
    said = {name: each["description"] for name, each in config["properties"].items()}
    assert said == {
        "code": r"The code. `floe-operator validate` also checks the pattern `^\w+$`.",
        "date": "`floe-operator validate` also checks the format date.",
        "other": r"Another. `floe-operator validate` also checks the pattern `^\s$`.",
        "keys": r"`floe-operator validate` also checks the names, pattern `^\w+$`.",
    }


def test_a_fault_in_a_tagged_alternative_is_reported_at_its_place_without_the_rest() -> None:
    class User(BaseModel):
        kind: Literal["user"]
        name: str
        password: SecretStr

    class Token(BaseModel):
        kind: Literal["token"]
        token: SecretStr

    class Config(BaseModel):
        login: Annotated[User | Token, Field(discriminator="kind")] | None = None

    schema = document_schema(KEYCLOAK, described(Config))
    given = document({"login": {"kind": "user", "name": 1, "password": "hunter2"}})
    errors = list(Draft7Validator(schema).iter_errors(given))
    assert {".".join(map(str, each.absolute_path)) for each in errors} == {
        "spec.config.login.name",
        "spec.config.login.password",
    }
    assert "hunter2" not in str([each.message for each in errors])


def test_a_value_is_in_a_choice_once_and_a_choice_of_nothing_is_left_out() -> None:
    given = {
        "properties": {
            "a": {"enum": ["s", "s", 1, 1.0, True, "l"]},
            "b": {"enum": []},
            "c": {"anyOf": [True]},
        }
    }
    properties = document_schema(KEYCLOAK, described(None, config_schema=given))["properties"]["spec"][
        "properties"
    ]
    config = properties["config"]["properties"]
    assert config == {"a": {"enum": ["s", 1, True, "l"]}, "b": {}, "c": {"anyOf": [True]}}


def test_no_default_is_null_because_editors_would_insert_it() -> None:
    class Config(BaseModel):
        a: str | None = None
        b: Cat | None = None
        c: str | None = "x"

    schema = document_schema(KEYCLOAK, described(Config))
    config = schema["properties"]["spec"]["properties"]["config"]["properties"]
    assert {name: each.get("default", "none") for name, each in config.items()} == {
        "a": "none",
        "b": "none",
        "c": "x",
    }


def test_texts_of_plugins_cannot_break_a_document_or_a_terminal() -> None:
    class Config(BaseModel):
        a: str = Field("", title="T\x1b[2J*/", description="D\x9b31m\n*/ \u202e\x00 end")

    schema = document_schema(KEYCLOAK, described(Config, description="\x1b]0;x\x07"))
    shown = json.dumps(schema, ensure_ascii=False)
    assert all(each.isprintable() for each in shown)
    assert "*/" in shown


def test_every_reference_resolves() -> None:
    for schema in (
        document_schema(KEYCLOAK, described(Tree)),
        kind_schema({KEYCLOAK: described(Tree), DUCKDB: described(Tree)}),
    ):
        for reference in _references(schema):
            found: Any = schema
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for inner in value.values() for each in _references(inner)]
    return [each for inner in value for each in _references(inner)] if isinstance(value, list) else []
