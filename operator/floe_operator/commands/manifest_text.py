"""Divides a text into documents as kubectl does: a stream of JSON values, or YAML between lines of `---`.

Pure. The rules are those of k8s.io/apimachinery's YAMLOrJSONDecoder; what one YAML document means is
`manifest_yaml`. Messages name a line but never quote it, because the text can hold Secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from floe_operator.commands.manifest_yaml import DEEPEST, Node, Path, check_text, compose, value_of
from floe_operator.rules.yaml_values import NOT_FINITE, YamlFault, number, too_deep

_JSON_NESTING = re.compile(r"""\"(?:[^"\\]++|\\.)*+\"?|[\[{]|[\]}]""", re.DOTALL)
_LEAST_YAML = 4
"""The fewest bytes that kubectl reads as YAML if they are not JSON."""
_BLANK = re.compile(r"[^\S\n]*\n?")
_JSON_SPACE = re.compile(r"[ \t\r\n]*")
_QUOTED = re.compile(r"""'[^'<][^']+'|"[^"]{2,}\"""")
_SEPARATOR = re.compile(r"---\s*(?:#.*)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableText(ValueError):
    """From `line` on, the text is not YAML (or JSON) that could be sent to an API server."""

    def __init__(self, line: int | None, detail: str, *, document: int = 1) -> None:
        self.line = line
        self.detail = detail
        self.document = document
        super().__init__(detail)


@dataclass(frozen=True)
class Part:
    """A document, its number (from 1) and the line of each of its parts."""

    number: int
    value: Any = field(repr=False)
    _node: Node | None = field(default=None, repr=False)
    _before: int = 0
    """The lines of the text before the document."""

    def line(self, path: Path = ()) -> int | None:
        """Return the line of the part at a path, or of the last existing part on the way to it."""
        node = self._node
        if node is None:
            return self._before + 1
        line = node.line
        for step in path:
            found = node.inside(step)
            if found is None:
                break
            line, node = found
        return self._before + line


class _NotJson(UnreadableText):
    """The text is not JSON; it can still be YAML."""


def read_text(text: str, *, is_json: bool = False) -> Iterator[Part]:
    """Yield the documents that are not empty; `is_json` says what the text is meant to be if it is neither.

    Raises:
        UnreadableText: The text has a fault; the documents before it have been yielded.
    """
    start, number, fault = 0, 0, None
    if text.lstrip().startswith("{"):
        _check_json_depth(text)
        try:
            for part, end in _json_values(text):
                number, start = part.number, end
                yield part
            return
        except _NotJson as error:
            if number > 1 or len(text[start:].encode()) < _LEAST_YAML:
                raise
            fault = error
            start = _end(_BLANK, text, start)
    try:
        yield from _yaml_documents(text, start, number)
    except UnreadableText:
        if fault is not None and is_json:
            raise fault from None
        raise


def _json_values(text: str) -> Iterator[tuple[Part, int]]:
    """Yield each value with the position of its end."""
    decoder = json.JSONDecoder(
        parse_int=_number, parse_float=_number, parse_constant=_not_json, object_pairs_hook=_unique
    )
    number, end = 0, 0
    while (start := _end(_JSON_SPACE, text, end)) < len(text):
        number += 1
        before = text.count("\n", 0, start)
        try:
            value, end = decoder.raw_decode(text, start)
            value = _as_sent(value, before + 1)
        except json.JSONDecodeError as error:
            detail = error.msg[:1].lower() + error.msg[1:]
            raise _NotJson(error.lineno, detail, document=number) from None
        except YamlFault as error:
            raise UnreadableText(before + 1, f"it {error.detail}", document=number) from None
        yield Part(number, value, _composed_json(text[start:end]), before), end


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Return where a pattern that always matches ends."""
    found = pattern.match(text, start)
    return found.end() if found is not None else start


def _composed_json(text: str) -> Node | None:
    with suppress(yaml.YAMLError, YamlFault):  # the lines of JSON that is not YAML are unknown
        return compose(text.replace("\t", " "))
    return None


def _check_json_depth(text: str) -> None:
    """Reject nesting that Python's parser might not survive; its own limit depends on the Python version."""
    depth = 0
    for token in _JSON_NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > DEEPEST:
            raise UnreadableText(text.count("\n", 0, token.start()) + 1, f"it {too_deep(DEEPEST)}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise YamlFault(1, "repeats a key")
    return built


def _number(text: str) -> int | float:
    found = number(text)
    if found is None:
        raise YamlFault(1, NOT_FINITE)
    return found


def _not_json(text: str) -> None:
    raise json.JSONDecodeError("JSON has no NaN and no Infinity", text, 0)


def _as_sent(value: Any, line: int) -> Any:
    """Return a value as Go reads it: without halves of surrogate pairs, which no text can have."""
    if isinstance(value, str):
        return check_text(_SURROGATE.sub("\ufffd", value), line)
    if isinstance(value, dict):
        return {_as_sent(key, line): _as_sent(inner, line) for key, inner in value.items()}
    return [_as_sent(each, line) for each in value] if isinstance(value, list) else value


def _yaml_documents(text: str, start: int, number: int) -> Iterator[Part]:
    """Yield the documents from a position on, after `number` documents."""
    skipped = text.count("\n", 0, start)
    for separators, begin, chunk in _chunks(text[start:]):
        before = skipped + begin
        if chunk is None:
            raise UnreadableText(before + 1, f"it {_AFTER_SEPARATOR}", document=number + separators + 1)
        node = _document(chunk, before, number + max(separators, 1))
        if separators == 0 and node is not None:
            number += 1
        if node is not None and not (node.is_scalar and node.scalar is None):
            yield Part(number + separators, value_of(node), node, before)


def _chunks(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Yield each part between separators, with the number of separators and of lines before its content.

    It is None for a separator that is followed by more than a comment, and nothing comes after it.
    """
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    begin = separators = 0
    for index, line in enumerate(lines):
        if line.startswith("---"):
            if index > begin:
                yield separators, begin, "\n".join(lines[begin:index]) + "\n"
                begin = index + 1
            if not _SEPARATOR.fullmatch(line):
                yield separators, index, None
                return
            separators += 1
    yield separators, begin, "\n".join(lines[begin:]) + "\n"


_AFTER_SEPARATOR = "has text after ---, which kubectl does not read; begin the document on the next line"
_DIRECTIVE = "has a directive such as %YAML or %TAG, which kubectl does not read; remove the line"


def _document(chunk: str, before: int, number: int) -> Node | None:
    """Return the document in a part of a text, or None if there is none.

    Raises:
        UnreadableText: The part is not YAML, or not such that it could be sent.
    """
    try:
        _check_beginning(chunk)
        return compose(chunk)
    except YamlFault as fault:
        line, detail = fault.line, f"it {fault.detail}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        detail = _QUOTED.sub("some text", error.problem or error.context or "it cannot be parsed")
    except yaml.reader.ReaderError as error:
        known = error.position if isinstance(error.position, int) else 0
        line, detail = chunk.count("\n", 0, known) + 1, "it has a character that YAML does not allow"
    raise UnreadableText(before + line, detail, document=number)


def _check_beginning(chunk: str) -> None:
    """Raise a YamlFault if directives are before the document: kubectl separates them from it."""
    for index, line in enumerate(chunk.split("\n")):
        if line.startswith("%"):
            raise YamlFault(index + 1, _DIRECTIVE)
        if line.strip() and not line.startswith(("#", "---")):
            break
