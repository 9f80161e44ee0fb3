"""The schema of a CRD as a JSON schema of what the API server's strict validation accepts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_operator.rules.crd import CEL, grammar

_BOUNDS = ("minLength", "maxLength", "minimum", "maximum", "maxItems", "pattern")
_KEPT = ("type", "description", "enum", "required", *_BOUNDS)
_QUALIFIED_NAME = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_TEXT = {"type": "string"}
METADATA: Mapping[str, Any] = {
    "type": "object",
    "description": "Standard object's metadata.",
    "required": ["name"],
    "properties": {
        "name": {
            **_TEXT,
            "description": "spec.type, a hyphen and spec.name.",
            "minLength": 1,
            "maxLength": 253,
            "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        },
        "namespace": {
            **_TEXT,
            "description": "The namespace of the operator that assesses the plugin.",
            "maxLength": 63,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$",
        },
        "labels": {
            "type": "object",
            "propertyNames": {"pattern": _QUALIFIED_NAME},
            "additionalProperties": {**_TEXT, "pattern": _LABEL_VALUE},
        },
        "annotations": {
            "type": "object",
            "propertyNames": {"pattern": r"(?i)" + _QUALIFIED_NAME},
            "additionalProperties": _TEXT,
        },
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": {"type": "array", "items": {"type": "object"}},
        "managedFields": {"type": "array", "items": {"type": "object"}},
        "generateName": _TEXT,
        "uid": _TEXT,
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "creationTimestamp": _TEXT,
        "deletionTimestamp": _TEXT,
    },
    "additionalProperties": False,
}
"""ObjectMeta, which a CRD leaves to the API server."""


def json_schema(openapi: Mapping[str, Any], *, strict: bool = True, cel: bool = False) -> dict[str, Any]:
    """Return a part of the CRD's schema as a JSON schema; `strict` rejects unknown fields.

    JSON Schema cannot express defaults and list types; of the CEL rules, only those that demand a pattern.
    With `cel`, the rules are kept as they are instead. The patterns mean the same in Go, in ECMAScript and,
    except for a newline at the end, in Python.
    """
    schema: dict[str, Any] = {key: openapi[key] for key in _KEPT if key in openapi}
    if cel and CEL in openapi:
        schema[CEL] = openapi[CEL]
    elif pattern := grammar(openapi):
        schema["pattern"] = pattern
    if "properties" in openapi:
        schema["properties"] = {
            name: json_schema(inner, strict=strict, cel=cel) for name, inner in openapi["properties"].items()
        }
        if strict and not openapi.get("x-kubernetes-preserve-unknown-fields"):
            schema["additionalProperties"] = False
    if "items" in openapi:
        schema["items"] = json_schema(openapi["items"], strict=strict, cel=cel)
    return schema
