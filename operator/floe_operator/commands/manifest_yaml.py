"""Reads the documents of a YAML or JSON text as kubectl does: JSON values, with the line of each part.

Pure. Messages name a line but never quote it, because the text can hold Secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from floe_operator.rules.yaml_values import (
    MERGE,
    NULL,
    ValueLoader,
    YamlFault,
    events,
    line_of,
    number,
    too_deep,
)

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a part of a document."""

DEEPEST = 200
"""The most levels of nesting, counted through aliases."""
LARGEST = 1_000_000
"""The most values in a document, counted through aliases; no API server accepts that many."""

_JSON_NESTING = re.compile(r"""\"(?:[^"\\]++|\\.)*+\"?|[\[{]|[\]}]""", re.DOTALL)
_QUOTED = re.compile(r"""'[^'<][^']+'|"[^"]{2,}\"""")


class UnreadableText(ValueError):
    """From `line` on, the text is not YAML (or JSON) that could be sent to an API server."""

    def __init__(self, line: int | None, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class Part:
    """A document, its number (from 1) and the line of each of its parts."""

    number: int
    value: Any = field(repr=False)
    _node: yaml.Node | None = field(default=None, repr=False)

    def line(self, path: Path = ()) -> int | None:
        """Return the line of the part at a path, or of the last existing part on the way to it."""
        node = self._node
        line = line_of(node) if node is not None else None
        for step in path:
            found = _inside(node, step)
            if found is None:
                break
            line, node = found
        return line


def read_yaml(text: str) -> Iterator[Part]:
    """Yield the documents that are not empty.

    If the text is nested too deeply anywhere, no document is yielded.

    Raises:
        UnreadableText: The text has a fault; the documents before it have been yielded.
    """
    numbers = 0
    try:
        _check_depth(text)
        for node in _composed(text):
            numbers += 1
            if node.tag != NULL:
                yield Part(numbers, _value(node), node)
    except YamlFault as fault:
        raise UnreadableText(fault.line, f"it {fault.detail}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub("some text", error.problem or error.context or "it cannot be parsed")
        raise UnreadableText(mark.line + 1 if mark else None, problem) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise UnreadableText(line, "it has a character that YAML does not allow") from None


def read_json(text: str) -> Iterator[Part]:
    """Yield the only document of a JSON text."""
    _check_json_depth(text)
    try:
        value = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_number, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise UnreadableText(error.lineno, error.msg[:1].lower() + error.msg[1:]) from None
    node = None
    with suppress(yaml.YAMLError):  # the lines of JSON that is not YAML are unknown
        node = next(_composed(text.replace("\t", " ")), None)
    yield Part(1, value, node)


def _check_json_depth(text: str) -> None:
    """Reject nesting that Python's parser might not survive; its own limit depends on the Python version."""
    depth = 0
    for token in _JSON_NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > DEEPEST:
            raise UnreadableText(text.count("\n", 0, token.start()) + 1, f"it {too_deep(DEEPEST)}")


def _inside(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return line_of(key), value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return line_of(item), item
    return None


def _composed(text: str) -> Iterator[yaml.Node]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Reject text that is nested too deeply; invalid YAML passes, because composing it reports the fault."""
    with suppress(yaml.YAMLError):
        for _ in events(text, DEEPEST):
            pass


def _value(node: yaml.Node) -> Any:
    _measure(node, 0, {})
    # Every value is built from the composed tree; the constructor needs no text.
    builder = _Loader("")
    try:
        return builder.construct_document(node)
    finally:
        builder.dispose()


def _measure(node: yaml.Node, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many values and levels a node has, counted through aliases.

    Raises:
        YamlFault: A key is repeated, or there are too many values or levels.
    """
    line = line_of(node)
    size, levels = known.get(id(node), (1, int(isinstance(node, yaml.CollectionNode))))
    if depth + levels > DEEPEST:
        raise YamlFault(line, f"{too_deep(DEEPEST)}, or refers to itself")
    if id(node) in known:
        return size, levels
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        inner = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    for each in inner:
        values, below = _measure(each, depth + 1, known)
        size, levels = size + values, max(levels, below + 1)
    if size > LARGEST:
        raise YamlFault(line, f"expands to more than {LARGEST:,} values")
    known[id(node)] = size, levels
    return size, levels


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        line = line_of(key)
        if not isinstance(key, yaml.ScalarNode) or key.tag == NULL:
            raise YamlFault(line, "has a key that is not text")
        if key.tag != MERGE and key.value in seen:
            raise YamlFault(line, "repeats a key")
        seen.add(key.value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise UnreadableText(None, "it repeats a key")
    return built


def _number(text: str) -> int | float:
    found = number(text)
    if found is None:
        raise UnreadableText(None, "it has a number that is not finite")
    return found


class _Loader(ValueLoader):
    """Builds values like sigs.k8s.io/yaml: follows merge keys, ignores other tools' tags, makes keys text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        # Not with PyYAML's own method: to Python, the keys true and 1 are equal.
        return {
            _key(self.construct_object(key)): self.construct_object(value, deep=deep)
            for key, value in node.value
        }

    def construct_untagged(self, node: yaml.Node) -> Any:
        """Build a value with another tool's tag, which kubectl ignores."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)


def _key(key: Hashable) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key)


_Loader.add_implicit_resolver(MERGE, re.compile(r"<<\Z"), ["<"])
_Loader.add_constructor(None, _Loader.construct_untagged)
