"""The CRD's CEL rules in Python: which of them a value breaks, in the API server's words. Pure.

Grammars and messages are read from the CRD. What other rules mean, and what a messageExpression adds to the
message, is written out here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from floe_core.plugin_types import PluginId, PluginType, normalize_name
from floe_operator.rules.crd import CEL, grammar
from floe_operator.rules.resource import NAME_PATTERN, is_nameable, object_name


@dataclass(frozen=True)
class BrokenRule:
    """A rule that a value breaks: the field below the value that it names, the cause and the message."""

    path: tuple[str, ...]
    cause: str
    message: str


def broken_rules(rules: list[Mapping[str, Any]], value: Any) -> Iterator[BrokenRule]:
    """Yield those of a schema's rules that a value breaks; a value of a wrong type breaks none."""
    for rule in rules:
        if not _holds(rule, value):
            path = tuple(filter(None, rule.get("fieldPath", "").split(".")))
            advice = _ADVICE[rule["rule"]](value) if "messageExpression" in rule else ""
            yield BrokenRule(path, rule.get("reason", "FieldValueInvalid"), rule["message"] + advice)


def _holds(rule: Mapping[str, Any], value: Any) -> bool:
    pattern = grammar({CEL: [rule]})
    if pattern is None:
        return _MEANINGS[rule["rule"]](value)
    # Python's `$` would allow a newline.
    return not isinstance(value, str) or not value or bool(re.fullmatch(pattern.removesuffix("$"), value))


def _is_named_after_its_plugin(document: Any) -> bool:
    plugin, name = _plugin(document), _field(document, "metadata", "name")
    return plugin is None or not isinstance(name, str) or not name or name == object_name(plugin)


def _plugin(document: Any) -> PluginId | None:
    """Return the plugin, or None if no object can stand for it."""
    type_, name = _field(document, "spec", "type"), _field(document, "spec", "name")
    if not isinstance(type_, str) or not isinstance(name, str):
        return None
    try:
        plugin = PluginId(PluginType.from_slug(type_), name)
    except ValueError:
        return None
    return plugin if is_nameable(plugin) else None


def _field(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _has_one_reference(source: Any) -> bool:
    return not isinstance(source, Mapping) or ("secretKeyRef" in source) != ("configMapKeyRef" in source)


def _name_to_write(name: str) -> str:
    plugin = PluginId(PluginType.COMPUTE, normalize_name(name))
    if name.isascii() and is_nameable(plugin):
        return f"; write {plugin.name}"
    return "; use only a-z, 0-9 and single hyphens between them"


def _object_to_write(document: Any) -> str:
    plugin = _plugin(document)
    return f"; name this object {object_name(plugin)}" if plugin is not None else ""


_NAMED = (
    f"!self.spec.name.matches(r'{NAME_PATTERN}')"
    " || self.metadata.name == self.spec.type + '-' + self.spec.name"
)
_MEANINGS: Mapping[str, Callable[[Any], bool]] = {
    _NAMED: _is_named_after_its_plugin,
    "has(self.secretKeyRef) != has(self.configMapKeyRef)": _has_one_reference,
    "self == oldSelf": lambda value: True,  # about updates, so a manifest alone cannot break it
}
_ADVICE: Mapping[str, Callable[[Any], str]] = {
    _NAMED: _object_to_write,
    f"self == '' || self.matches(r'{NAME_PATTERN}')": _name_to_write,
}
