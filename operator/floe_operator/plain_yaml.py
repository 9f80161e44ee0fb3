"""YAML that is no more than JSON in another spelling: what a Secret may merge into a configuration.

No tags, anchors, aliases, duplicate or non-string keys, and no depth or size that could harm; a date is the
text it is. Messages name the line, never what stands in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

LARGEST = 256 * 1024
"""Bytes of UTF-8."""
DEEPEST = 64
"""Levels of nesting."""


class NotPlain(ValueError):
    """The text is no mapping of plain YAML."""


def parse_mapping(text: str) -> dict[str, Any]:
    """The mapping that a text holds, of JSON types only; NotPlain says why there is none. Nothing is `{}`."""
    if len(text.encode()) > LARGEST:
        raise NotPlain(f"it is longer than {LARGEST // 1024} KiB")
    try:
        _check_events(text)
        value = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotPlain(f"line {mark.line + 1} is no YAML" if mark else "it is no YAML") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, NotPlain):
            raise
        raise NotPlain("it is no YAML") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotPlain("it is not a mapping")
    return value


def _check_events(text: str) -> None:
    """Refuses what could harm before anything is built from it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Base):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise NotPlain(f"line {line} starts a second document")
        elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotPlain(f"line {line} has an anchor or alias")
        elif getattr(event, "tag", None) is not None:
            raise NotPlain(f"line {line} has a tag")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise NotPlain(f"line {line} is nested deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Base):  # type: ignore[misc]
    """Builds JSON types only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        built: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise NotPlain(f"the key in line {line} is not text: quote it")
            if key in built:
                raise NotPlain(f"line {line} gives a key a second time")
            built[key] = self.construct_object(value_node, deep=True)
        return built

    def construct_json_map(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        return self.construct_mapping(node)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        number = float(self.construct_yaml_float(node))
        if not math.isfinite(number):
            raise NotPlain(f"the number in line {node.start_mark.line + 1} is not finite")
        return number


# PyYAML wants a point in a float; JSON does not.
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), list("-+0123456789")
)
_PlainLoader.add_constructor("tag:yaml.org,2002:map", _PlainLoader.construct_json_map)
_PlainLoader.add_constructor("tag:yaml.org,2002:float", _PlainLoader.construct_finite)
_PlainLoader.add_constructor("tag:yaml.org,2002:timestamp", _Base.construct_yaml_str)
# `<<` and `=` are keys like any other.
_PlainLoader.add_constructor("tag:yaml.org,2002:merge", _Base.construct_yaml_str)
_PlainLoader.add_constructor("tag:yaml.org,2002:value", _Base.construct_yaml_str)
