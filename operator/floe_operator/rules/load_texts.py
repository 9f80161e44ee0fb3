"""Scrubs what the answer to an import says in the words of a plugin: secrets of others can be in it.

Pure. Names, versions and the structure of a schema are no texts: whatever has their form stays.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from floe_core.host.protocol import Description
from floe_core.plugin_types import normalize_name
from floe_operator.rules.load_states import Described, LoadFault

Scrub = Callable[[str], str]

_NAME = re.compile(r"([a-z]+(-[a-z]+)*/)?[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"\d+(\.\d+){0,3}((a|b|rc|\.?dev|\.?post)\d+)?(\+[a-z0-9.]{1,16})?")
_TEXTS = ("title", "description", "default", "examples", "const", "enum", "pattern")
"""The keywords of a JSON schema that can hold text made at run time."""


def scrubbed(outcome: Described | LoadFault, scrub: Scrub) -> Described | LoadFault:
    """Return the outcome of an import with the plugin's own words scrubbed."""
    if isinstance(outcome, Described):
        return dataclasses.replace(outcome, description=_description(outcome.description, scrub))
    message = outcome.message
    if outcome.quoted:
        message = message.replace(outcome.quoted, scrub(outcome.quoted))
    return dataclasses.replace(outcome, message=message, quoted="", plugin_text=scrub(outcome.plugin_text))


def _description(described: Description, scrub: Scrub) -> Description:
    schema = described.config_schema
    return described.model_copy(
        update={
            "declared_name": _unless(_NAME, described.declared_name, scrub),
            "version": _unless(_VERSION, described.version, scrub),
            "floe_api_version": _unless(_VERSION, described.floe_api_version, scrub),
            "description": scrub(described.description),
            "dependencies": tuple(_unless(_NAME, each, scrub) for each in described.dependencies),
            "config_schema": schema if schema is None else _schema(schema, scrub),
        }
    )


def _unless(form: re.Pattern[str], text: str, scrub: Scrub) -> str:
    told = normalize_name(text) if form is _NAME and "/" not in text else text
    return text if form.fullmatch(told) else scrub(text)


def _schema(schema: Any, scrub: Scrub) -> Any:
    """Return a JSON schema with its texts scrubbed; a property that has the name of a keyword is a schema."""
    if isinstance(schema, list):
        return [_schema(each, scrub) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _value(value, scrub)
        if key in _TEXTS
        else {name: _schema(inner, scrub) for name, inner in value.items()}
        if key in ("properties", "$defs") and isinstance(value, dict)
        else _schema(value, scrub)
        for key, value in schema.items()
    }


def _value(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_value(each, scrub) for each in value]
    if isinstance(value, dict):
        return {scrub(key): _value(each, scrub) for key, each in value.items()}
    return value
