r"""Regular expressions that mean the same to every validator of JSON schemas. Pure.

A pattern comes from pydantic (Rust's regex crate, or Python's re). kubeconform compiles it with RE2, editors
and check-jsonschema read it as ECMA 262. What these do not share must not get into a schema: one pattern that
RE2 cannot compile makes kubeconform refuse every document. Nor must a pattern refuse what the plugin takes,
so that `\w`, `\s` and `\b`, which are Unicode for the plugin and ASCII for RE2, are not shared either. `\d`
is: nobody means digits other than 0 to 9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST_REPETITIONS = 1_000
"""RE2 refuses more, also as the product of nested ones."""
_LARGEST, _DEEPEST = 10_000, 50
"""How long a pattern can become with its repetitions written out, and how deep its groups are nested."""

_SYNTAX = frozenset(r"^$\.*+?()[]{}|/")
_CONTROLS: Mapping[str, str] = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_COUNT = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}", re.ASCII)
_HEX = re.compile(r"x[0-9a-fA-F]{2}")
_SPACE = r"\t\n\f\r "
"""What all count as white space."""
_CLASSES: Mapping[str, str] = {"d": r"\d", "D": r"\D", "W": r"\W", "S": f"[^{_SPACE}]"}
"""How to write a class so that it contains, to all, at least what it contains for the plugin."""
_INSIDE: Mapping[str, str] = {"d": r"\d", "D": r"\D", "W": r"\W"}
_INSIDE_NEGATED: Mapping[str, str] = {"d": r"\d", "w": r"\w", "s": _SPACE}


def common_pattern(pattern: str) -> str | None:
    """Return the pattern in a form that all validators read alike, or None if there is none."""
    try:
        return _Reader(pattern).read()
    except _NotCommonError:
        return None


class _NotCommonError(Exception):
    pass


@dataclass
class _Group:
    size: int = 0
    repetitions: int = 1
    """The largest product of nested repetitions so far."""


@dataclass
class _Reader:
    pattern: str
    at: int = 0
    written: list[str] = field(default_factory=list)

    def read(self) -> str:
        groups = [_Group()]
        last: _Group | None = None
        """What a quantifier would repeat."""
        while self.at < len(self.pattern):
            char = self._take()
            if char == "(":
                self.written.append(self._opening())
                groups.append(_Group())
                last = None
            elif char == ")":
                self.written.append(char)
                last = _closed(groups)
            elif char in "|^$":
                self.written.append(char)
                last = None
            elif quantifier := self._quantifier(char):
                if last is None:
                    raise _NotCommonError
                times = quantifier[1]
                self.written.append(quantifier[0] + ("?" if self._next("?") else ""))
                groups[-1].size += last.size * (times - 1)
                groups[-1].repetitions = max(groups[-1].repetitions, last.repetitions * times)
                last = None
            else:
                self.written.append(self._atom(char))
                last = _Group(size=1)
                groups[-1].size += 1
            _check_limits(groups)
        if len(groups) > 1:
            raise _NotCommonError
        return "".join(self.written)

    def _take(self) -> str:
        if self.at >= len(self.pattern):
            raise _NotCommonError
        self.at += 1
        return self.pattern[self.at - 1]

    def _next(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _opening(self) -> str:
        if not self._next("?"):
            return "("
        if self._next(":"):
            return "(?:"
        raise _NotCommonError  # look-around, flags, names and the like

    def _quantifier(self, char: str) -> tuple[str, int] | None:
        """Return a quantifier and the number of copies that it stands for."""
        if char in "*+?":
            return char, 1
        found = _COUNT.match(self.pattern, self.at - 1) if char == "{" else None
        if found is None:
            return None
        self.at = found.end()
        least, most = int(found[1]), int(found[3] or found[1])
        if least > most:
            raise _NotCommonError
        return found[0], max(most, 1)

    def _atom(self, char: str) -> str:
        match char:
            case ".":
                return r"[^\n]"  # to ECMA 262, more characters end a line
            case "\\":
                return self._escape(_CLASSES)
            case "[":
                return self._class()
            case "{":
                raise _NotCommonError  # {,3} and { 2 }: a repetition for some
            case _:
                return _literal(char)

    def _escape(self, classes: Mapping[str, str]) -> str:
        char = self._take()
        if char in classes:
            return classes[char]
        if char in _CONTROLS:
            return f"\\{char}"
        if char == "x" and (found := _HEX.match(self.pattern, self.at - 1)):
            self.at = found.end()
            return f"\\{found[0]}"
        if char.isascii() and not char.isalnum() and char not in "<>":  # \< begins a word for Rust
            return _literal(char)
        raise _NotCommonError

    def _class(self) -> str:
        negated = self._next("^")
        classes = _INSIDE_NEGATED if negated else _INSIDE
        items: list[str] = []
        while not (items and self._next("]")):
            if self.pattern.startswith(("]", "&&", "--", "~~", "||"), self.at):
                raise _NotCommonError  # an empty class for some, a set operation for others
            first = self._class_item(classes)
            if self._is_range():
                first = self._range(first)
            items.append(first)
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def _is_range(self) -> bool:
        if self.pattern.startswith("--", self.at):
            raise _NotCommonError  # a difference of sets for some
        return self.pattern.startswith("-", self.at) and not self.pattern.startswith("-]", self.at)

    def _range(self, first: str) -> str:
        self._next("-")
        last = self._class_item({})
        start, end = _code_point(first), _code_point(last)
        if start is None or end is None or start > end:
            raise _NotCommonError
        return f"{first}-{last}"

    def _class_item(self, classes: Mapping[str, str]) -> str:
        char = self._take()
        if char == "[":
            raise _NotCommonError  # a class in a class for Rust, [:alpha:] for RE2
        if char == "\\":
            escaped = self._escape(classes)
            return escaped if escaped != "-" else "\\-"
        return f"\\{char}" if char in "^-]" else char


def _closed(groups: list[_Group]) -> _Group:
    """End the innermost group and return it."""
    if len(groups) == 1:
        raise _NotCommonError
    last = groups.pop()
    groups[-1].size += last.size
    groups[-1].repetitions = max(groups[-1].repetitions, last.repetitions)
    return last


def _check_limits(groups: list[_Group]) -> None:
    inner = groups[-1]
    if len(groups) > _DEEPEST or inner.size > _LARGEST or inner.repetitions > _MOST_REPETITIONS:
        raise _NotCommonError


def _literal(char: str) -> str:
    return f"\\{char}" if char in _SYNTAX else char


def _code_point(item: str) -> int | None:
    """Return the code point of a class's item, or None if the item is a class itself."""
    if item.startswith("\\x"):
        return int(item[2:], 16)
    if len(item) == 2 and item[1] in _CONTROLS:
        return ord(_CONTROLS[item[1]])
    is_class = len(item) > 2 or (len(item) == 2 and item[1].isalnum())
    return None if is_class else ord(item[-1])
