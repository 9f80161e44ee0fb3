"""JSON schemas of whole FloePlugin documents, for editors and for kubeconform. Pure.

They use draft-07, which yaml-language-server and kubeconform both support in full. Nothing inside spec.config
is required, because configFrom can supply it, and secrets are not allowed there at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId
from floe_operator.commands.config_schema import draft_07
from floe_operator.commands.crd import METADATA, json_schema
from floe_operator.commands.schema_checks import UnusableSchema
from floe_operator.rules.crd import openapi_schema
from floe_operator.rules.resource import API_VERSION, KIND, object_name
from floe_operator.rules.sentences import printable

_DIALECT = "http://json-schema.org/draft-07/schema#"
_CONFIG = "#/properties/spec/properties/config"


def document_schema(plugin: PluginId, description: Description) -> dict[str, Any]:
    """Return the schema of one plugin's documents.

    Raises:
        UnusableSchema: The plugin has no schema that validators could use.
    """
    name = object_name(plugin)
    schema = _any_plugin()
    schema["title"] = f"{KIND} {name}"
    schema["description"] = printable(description.description) or schema["description"]
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
    """Return one schema for all FloePlugins, which also checks the configuration of known plugins.

    Raises:
        UnusableSchema: A plugin has no schema that validators could use.
    """
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
    if description.schema_error is not None:
        raise UnusableSchema(description.schema_error)
    given = description.config_schema
    if given is None:
        if description.takes_config:
            raise UnusableSchema("it is too large for a message of the plugin host, or nested too deeply")
        nothing = {"type": "object", "description": "The plugin takes no configuration."}
        return {**nothing, "additionalProperties": False}, {}
    return draft_07(given, root=root, prefix=prefix)


def _described(config: dict[str, Any], otherwise: str) -> dict[str, Any]:
    return config if "description" in config else {**config, "description": otherwise}


def _without(schema: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: value for word, value in schema.items() if word not in words}
