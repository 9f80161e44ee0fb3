"""The CRD is the contract: it is frozen here and matches the operator's models in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel

import floe_operator
from floe_core.plugin_types import PluginType
from floe_operator.rules import resource
from floe_operator.rules.conditions import MESSAGE_BYTES
from floe_operator.rules.crd import grammar

ROOT = Path(__file__).parents[2]
FILE = ROOT / "crds" / "floeplugins.floe.dev.yaml"
CRD: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
VERSION: dict[str, Any] = CRD["spec"]["versions"][0]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]
SPEC: dict[str, Any] = SCHEMA["properties"]["spec"]
STATUS: dict[str, Any] = SCHEMA["properties"]["status"]

BOUNDS = ("minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "enum", "type")


def resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema from pydantic with its references resolved and without the alternative null."""
    if "$ref" in schema:
        return resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        (other,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return resolved(other, definitions)
    return schema


def bounds_of_models(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return the bounds of every field of a model, by path."""
    schema = resolved(schema, definitions)
    found = {path: {key: schema[key] for key in BOUNDS if key in schema}}
    for name, field in schema.get("properties", {}).items():
        found |= bounds_of_models(field, definitions, f"{path}.{name}")
    if schema.get("type") == "array":
        found |= bounds_of_models(schema["items"], definitions, f"{path}[]")
    return found


def bounds_of_crd(schema: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return the bounds of every field of the CRD, by path."""
    found = {path: {key: schema[key] for key in BOUNDS if key in schema}}
    if pattern := grammar(schema):
        found[path]["pattern"] = pattern
    for name, field in schema.get("properties", {}).items():
        found |= bounds_of_crd(field, f"{path}.{name}")
    if "items" in schema:
        found |= bounds_of_crd(schema["items"], f"{path}[]")
    return found


def required_of_crd(schema: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of the CRD's required fields."""
    found = {f"{path}.{name}" for name in schema.get("required", ())}
    for name, field in schema.get("properties", {}).items():
        found |= required_of_crd(field, f"{path}.{name}")
    return found | (required_of_crd(schema["items"], f"{path}[]") if "items" in schema else set())


def required_of_models(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of the models' required fields."""
    schema = resolved(schema, definitions)
    found = {f"{path}.{name}" for name in schema.get("required", ())}
    for name, field in schema.get("properties", {}).items():
        found |= required_of_models(field, definitions, f"{path}.{name}")
    if schema.get("type") == "array":
        found |= required_of_models(schema["items"], definitions, f"{path}[]")
    return found


def json_schema(model: type[object]) -> tuple[dict[str, Any], dict[str, Any]]:
    schema = TypeAdapter(model).json_schema(mode="validation")
    return schema, schema.get("$defs", {})


@pytest.mark.parametrize(
    ("model", "part"), [(resource.FloePluginSpec, SPEC), (resource.FloePluginStatus, STATUS)]
)
def test_the_models_have_every_field_enum_and_bound_of_the_crd_and_no_other(
    model: type[object], part: dict[str, Any]
) -> None:
    schema, definitions = json_schema(model)
    assert bounds_of_models(schema, definitions) == bounds_of_crd(part)
    assert required_of_models(schema, definitions) == required_of_crd(part)


def test_fields_that_are_immutable_in_the_crd_are_frozen_in_the_models() -> None:
    immutable = {
        name
        for name, field in SPEC["properties"].items()
        if any(rule["rule"] == "self == oldSelf" for rule in field.get("x-kubernetes-validations", ()))
    }
    frozen = {name for name, field in resource.FloePluginSpec.model_fields.items() if field.frozen}
    assert immutable == frozen == {"type", "name"}


def test_the_types_are_those_of_the_plugin_api() -> None:
    assert SPEC["properties"]["type"]["enum"] == [member.slug for member in PluginType]


def test_the_group_version_and_names_are_those_that_the_operator_uses() -> None:
    names = CRD["spec"]["names"]
    assert CRD["metadata"]["name"] == f"{resource.PLURAL}.{resource.GROUP}"
    assert (CRD["spec"]["group"], VERSION["name"], names["kind"], names["plural"]) == (
        resource.GROUP,
        resource.VERSION,
        resource.KIND,
        resource.PLURAL,
    )
    assert (names["shortNames"], names["categories"], CRD["spec"]["scope"]) == (
        ["fp"],
        ["floe"],
        "Namespaced",
    )
    assert len(CRD["spec"]["versions"]) == 1


def test_the_only_default_is_that_of_a_status_nobody_has_written() -> None:
    assert STATUS["default"] == {"observedGeneration": -1}
    assert FILE.read_text(encoding="utf-8").count("default:") == 1


def test_the_descriptions_name_the_defaults_of_the_models() -> None:
    described = SPEC["properties"]["probe"]["properties"]
    for name, field in resource.ProbeSpec.model_fields.items():
        assert f" Defaults to {field.default}." in described[to_camel(name)]["description"]


def test_lists_and_the_config_schema_merge_as_server_side_apply_requires() -> None:
    status, spec = STATUS["properties"], SPEC["properties"]
    assert spec["configFrom"]["x-kubernetes-list-type"] == "atomic"
    assert status["dependencies"]["x-kubernetes-list-type"] == "atomic"
    assert status["conditions"]["x-kubernetes-list-type"] == "map"
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert status["configSchema"]["x-kubernetes-map-type"] == "atomic"
    open_fields = {f for f in spec if spec[f].get("x-kubernetes-preserve-unknown-fields")}
    assert open_fields == {"config"}


@pytest.mark.parametrize(
    ("name", "path", "priority"),
    [
        ("Type", ".spec.type", 0),
        ("Plugin", ".spec.name", 0),
        ("Version", ".status.version", 0),
        ("API", ".status.pluginApiVersion", 0),
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', 0),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason', 0),
        ("Age", ".metadata.creationTimestamp", 0),
        ("In-Use", ".status.inUse", 1),
        ("Healthy", '.status.conditions[?(@.type=="Healthy")].status', 1),
        ("Distribution", ".status.distribution.name", 1),
        ("Message", '.status.conditions[?(@.type=="Ready")].message', 1),
    ],
)
def test_each_printer_column_has_its_path_and_priority(name: str, path: str, priority: int) -> None:
    (column,) = [one for one in VERSION["additionalPrinterColumns"] if one["name"] == name]
    assert (column["jsonPath"], column.get("priority", 0)) == (path, priority)


def test_objects_are_selectable_by_type_name_and_use() -> None:
    assert [field["jsonPath"] for field in VERSION["selectableFields"]] == [
        ".spec.type",
        ".spec.name",
        ".status.inUse",
    ]


def test_every_rule_has_a_message_and_every_field_has_a_description() -> None:
    def walk(schema: dict[str, Any], path: str) -> None:
        if not path.startswith(".metadata") and path not in ("", ".status.dependencies[]"):
            assert schema["description"].endswith("."), path
        for rule in schema.get("x-kubernetes-validations", ()):
            assert rule["message"]
            assert rule.get("messageExpression", rule["message"]).lstrip('"').startswith(rule["message"])
        for name, field in schema.get("properties", {}).items():
            walk(field, f"{path}.{name}")
        if "items" in schema:
            walk(schema["items"], f"{path}[]")

    walk(SCHEMA, "")


def test_grammars_in_the_spec_are_rules_with_words_and_have_bounds_for_their_cost() -> None:
    def walk(schema: dict[str, Any], path: str) -> int:
        assert "pattern" not in schema, path
        has_grammar = grammar(schema) is not None
        if has_grammar:
            assert (schema["minLength"], schema["maxLength"]) == (1, 63 if path == ".name" else 253)
        inner = [walk(field, f"{path}.{name}") for name, field in schema.get("properties", {}).items()]
        return has_grammar + sum(inner) + (walk(schema["items"], f"{path}[]") if "items" in schema else 0)

    assert walk(SPEC, "") == 6


def test_the_operators_longest_message_fits_the_crd() -> None:
    message = STATUS["properties"]["conditions"]["items"]["properties"]["message"]
    assert message["maxLength"] == MESSAGE_BYTES


def test_the_package_contains_the_crd() -> None:
    carried = Path(floe_operator.__file__).with_name("crd.yaml")
    assert carried.read_bytes() == FILE.read_bytes()
