"""JSON schemas of whole FloePlugin documents, for editors and for kubeconform. Pure.

They use draft-07, which yaml-language-server and kubeconform both support in full. Nothing inside spec.config
is required, because configFrom can supply it, and secrets are not allowed there at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId
from floe_operator.commands.crd import METADATA, json_schema, openapi_schema
from floe_operator.rules.resource import API_VERSION, KIND, object_name

_DIALECT = "http://json-schema.org/draft-07/schema#"
_CONFIG = "#/properties/spec/properties/config"
_DROPPED = (
    "$defs",
    "$schema",
    "$id",
    "required",
    "minProperties",
    "dependentRequired",
    "dependencies",
    "discriminator",
)
_DATA = ("default", "const", "enum", "examples")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_NOT_HERE = "A secret does not belong here; refer to it in spec.configFrom."


def document_schema(plugin: PluginId, description: Description) -> dict[str, Any]:
    """Return the schema of one plugin's documents."""
    name = object_name(plugin)
    schema = _any_plugin()
    schema["title"] = f"{KIND} {name}"
    schema["description"] = description.description or schema["description"]
    schema["properties"]["metadata"]["properties"]["name"]["const"] = name
    spec = schema["properties"]["spec"]["properties"]
    spec["type"] = {**_without(spec["type"], "enum"), "const": plugin.plugin_type.slug}
    spec["name"] = {**spec["name"], "const": plugin.name}
    config, definitions = _config(description, root=_CONFIG, prefix="")
    spec["config"] = _described(config, spec["config"]["description"])
    if definitions:
        schema["definitions"] = definitions
    return schema


def kind_schema(plugins: Mapping[PluginId, Description]) -> dict[str, Any]:
    """Return one schema for all FloePlugins, which also checks the configuration of known plugins."""
    schema = _any_plugin()
    definitions: dict[str, Any] = {}
    rules = []
    for plugin, description in sorted(plugins.items(), key=lambda item: object_name(item[0])):
        name = object_name(plugin)
        definitions[name], inner = _config(description, root=f"#/definitions/{name}", prefix=f"{name}.")
        definitions |= inner
        named = {"type": {"const": plugin.plugin_type.slug}, "name": {"const": plugin.name}}
        meant = {
            "properties": {"spec": {"properties": named, "required": ["type", "name"]}},
            "required": ["spec"],
        }
        then = {
            "metadata": {"properties": {"name": {"const": name}}},
            "spec": {"properties": {"config": {"$ref": f"#/definitions/{name}"}}},
        }
        rules.append({"if": meant, "then": {"properties": then}})
    if rules:
        schema |= {"allOf": rules, "definitions": definitions}
    return schema


def _any_plugin() -> dict[str, Any]:
    """Return the part that the CRD defines; it rejects unknown fields except in metadata and status."""
    openapi = openapi_schema()
    schema = json_schema(openapi)
    properties = schema["properties"]
    properties["apiVersion"] = {**properties["apiVersion"], "const": API_VERSION}
    properties["kind"] = {**properties["kind"], "const": KIND}
    shown = {key: METADATA["properties"][key] for key in ("name", "namespace")}
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    properties["metadata"] = {
        "type": "object",
        "description": METADATA["description"],
        "required": ["name"],
        "properties": {
            **{key: dict(value) for key, value in shown.items()},
            "labels": texts,
            "annotations": texts,
        },
    }
    # The CRD's CEL rules, as far as JSON Schema can express them; each plugin adds its own rule on the name.
    source = properties["spec"]["properties"]["configFrom"]["items"]
    source["oneOf"] = [{"required": ["secretKeyRef"]}, {"required": ["configMapKeyRef"]}]
    properties["status"] = json_schema(openapi["properties"]["status"], strict=False)
    return {
        "$schema": _DIALECT,
        "title": KIND,
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def _config(description: Description, *, root: str, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of spec.config, to be placed at `root`, and its definitions by name."""
    given = description.config_schema
    if given is None:
        if description.takes_config:
            return {"type": "object"}, {}
        return {"type": "object", "description": "The plugin takes no configuration.", "maxProperties": 0}, {}
    translate = _Translation(root, prefix)
    definitions = {f"{prefix}{name}": translate(inner) for name, inner in given.get("$defs", {}).items()}
    return translate(given), definitions


class _Translation:
    """Translates a configuration's schema from pydantic's 2020-12 to draft-07, and adapts its references."""

    def __init__(self, root: str, prefix: str) -> None:
        self._root = root
        self._prefix = prefix

    def __call__(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self(item) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        if schema.get("format") == "password" and schema.get("writeOnly"):
            said = " ".join(filter(None, (schema.get("description"), _NOT_HERE)))
            return {**_without(schema, *schema.keys() - {"title"}), "description": said, "not": {}}
        done: dict[str, Any] = {}
        for word, value in schema.items():
            if word in _DATA:
                done[word] = value
            elif word in _BY_NAME and isinstance(value, Mapping) and word != "$defs":
                done[word] = {name: self(inner) for name, inner in value.items()}
            elif word not in _DROPPED:
                done |= self._word(word, value, schema)
        reference = done.pop("$ref", None)
        if reference is None:
            return done
        # Draft-07 ignores everything beside $ref.
        return (
            {**done, "allOf": [*done.get("allOf", []), {"$ref": reference}]} if done else {"$ref": reference}
        )

    def _word(self, word: str, value: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
        match word:
            case "$ref":
                return {"$ref": self._moved(str(value))}
            case "oneOf":
                # Without `required`, a value can match several alternatives.
                return {"anyOf": self(value)}
            case "prefixItems":
                return {"items": self(value), "additionalItems": self(schema.get("items", True))}
            case "items" if "prefixItems" in schema:
                return {}
            case _:
                return {word: self(value)}

    def _moved(self, reference: str) -> str:
        if reference.startswith("#/$defs/"):
            return f"#/definitions/{self._prefix}{reference.removeprefix('#/$defs/')}"
        return f"{self._root}{reference[1:]}" if reference.startswith("#") else reference


def _described(config: dict[str, Any], otherwise: str) -> dict[str, Any]:
    return config if "description" in config else {**config, "description": otherwise}


def _without(schema: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: value for word, value in schema.items() if word not in words}
