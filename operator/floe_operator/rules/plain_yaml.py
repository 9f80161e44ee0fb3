"""YAML that is only JSON in another notation: what a source may merge into a configuration.

A value means what it means in a manifest (`yaml_values`). Beyond that: no tags, anchors, aliases, merge keys,
duplicate or non-string keys, and no depth or size that could do harm. Messages name the line, never what is
in it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from floe_operator.rules.yaml_values import ValueLoader, YamlFault, events, line_of

LARGEST = 256 * 1024
"""The longest text, in bytes of UTF-8."""
DEEPEST = 64
"""The deepest nesting, in levels."""


class NotPlain(ValueError):
    """The text is not a mapping of plain YAML."""


def parse_mapping(text: str) -> dict[str, Any]:
    """Return the mapping that a text contains, of JSON types only; an empty text gives `{}`.

    Raises:
        NotPlain: The text is no such mapping; the message says why.
    """
    if len(text.encode()) > LARGEST:
        raise NotPlain(f"it is longer than {LARGEST // 1024} KiB")
    try:
        _check_events(text)
        value = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 -- a SafeLoader
    except YamlFault as fault:
        raise NotPlain(str(fault)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotPlain(
            f"line {mark.line + 1} is not valid YAML" if mark else "it is not valid YAML"
        ) from None
    except (yaml.YAMLError, ValueError):
        raise NotPlain("it is not valid YAML") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotPlain("it is not a mapping")
    return value


def _check_events(text: str) -> None:
    """Refuse YAML that could do harm or that other parsers read differently, before building anything."""
    documents = 0
    for event in events(text, DEEPEST):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlFault(line_of(event), "starts a second document")
        elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlFault(line_of(event), "has an anchor or alias")
        elif getattr(event, "tag", None) is not None:
            raise YamlFault(line_of(event), "has a tag")


class _PlainLoader(ValueLoader):
    """Accepts only text as keys, and each key only once; `<<` is a key like any other."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        built: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise YamlFault(line_of(key_node), "has a key that is not text: quote it")
            if key in built:
                raise YamlFault(line_of(key_node), "repeats a key")
            built[key] = self.construct_object(value_node, deep=True)
        return built

    def construct_json_map(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        return self.construct_mapping(node)


_PlainLoader.add_constructor("tag:yaml.org,2002:map", _PlainLoader.construct_json_map)
