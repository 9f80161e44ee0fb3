"""What is wrong with a configuration, in the words of the manifest: where to look and what to change.

Faults carry paths and rules; values are looked at only to find out which part of the manifest gave a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from floe_core.host.protocol import ConfigFault, Verdict
from floe_operator.resource import FloePluginSpec
from floe_operator.sentences import listing, sentence, with_detail

_SHOWN = 3
_MISSING, _UNKNOWN_FIELD, _MORE = "missing", "extra_forbidden", "too_many_errors"
_RULES = {_MISSING: "is required", _UNKNOWN_FIELD: "is not a field of the plugin's schema"}
_SET = "set it in spec.config or by spec.configFrom"


def config_sentence(verdict: Verdict, spec: FloePluginSpec) -> str:
    """The verdict as the message of ConfigValid."""
    match verdict.reason:
        case "Valid":
            return "The configuration fits the plugin's schema"
        case "NothingToConfigure":
            return "There is nothing to configure"
        case "ConfigRequired":
            return _config_required([fault.field for fault in verdict.faults if fault.field])
        case "ValidationFailed":
            return _validation_failed(verdict.faults, spec)
        case "PlaintextSecret":
            return _plaintext_secret(verdict.faults, spec)
        case "ConfigNotAccepted":
            return _config_not_accepted(spec)
        case "SchemaFailed":
            return schema_failed(verdict.faults[0].message if verdict.faults else "")


def schema_failed(detail: str) -> str:
    """The plugin's schema is of no use, whatever the configuration."""
    wrong = with_detail("The plugin's configuration schema cannot be used", detail)
    return sentence(wrong, "install another release of the plugin")


def _config_required(fields: Sequence[str]) -> str:
    named = [f"spec.config.{field}" for field in fields]
    wrong = f"{listing(named)} must be given" if named else "The plugin requires a configuration"
    return sentence(f"{wrong}, and nothing is configured", _SET)


def _validation_failed(faults: Sequence[ConfigFault], spec: FloePluginSpec) -> str:
    """The first faults, each with its place."""
    if not faults:
        return sentence("The configuration does not fit the plugin's schema", "correct spec.config")
    named = [fault for fault in faults if fault.type != _MORE] or list(faults)
    places = [_place(fault, spec) for fault in named]
    shown = [f"{place}: {_rule(fault)}" for place, fault in list(zip(places, named, strict=True))[:_SHOWN]]
    return sentence(", ".join(shown) + _more(faults, named), _mend(named, places))


def _more(faults: Sequence[ConfigFault], named: Sequence[ConfigFault]) -> str:
    if len(named) < len(faults):
        return " and many more"
    return f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""


def _plaintext_secret(faults: Sequence[ConfigFault], spec: FloePluginSpec) -> str:
    """Whoever can read the manifest knows the secret now."""
    places = listing([_place(fault, spec) for fault in faults] or ["spec.config"])
    return sentence(
        f"{places}: a secret is given in plain text",
        "rotate it, put the new value into a Secret and refer to that by spec.configFrom",
    )


def _config_not_accepted(spec: FloePluginSpec) -> str:
    parts = {"spec.config": spec.config, "spec.configFrom": spec.config_from}
    given = listing(name for name, value in parts.items() if value)
    return sentence("The plugin takes no configuration", f"remove {given or 'spec.config'}")


def _mend(faults: Sequence[ConfigFault], places: Sequence[str]) -> str:
    if all(fault.type == _MISSING for fault in faults):
        return _SET
    sources = dict.fromkeys(place.partition(" (from ")[2].rstrip(")") for place in places)
    named = [f"what {source} refers to" if source else "spec.config" for source in sources]
    if all(fault.type == _UNKNOWN_FIELD for fault in faults):
        return f"correct the name, or remove it from {listing(named)}"
    return f"correct {listing(named)}"


def _rule(fault: ConfigFault) -> str:
    """The fault in words that go on after a path."""
    rule = _RULES.get(fault.type) or " ".join(fault.message.split()).rstrip(".") or "is not valid"
    for start, instead in (("Input should ", "must "), ("Input ", "")):
        if rule.startswith(start):
            return instead + rule.removeprefix(start)
    return rule


def _place(fault: ConfigFault, spec: FloePluginSpec) -> str:
    """`spec.config.a.b`, or `a.b (from spec.configFrom[0])` where that gave the value."""
    keys = fault.field.split(".") if fault.field else []
    inside = ".".join(["spec.config", *keys])
    if fault.type == _MISSING or not spec.config_from or (keys and _has(spec.config, keys)):
        return inside
    for index, source in reversed(list(enumerate(spec.config_from))):
        if source.path is not None and _related(source.path.split("."), keys):
            return f"{fault.field or 'the configuration'} (from spec.configFrom[{index}])"
    at_root = [index for index, source in enumerate(spec.config_from) if source.path is None]
    if not at_root or (keys and _has(spec.config, keys[:1])):
        return inside
    where = f"spec.configFrom[{at_root[0]}]" if len(at_root) == 1 else "spec.configFrom"
    return f"{fault.field or 'the configuration'} (from {where})"


def _related(path: list[str], keys: list[str]) -> bool:
    """Whether one of the paths leads through the other."""
    return all(one == other for one, other in zip(path, keys, strict=False))


def _has(value: Any, keys: list[str]) -> bool:
    """Whether a value has something at a path; `*` stands for any key."""
    if not keys:
        return True
    key, rest = keys[0], keys[1:]
    match value:
        case Mapping() if key == "*":
            return any(_has(item, rest) for item in value.values())
        case Mapping():
            return key in value and _has(value[key], rest)
        case list():
            return key.isdecimal() and int(key) < len(value) and _has(value[int(key)], rest)
        case _:
            return False
