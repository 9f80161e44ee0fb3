"""One fault of a configuration in terms of the manifest: where it is, what is wrong and how to fix it.

Pure. Conditions and the findings of `validate` are both made from these explanations, so a check of a pull
request reports what the cluster would report. Explanations contain paths and rules; values are only read to
find out which part of the manifest sets a path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from floe_core.host.protocol import ConfigFault
from floe_operator.rules.conditions import bounded
from floe_operator.rules.config_mends import by_secret, rotate, set_all
from floe_operator.rules.config_paths import keys_of
from floe_operator.rules.facts import Hidden
from floe_operator.rules.resource import ConfigSource, FloePluginSpec
from floe_operator.rules.sentences import dotted, listing

MISSING, UNKNOWN_FIELD, PLAINTEXT_SECRET = "missing", "extra_forbidden", "plaintext_secret"

_CONFIG, _CONFIG_FROM = ("spec", "config"), ("spec", "configFrom")
_RULES = {
    MISSING: "is required",
    UNKNOWN_FIELD: "is not a field of the plugin's schema",
    PLAINTEXT_SECRET: "is a secret in plain text",
}
_CONTAINERS = (
    "dict_type",
    "list_type",
    "model_type",
    "model_attributes_type",
    "dataclass_type",
    "tuple_type",
    "set_type",
)
_SHOWN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_SHOULD = re.compile(r"(?!Keys )[A-Z]\w*(?: input)? should ")
_SHOWN_BYTES = 320
"""The most of a validator's text that is shown, so that other faults find room beside it."""
_VERBS = ("is ", "must ", "does ", "has ", "needs ")


@dataclass(frozen=True, slots=True)
class ExplainedFault:
    """A fault with its place in a manifest, the rule it breaks and how to fix it."""

    type: str
    keys: tuple[str, ...]
    """The path in the configuration; `*` stands for a key that must not be shown."""
    part: tuple[str | int, ...]
    """The part of the manifest to look at: spec.config, one entry of spec.configFrom, or all its entries."""
    rule: str
    """What is wrong, worded so that it can follow the place."""
    meant: str
    """The field the author probably meant."""
    mend: str
    secrets: tuple[str, ...] = ()
    """The secret fields that fixing it takes: its own, or some below it."""

    @property
    def is_of_secret(self) -> bool:
        """Whether the field itself is a secret."""
        return self.secrets == (self.field,)

    @property
    def place(self) -> str:
        """Where the fault is: `spec.config.a.b`, or `a.b (from spec.configFrom[0])`.

        A secret that is missing has no place: it must not be given in spec.config.
        """
        if self.type == MISSING and self.is_of_secret:
            return self.field
        if self.part == _CONFIG:
            return dotted((*_CONFIG, *self.keys))
        return f"{self.field or 'the configuration'} (from {dotted(self.part)})"

    @property
    def field(self) -> str:
        """The dotted path in the configuration."""
        return ".".join(self.keys)

    def said_of(self, subject: str) -> str:
        """Return the rule as a clause about a subject, such as the place."""
        return f"{subject} {self.rule}" if self._has_verb else f"{subject}: {self.rule}"

    @property
    def alone(self) -> str:
        """The rule as a clause that follows a place and a colon."""
        return f"it {self.rule}" if self._has_verb else self.rule

    @property
    def _has_verb(self) -> bool:
        return self.rule.startswith(_VERBS)


def explain(
    fault: ConfigFault,
    spec: FloePluginSpec,
    schema: Mapping[str, Any] | None = None,
    hidden: Iterable[Hidden] = (),
) -> ExplainedFault:
    """Explain a fault in the configuration of `spec`; the plugin's JSON schema shows what was meant.

    Entries of spec.configFrom that are hidden whole are not to blame.
    """
    keys = tuple(fault.field.split(".")) if fault.field else ()
    part = _part(fault, keys, spec, {each.entry for each in hidden})
    known = _field_names(schema or {}, keys[:-1]) if fault.type == UNKNOWN_FIELD else []
    meant = "".join(get_close_matches(keys[-1], known, n=1)) if keys else ""
    secrets = _secrets(fault, part, meant, spec)
    mend = _mend(fault, part, meant, known, secrets, spec)
    return ExplainedFault(fault.type, keys, part, _rule(fault), meant, mend, secrets)


