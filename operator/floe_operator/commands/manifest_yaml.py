"""Reads one YAML document as sigs.k8s.io/yaml does: JSON values, with the line of each part.

Follows aliases and merge keys, ignores other tools' tags, makes keys text. Pure. How a text is divided into
documents is not decided here. Messages name a line but never quote it, because the text can hold Secrets.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from floe_operator.rules.yaml_values import (
    MERGE,
    NOT_FINITE,
    Scalar,
    YamlFault,
    events,
    key_text,
    line_of,
    plain,
    tagged,
    too_deep,
    whole_number,
)

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a part of a document."""

DEEPEST = 200
"""The most levels of nesting, counted through aliases."""
LARGEST = 1_000_000
"""The most values in a document, counted through aliases; no API server accepts that many."""

_ESCAPED_SLASH = re.compile(r"(?<!\\)(?:\\\\)*\\/")
_AFTER_END = "is after the end of its document, where kubectl ignores it; begin each document with a line ---"
_NOT_TAKEN = re.compile("[\x7f-\x9f\ufffe\uffff]")
"""Characters that YAML forbids or folds: server-side apply sends texts as YAML without escaping these."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping, as text; `<<` can merge other mappings."""

    text: str
    line: int
    is_merge: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """A part of a document: a scalar, or what has items or pairs; an alias is what it refers to."""

    line: int
    scalar: Scalar = None
    items: list[Node] | None = None
    pairs: list[tuple[Key, Node]] | None = None
    size: int = 1
    """How many values it has."""
    levels: int = 0
    """How many levels of mappings and lists it has."""

    @property
    def is_scalar(self) -> bool:
        """Whether it is neither a list nor a mapping."""
        return self.items is None and self.pairs is None

    def inside(self, step: str | int) -> tuple[int, Node] | None:
        """Return what a key or an index leads to and the line to show for it, or None if there is nothing."""
        for key, value in self.pairs or ():
            if key.text == str(step) and not key.is_merge:
                return key.line, value
        if self.items is not None and isinstance(step, int) and step < len(self.items):
            return self.items[step].line, self.items[step]
        return None


def check_text(text: str, line: int) -> str:
    """Return a text that is a key or a value.

    Raises:
        YamlFault: It has a character that no object can have.
    """
    if _NOT_TAKEN.search(text):
        raise YamlFault(line, "has a control character in a text; remove it")
    return text


def compose(text: str) -> Node | None:
    """Return the document in a text, or None if there is none.

    Raises:
        YamlFault: The document cannot be sent to an API server, or something follows it.
        yaml.YAMLError: The text is not YAML.
    """
    composer = _Composer(text)
    for event in events(text, DEEPEST):
        composer.take(event)
    return composer.document


@dataclass(slots=True, eq=False)
class _Open:
    """A list or a mapping whose end has not come yet."""

    node: Node
    anchor: str | None
    is_flow: bool
    key: Key | None = None
    """The key whose value has not come yet."""
    keys: set[str] = field(default_factory=set)


