"""The documents of one YAML or JSON text, as kubectl reads them: JSON values, with the line of each part.

Pure; called by `manifests`. Messages name a line and never what stands in it: a text may hold Secrets.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a part of a document."""

DEEPEST = 200
"""Levels of nesting, aliases followed."""
LARGEST = 1_000_000
"""Values in a document, aliases followed; no API server takes that many."""

_QUOTED = re.compile(r"""'[^'<][^']+'|"[^"]{2,}\"""")


class UnreadableText(ValueError):
    """The text, from `line` on, is no YAML (or JSON) that an API server would be sent."""

    def __init__(self, line: int | None, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class Part:
    """A document, its number (from 1) and where each of its parts stands."""

    number: int
    value: Any = field(repr=False)
    _node: yaml.Node | None = field(default=None, repr=False)

    def line(self, path: Path = ()) -> int | None:
        """The line of the part that a path leads to, or of the last one on the way that is there."""
        node = self._node
        line = _line(node) if node is not None else None
        for step in path:
            found = _inside(node, step)
            if found is None:
                break
            line, node = found
        return line


def read_yaml(text: str) -> Iterator[Part]:
    """The documents that are not empty; those before a fault come before UnreadableText is raised."""
    numbers = 0
    try:
        _check_depth(text)
        for node in _composed(text):
            numbers += 1
            if node.tag != _NULL:
                yield Part(numbers, _value(node), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub("a text", error.problem or error.context or "it cannot be parsed")
        raise UnreadableText(mark.line + 1 if mark else None, problem) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise UnreadableText(line, "it has a character that YAML does not allow") from None


def read_json(text: str) -> Iterator[Part]:
    """The one document of a JSON text."""
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise UnreadableText(error.lineno, error.msg[:1].lower() + error.msg[1:]) from None
    except RecursionError:
        raise UnreadableText(None, "it is nested too deeply") from None
    node = None
    with suppress(yaml.YAMLError, UnreadableText):  # JSON that is no YAML has no lines
        plain = text.replace("\t", " ")
        _check_depth(plain)
        node = next(_composed(plain), None)
    yield Part(1, value, node)


def _line(node: yaml.Node | yaml.Event) -> int:
    mark = node.start_mark
    return mark.line + 1 if mark is not None else 1


def _inside(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return _line(key), value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return _line(item), item
    return None


def _composed(text: str) -> Iterator[yaml.Node]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Before anything is built: the parser's own recursion has no limit. A text that is no YAML passes."""
    depth = 0
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    raise UnreadableText(_line(event), f"it is nested deeper than {DEEPEST} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1


def _value(node: yaml.Node) -> Any:
    _measure(node, 0, {})
    # Every node is built from the tree that was composed; the constructor needs no text.
    builder = _Loader("")
    try:
        return builder.construct_document(node)
    except ValueError as error:
        if isinstance(error, UnreadableText):
            raise
        raise UnreadableText(_line(node), "it has a value that cannot be read") from None
    finally:
        builder.dispose()


def _measure(node: yaml.Node, depth: int, sizes: dict[int, int]) -> int:
    """How many values a node stands for; refuses duplicate keys and what grows by aliases."""
    if id(node) in sizes:
        return sizes[id(node)]
    line = _line(node)
    if depth > DEEPEST:
        raise UnreadableText(line, f"it is nested deeper than {DEEPEST} levels, or refers to itself")
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        inner = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    size = 1 + sum(_measure(each, depth + 1, sizes) for each in inner)
    if size > LARGEST:
        raise UnreadableText(line, f"it stands for more than {LARGEST:,} values")
    sizes[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode) or key.tag == _NULL:
            raise UnreadableText(line, "it has a key that is not text")
        if key.tag != _MERGE and key.value in seen:
            raise UnreadableText(line, "it gives a key a second time")
        seen.add(key.value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise UnreadableText(None, "it gives a key a second time")
    return built


def _refuse(_: str) -> None:
    raise UnreadableText(None, "it has a number that is not finite")


_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Resolves plain scalars as sigs.k8s.io/yaml does, and builds JSON types only."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012 - PyYAML's

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        # Not by PyYAML's own: to Python, the keys true and 1 are the same.
        return {
            _key(self.construct_object(key)): self.construct_object(value, deep=deep)
            for key, value in node.value
        }

    def construct_untagged(self, node: yaml.Node) -> Any:
        """Tags of other tools: kubectl passes over them."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        text = node.value.replace("_", "")
        return int(re.sub(r"^([-+]?)0o?(?=[0-7])", r"\g<1>0o", text), 0)

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        number = float(re.sub(r"\.(?=[a-zA-Z])", "", node.value))
        if not math.isfinite(number):
            if node.value[-1].isdecimal():
                return str(node.value)  # one that a double cannot hold stays the text that it is
            raise UnreadableText(_line(node), "it has a number that is not finite")
        # Go writes a whole number without a point, and the API server reads it as one.
        return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _key(key: Hashable) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key)


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return bool(node.value.lower() in ("y", "yes", "true", "on"))


for _name, _pattern, _first in (
    (
        "bool",
        r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})\\Z"), list(_first)
    )
for _name, _build in (
    ("bool", _bool),
    ("int", _Loader.construct_integer),
    ("float", _Loader.construct_number),
    ("null", lambda loader, node: None),
    ("str", _Base.construct_yaml_str),
    ("seq", _Base.construct_yaml_seq),
    ("map", _Base.construct_yaml_map),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _build)
_Loader.add_constructor(None, _Loader.construct_untagged)