def what(part: tuple[str | int, ...]) -> str:
    """Return a name for a part of the manifest that fits after the word "correct"."""
    return dotted(part) if part == _CONFIG else f"what {dotted(part)} refers to"


def has(value: Any, keys: Sequence[str]) -> bool:
    """Return True if a value has something at a path; `*` stands for any key."""
    if not keys:
        return True
    inner, rest = keys[0], keys[1:]
    if isinstance(value, Mapping):
        return any(has(item, rest) for key, item in value.items() if inner in ("*", key))
    if isinstance(value, list):
        return any(has(item, rest) for index, item in enumerate(value) if inner in ("*", str(index)))
    return False


def _part(
    fault: ConfigFault, keys: tuple[str, ...], spec: FloePluginSpec, hidden: Collection[int]
) -> tuple[str | int, ...]:
    """Return the part at fault; for a missing field, spec.config, where people look first."""
    sources = {index: source for index, source in enumerate(spec.config_from) if index not in hidden}
    if fault.type == MISSING or not sources:
        return _CONFIG
    if fault.type == UNKNOWN_FIELD and keys[-1:] == ("*",) and not _has_odd_key(spec.config, keys[:-1]):
        return _one_of([at for at, source in sources.items() if source.path is None and _is_secret(source)])
    if not keys:
        return _CONFIG if spec.config else _one_of(sources)
    paths = {index: source.path for index, source in sources.items() if source.path is not None}
    for index, path in reversed(paths.items()):
        # In spec.config there is a null at most, which keeps the place of this item.
        if path.endswith("]") and keys_of(path) == keys:
            return (*_CONFIG_FROM, index)
    if has(spec.config, keys):
        return _CONFIG
    for index, path in reversed(paths.items()):
        if _related(keys_of(path), keys):
            return (*_CONFIG_FROM, index)
    roots = [index for index, source in sources.items() if source.path is None]
    return _CONFIG if has(spec.config, keys[:1]) else _one_of(roots)


def _one_of(entries: Collection[int]) -> tuple[str | int, ...]:
    """Return the part for one of these entries: spec.config for none, spec.configFrom for several."""
    if not entries:
        return _CONFIG
    return (*_CONFIG_FROM, *entries) if len(entries) == 1 else _CONFIG_FROM


def _has_odd_key(value: Any, keys: Sequence[str]) -> bool:
    """Return True if a mapping at a path has a key that is never shown, because it looks like no name."""
    if keys and isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        return any(_has_odd_key(item, keys[1:]) for key, item in items if keys[0] in ("*", str(key)))
    return isinstance(value, Mapping) and not all(map(_SHOWN_NAME.fullmatch, value))


def _is_secret(source: ConfigSource) -> bool:
    return source.secret_key_ref is not None


def _related(path: Sequence[str], keys: Sequence[str]) -> bool:
    """Return True if one of the paths leads through the other."""
    return all(one == other or "*" in (one, other) for one, other in zip(path, keys, strict=False))


def _rule(fault: ConfigFault) -> str:
    if fault.type in _RULES:
        return _RULES[fault.type]
    # What pydantic adds after ", unable to" only repeats the rule.
    said = " ".join(fault.message.split()).partition(", unable to ")[0].rstrip(".")
    if found := _SHOULD.match(said):
        return f"must {said[found.end() :]}"
    said = said.removeprefix("Input ") or "is not valid"
    if fault.plugin_text:
        said = f"{said}: {bounded(fault.plugin_text, _SHOWN_BYTES).rstrip('.:; ')}"
    return said if said[1:2].isupper() else f"{said[0].lower()}{said[1:]}"