class _Composer:
    """Builds nodes from the parser's events, without recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        """None stands for a node whose end has not come yet."""
        self.document: Node | None = None

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            YamlFault: The document cannot be sent to an API server.
        """
        if isinstance(event, yaml.DocumentStartEvent) and self.document is not None:
            raise YamlFault(line_of(event), _AFTER_END)
        if isinstance(event, yaml.DocumentEndEvent) and event.explicit:
            _check_nothing_follows(self._text, line_of(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self._open.pop()
            self._add(self._known(ended.anchor, _measured(ended.node)), event)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._target(event), event)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_writing(event)
            self._add(self._known(event.anchor, Node(line_of(event), _scalar(event))), event)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        node = Node(line_of(event))
        if isinstance(event, yaml.MappingStartEvent):
            node.pairs = []
        else:
            node.items = []
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor, bool(event.flow_style)))

    def _known(self, anchor: str | None, node: Node) -> Node:
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _target(self, event: yaml.AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            raise YamlFault(line_of(event), "refers to an anchor that is not there")
        target = self._anchors[event.anchor]
        if target is None:
            raise YamlFault(line_of(event), "refers to itself")
        return target

    def _add(self, node: Node, event: yaml.Event) -> None:
        """Put a complete node where it belongs; `event` is its last one."""
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.node.pairs is not None and parent.key is None:
            parent.key = key = _key(node, event)
            if not key.is_merge:
                if key.text in parent.keys:
                    raise YamlFault(key.line, "repeats a key")
                parent.keys.add(key.text)
            return
        if isinstance(node.scalar, float) and not math.isfinite(node.scalar):
            raise YamlFault(node.line, NOT_FINITE)
        if parent is None:
            self.document = node
        elif parent.node.items is not None:
            parent.node.items.append(node)
        elif parent.node.pairs is not None and parent.key is not None:
            if parent.key.is_merge:
                _check_merged(parent.key, node, isinstance(event, yaml.AliasEvent))
            parent.node.pairs.append((parent.key, node))
            parent.key = None

    def _check_writing(self, event: yaml.ScalarEvent) -> None:
        """Raise a YamlFault if kubectl's parser, which is older than libyaml, would not read the scalar."""
        line, is_flow = line_of(event), bool(self._open) and self._open[-1].is_flow
        if not event.style and is_flow and "?" in event.value:
            raise YamlFault(line, "has a question mark in an unquoted text inside [] or {}; quote it")
        if event.style == '"' and event.start_mark is not None and event.end_mark is not None:
            written = self._text[event.start_mark.index : event.end_mark.index]
            if _ESCAPED_SLASH.search(written):
                raise YamlFault(line, "has the escape \\/, which kubectl does not read; write /")


def _check_nothing_follows(text: str, end: int) -> None:
    """Raise a YamlFault if there is more than comments after the line that ends the document."""
    for number, line in enumerate(text.split("\n")[end:], end + 1):
        if line.strip() and not line.lstrip().startswith("#"):
            raise YamlFault(number, _AFTER_END)


def _key(node: Node, event: yaml.Event) -> Key:
    if isinstance(event, yaml.ScalarEvent) and _is_merge(event):
        return Key("<<", node.line, is_merge=True)
    if not node.is_scalar or node.scalar is None:
        raise YamlFault(node.line, "has a key that is not text")
    if isinstance(node.scalar, str) or not isinstance(event, yaml.ScalarEvent):
        return Key(key_text(node.scalar), node.line)
    whole = whole_number(event.value)
    if whole is not None and whole >= 2**63:
        raise YamlFault(node.line, "has a key that is too large a number; quote it")
    if whole is None and isinstance(node.scalar, int) and not isinstance(node.scalar, bool):
        return Key(key_text(float(event.value.replace("_", ""))), node.line)
    return Key(key_text(node.scalar), node.line)


def _is_merge(key: yaml.ScalarEvent) -> bool:
    is_plain = key.tag in (None, "!") and key.implicit[0]
    return bool(key.value == "<<" and (is_plain or key.tag == MERGE))


def _check_merged(key: Key, value: Node, is_alias: bool) -> None:
    several = value.items if not is_alias else None
    if not all(each.pairs is not None for each in ([value] if several is None else several)):
        raise YamlFault(key.line, "merges (<<) something that is not a mapping")


def _measured(node: Node) -> Node:
    """Return a complete list or mapping with its size and levels.

    Raises:
        YamlFault: It has too many of them.
    """
    inner = [value for _, value in node.pairs] if node.pairs is not None else node.items or []
    node.size += sum(each.size for each in inner)
    node.levels = 1 + max((each.levels for each in inner), default=0)
    if node.size > LARGEST:
        raise YamlFault(node.line, f"expands to more than {LARGEST:,} values")
    if node.levels > DEEPEST:
        raise YamlFault(node.line, too_deep(DEEPEST))
    return node


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    line = line_of(event)
    if event.tag is None:
        value = plain(event.value) if event.implicit[0] else str(event.value)
    else:
        try:
            value = tagged(event.tag, event.value)
        except ValueError:
            raise YamlFault(line, "has a value that its tag does not fit; remove the tag") from None
    return check_text(value, line) if isinstance(value, str) else value


def value_of(node: Node, built: dict[int, Any] | None = None) -> Any:
    """Return the JSON value of a node; what several aliases refer to is built once."""
    built = {} if built is None else built
    if id(node) not in built:
        if node.pairs is not None:
            built[id(node)] = _merged(node.pairs, built)
        elif node.items is not None:
            built[id(node)] = [value_of(each, built) for each in node.items]
        else:
            return node.scalar
    return built[id(node)]


def _merged(pairs: list[tuple[Key, Node]], built: dict[int, Any]) -> dict[str, Any]:
    """Return a mapping; what stands later wins, whether it is merged or not."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key.is_merge:
            for each in [value] if value.items is None else reversed(value.items):
                found |= value_of(each, built)
        else:
            found[key.text] = value_of(value, built)
    return found
