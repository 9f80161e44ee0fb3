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
from floe_operator.rules.scrub import REDACTED

Scrub = Callable[[str], str]

_NAME = re.compile(r"([a-z]+(-[a-z]+)*/)?[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"\d+(\.\d+){0,3}((a|b|rc|\.?dev|\.?post)\d+)?(\+[a-z0-9.]{1,16})?")
_STRUCTURE = ("$ref", "type", "required", "propertyName")
"""The keywords of a JSON schema whose values name parts of it."""
_NAMED = ("properties", "$defs")
"""The keywords whose members have names of fields and classes."""
_DATA = ("default", "const", "enum", "examples")
"""The keywords whose values are like those of a configuration."""
_KEYWORD = re.compile(r"[A-Za-z$][A-Za-z0-9_$-]{0,40}")


def scrubbed(outcome: Described | LoadFault, scrub: Scrub) -> Described | LoadFault:
    """Return the outcome of an import with the plugin's own words scrubbed."""
    if isinstance(outcome, Described):
        return dataclasses.replace(outcome, description=_description(outcome.description, scrub))
    message = outcome.message
    if outcome.quoted and (told := scrub(outcome.quoted)) != outcome.quoted:
        before, _, after = message.rpartition(outcome.quoted)
        message = f"{before}{told}{after}"
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
    """Return a JSON schema with all of it scrubbed but its keywords, names and references."""
    if isinstance(schema, list):
        return [_schema(each, scrub) for each in schema]
    if not isinstance(schema, dict):
        return _data(schema, scrub)
    told: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _STRUCTURE:
            told[key] = value
        elif key in _DATA:
            told[key] = _data(value, scrub)
        elif key in _NAMED and isinstance(value, dict):
            told[key] = {name: _schema(inner, scrub) for name, inner in value.items()}
        else:
            told[key if _KEYWORD.fullmatch(key) else scrub(key)] = _schema(value, scrub)
    return told


def _data(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, dict):
        return {scrub(key): _data(each, scrub) for key, each in value.items()}
    if isinstance(value, list):
        return [_data(each, scrub) for each in value]
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if scrub(str(value)) == str(value) else REDACTED
    return value