def _secrets(
    fault: ConfigFault, part: tuple[str | int, ...], meant: str, spec: FloePluginSpec
) -> tuple[str, ...]:
    """Return the secret fields that are given in plain text, or might be by whoever fixes the fault."""
    if fault.type != UNKNOWN_FIELD:
        return fault.secrets if part == _CONFIG else ()
    source = _source(part, spec)
    if not meant or (source is not None and _is_secret(source)):
        return ()
    parent, _, _ = fault.field.rpartition(".")
    wanted = f"{parent}.{meant}" if parent else meant
    return tuple(field for field in fault.secrets if f"{field}.".startswith(f"{wanted}."))


def _source(part: tuple[str | int, ...], spec: FloePluginSpec) -> ConfigSource | None:
    index = part[-1]
    return spec.config_from[index] if isinstance(index, int) else None


def _mend(
    fault: ConfigFault,
    part: tuple[str | int, ...],
    meant: str,
    known: Sequence[str],
    secrets: tuple[str, ...],
    spec: FloePluginSpec,
) -> str:
    if fault.type == PLAINTEXT_SECRET:
        return rotate([fault.field])
    if fault.type == UNKNOWN_FIELD:
        return _mend_of_unknown(meant, known, secrets)
    if fault.type == MISSING:
        return _mend_of_missing(fault.field, secrets, spec)
    if secrets:
        itself = secrets == (fault.field,)
        return by_secret(secrets) if itself else f"correct it, and {by_secret(secrets, its=True)}"
    source = _source(part, spec)
    if source is not None and source.path is not None and fault.type.endswith("_type"):
        return _mend_of_shape(fault, source.path, part)
    return "correct it" if part == _CONFIG else f"correct {what(part)}"


def _mend_of_missing(field: str, secrets: tuple[str, ...], spec: FloePluginSpec) -> str:
    for index, source in enumerate(spec.config_from):
        if source.path is not None and ".".join(keys_of(source.path)) == field:
            return (
                f"create what spec.configFrom[{index}] refers to"  # which is optional, or it would not lack
            )
    return set_all([] if secrets == (field,) else ["it"], secrets)


def _mend_of_shape(fault: ConfigFault, path: str, part: tuple[str | int, ...]) -> str:
    """Return how to fix a value of a wrong type that comes from an entry with a path, which gives text."""
    keys = keys_of(path)
    if len(keys) > len(fault.field.split(".")):
        return f"end the path of {dotted(part)} at it"
    if fault.type in _CONTAINERS:
        return f"extend the path of {dotted(part)}, or leave it out and make the content a YAML mapping"
    return f"correct {what(part)}"


def _mend_of_unknown(meant: str, known: Sequence[str], secrets: Sequence[str]) -> str:
    if not meant:
        return f"use {listing(known, most=12, word='or')}" if known else "remove it"
    if not secrets:
        return f"did you mean {meant}?"
    is_or_holds = "is" if secrets[0].rpartition(".")[2] == meant else "holds"
    return f"did you mean {meant}? It {is_or_holds} a secret: {rotate(secrets)}"


def _field_names(schema: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Return the fields that a JSON schema has at a path, following references and unions."""
    states: list[Mapping[str, Any]] = list(_alternatives(schema, schema))
    for key in keys:
        inner = [_child(state, key) for state in states]
        states = [each for found in inner if found for each in _alternatives(schema, found)]
    return sorted({name for state in states for name in state.get("properties", {})})


def _child(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    named = schema.get("properties", {}).get(key)
    for found in (named, schema.get("items"), schema.get("additionalProperties")):
        if isinstance(found, Mapping):
            return found
    return None


def _alternatives(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    todo, seen = [schema], set()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        reference = str(each.get("$ref", "")).removeprefix("#/$defs/")
        todo.extend(found for found in [root.get("$defs", {}).get(reference)] if found)
        for word in ("allOf", "anyOf", "oneOf"):
            todo.extend(each.get(word, ()))
