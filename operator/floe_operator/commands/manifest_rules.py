"""Checks a FloePlugin in a manifest against the CRD: what the API server would reject, before it is asked.

Pure. The rules are the CRD's; causes have the names that the API server gives them, and for a CEL rule the
message is the API server's, too. No message quotes a value that could be a secret, because people do put
secrets in the wrong place.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from floe_operator.commands.cel_rules import broken_rules
from floe_operator.commands.crd import METADATA, json_schema
from floe_operator.commands.findings import Finding
from floe_operator.commands.manifests import Document
from floe_operator.rules.crd import CEL, openapi_schema
from floe_operator.rules.resource import API_VERSION, GROUP, KIND
from floe_operator.rules.sentences import dotted, listing

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_HINTS = {
    "metadata.name": "write spec.type, a hyphen and spec.name, in lower case",
    "metadata.namespace": "use lower case letters, digits and '-', at most 63 characters",
    "metadata.labels": "use letters, digits, '-', '_' and '.', at most 63 characters",
    "metadata.annotations": "use annotation keys that Kubernetes accepts",
}
_LISTS = (("v1", "List"), (API_VERSION, f"{KIND}List"))
_LOOSE = ("metadata", "status")
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def is_floe_plugin(document: Document) -> bool:
    """Return whether the document is meant to be a FloePlugin, valid or not."""
    return document.kind == KIND or document.api_version.partition("/")[0] == GROUP


def manifest_findings(document: Document) -> list[Finding]:
    """Return what kubectl or the API server would reject."""
    around, unknown = list(_list_faults(document)), list(_unknown_kind(document))
    if unknown:
        return around + unknown
    value = {
        key: _without_nulls(inner) if key in _LOOSE else inner
        for key, inner in document.value.items()
        if inner is not None or key not in _LOOSE
    }
    errors = list(_validator().iter_errors(value))
    ruled = {tuple(error.absolute_path) for error in errors if error.validator == CEL}
    return around + [
        finding
        for error in errors
        # A rule says better what is wrong with metadata.name than its pattern does.
        if error.validator != "pattern" or tuple(error.absolute_path) not in ruled
        for finding in _explained(document, error)
    ]


def _list_faults(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with the list that the object is in; the same for each of its items."""
    if not document.lists:
        return
    outer = document.lists[0]
    place = replace(document.place(), line=document.part.line(), namespace="", name="")
    if len(document.lists) > 1:
        message = "kubectl reads no list inside a list; move its items out of it"
        yield Finding(place, "items", "UnknownKind", message)
    if (outer.get("apiVersion"), outer.get("kind")) not in _LISTS:
        message = f"{KIND}s cannot be in this list; write apiVersion: v1 and kind: List"
        yield Finding(place, "kind", "UnknownKind", message)
    for index, item in enumerate(outer["items"]):
        if not isinstance(item, Mapping):
            message = "it is no object, so kubectl refuses the whole list; remove it"
            yield Finding(place, f"items[{index}]", "FieldValueTypeInvalid", message)


def _unknown_kind(document: Document) -> Iterator[Finding]:
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.value.get(field) != wanted:
            yield Finding(
                document.place(field), field, "UnknownKind", f"this is not a {KIND}; write {field}: {wanted}"
            )


@functools.cache
def _schema() -> Mapping[str, Any]:
    schema = json_schema(openapi_schema(), cel=True)
    schema["properties"]["metadata"] = METADATA
    schema["required"] = ["metadata", *schema["required"]]
    # Applying an object cannot set its status, so only field names and types are checked there.
    schema["properties"]["status"] = _shape(schema["properties"]["status"])
    return schema


@functools.cache
def _validator() -> Draft202012Validator:
    # Imported here so that `run` does not keep it in memory.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    with_cel: Any = extend(Draft202012Validator, {CEL: _cel})  # type: ignore[no-untyped-call]
    validator: Draft202012Validator = with_cel(_to_the_end(_schema()))
    return validator


def _cel(_: object, rules: list[Mapping[str, Any]], value: Any, __: object) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    for broken in broken_rules(rules, value):
        yield ValidationError(broken.message, path=broken.path, validator=CEL, validator_value=broken.cause)


def _to_the_end(schema: Any) -> Any:
    """Make patterns match up to the very end; Python's `$` allows a newline there."""
    if isinstance(schema, Mapping):
        return {
            key: f"{value[:-1]}\\Z"
            if key == "pattern" and isinstance(value, str) and value.endswith("$")
            else _to_the_end(value)
            for key, value in schema.items()
        }
    return [_to_the_end(item) for item in schema] if isinstance(schema, list) else schema


def _shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: schema[key] for key in ("type", "additionalProperties") if key in schema}
    if "properties" in schema:
        kept["properties"] = {name: _shape(inner) for name, inner in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = _shape(schema["items"])
    return kept


def _without_nulls(value: Any) -> Any:
    """Drop nulls, which count as unset in metadata and status; elsewhere server-side apply rejects them."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _explained(document: Document, error: ValidationError) -> Iterator[Finding]:
    path = tuple(error.absolute_path)
    rule, instance = str(error.validator), _known(error.instance)
    bound, schema = _known(error.validator_value), _known(error.schema)
    if rule == "required":
        for name in bound:
            if name not in instance:
                yield _finding(document, (*path, name), "FieldValueRequired", "it is required; add it")
    elif rule == "additionalProperties":
        for name in instance:
            if name not in schema["properties"]:
                message = _unknown_field(name, schema["properties"])
                yield _finding(document, (*path, name), "UnknownField", message)
    elif rule == CEL:
        yield _finding(document, path, bound, error.message)
    elif rule != "pattern" or instance or "minLength" not in schema:  # minLength says it better
        yield _finding(document, path, *_said(rule, bound, path, instance))


def _known(value: Any) -> Any:
    """Return the value, which jsonschema types as possibly unset."""
    return value


def _said(rule: str, bound: Any, path: Sequence[str | int], value: Any) -> tuple[str, str]:
    """Return the cause and the message."""
    match rule:
        case "type":
            is_null = ", not null; remove the line" if value is None else ""
            return "FieldValueTypeInvalid", f"it must be {_TYPES.get(bound, bound)}{is_null}"
        case "enum":
            return "FieldValueNotSupported", _not_one_of(value, bound)
        case "pattern":
            return "FieldValueInvalid", _no_match(path)
        case "minLength":
            return "FieldValueInvalid", "it must not be empty"
        case "maxLength":
            return "FieldValueTooLong", f"it must be at most {bound} characters long"
        case "maxItems":
            return "FieldValueTooMany", f"it must have at most {bound} entries"
        case "minimum":
            return "FieldValueInvalid", f"it must be at least {bound}"
        case "maximum":
            return "FieldValueInvalid", f"it must be at most {bound}"
    return "FieldValueInvalid", f"it breaks the CRD's rule {rule}"


def _finding(document: Document, path: Sequence[str | int], rule: str, message: str) -> Finding:
    return Finding(document.place(*path), dotted(path), rule, message)


def _unknown_field(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1) or get_close_matches(
        name.lower().replace("_", ""), [each.lower() for each in known], n=1
    )
    meant = next((each for each in known if close and each.lower() == close[0].lower()), "")
    advice = f"did you mean {meant}?" if meant else f"remove it, or use {listing(known, most=9, word='or')}"
    return f"unknown field; {advice}"


def _not_one_of(value: Any, choices: Sequence[Any]) -> str:
    meant = get_close_matches(str(value).lower().replace("_", "-"), [str(each) for each in choices], n=1)
    advice = f"did you mean {meant[0]}?" if meant else f"use {listing(map(str, choices), most=20, word='or')}"
    return f"it is not an allowed value; {advice}"


def _no_match(path: Sequence[str | int]) -> str:
    """Return what is wrong with a text in metadata; those in spec have rules with messages of their own."""
    hint = _HINTS.get(".".join(map(str, path[:2])), "write it in the required format")
    return f"its format is invalid; {hint}"
