"""All the ways to read a text in which something may be encoded: escapes undone, base64 decoded, and so on.

Whoever searches a text for a value searches its readings. Each knows where in the text its bytes come from.
"""

from __future__ import annotations

import base64
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, compress

_DEEPEST = 3
"""How many encodings around each other are undone: JSON in base64 in JSON."""
_MOST_BYTES = 16
"""How many times as long as the text all that is decoded may be: texts can nest without end."""

_CONTROLS = bytes((*range(0x21), 0x7F))
_SEPARATORS = bytes(code for code in range(0x80) if not chr(code).isalnum())
_ASCII = bytes(range(0x80))
_LOWER = bytes(range(256)).lower()
_WIDE_SPACE = re.compile(
    rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
"""The white space of Unicode that is not of ASCII, in UTF-8."""

_ESCAPES = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]))"
)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"a": b"\a"}
_HIGH_ESCAPE = re.compile(rb"\\x[89a-fA-F]")
_SHELL_QUOTES = re.compile(rb"""'(?:\\'|"'")'""")
_PERCENTS = re.compile(rb"%([0-9a-fA-F]{2})|\+")
_ENTITIES = re.compile(rb"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LATIN_1 = re.compile(rb"\xc2([\x80-\xbf])|\xc3([\x80-\xbf])")
# Lines of base64 have at least 60 characters, but for the last.
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/_-]{60,}\s+)*[A-Za-z0-9+/_-]{2,}")
_LEAST_BASE64 = 8
"""Characters that could be the base64 of the shortest text that anybody searches for."""
_BASE64_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64_CHARACTERS))
_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s:,;_-]{0,2}){6,}")
_HEX_PREFIX = re.compile(rb"0x|\\x")
_NO_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))

Span = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Reading:
    """What a text says, read in one way."""

    content: bytes
    span: Span
    """Returns where in the text, in characters, a part of the content comes from."""
    is_binary: bool = False
    """Whether it is no text, as nearly all that is decoded although it was never encoded."""


def readings(text: str) -> Iterator[Reading]:
    """Yield the ways to read a text, lower-cased: each without white space, and without any punctuation.

    White space includes control characters: so UTF-16 is read, too. Punctuation is that of ASCII. No content
    is yielded twice.
    """
    seen: set[bytes] = set()
    for reading in _decoded(text):
        spaced = _with_ascii_space(reading.content)
        for dropped in (_CONTROLS,) if reading.is_binary else (_CONTROLS, _SEPARATORS):
            content = spaced.translate(_LOWER, dropped)
            if content not in seen:
                seen.add(content)
                yield Reading(content, _Kept(reading, spaced, dropped))


def condensed(content: bytes) -> tuple[bytes, bytes]:
    """Return bytes in the two forms that readings have: without white space, and without punctuation."""
    spaced = _with_ascii_space(content)
    return spaced.translate(_LOWER, _CONTROLS), spaced.translate(_LOWER, _SEPARATORS)


def unescaped(content: bytes) -> bytes:
    """Return bytes without the escapes of Python, JSON, C or a shell."""
    return _ESCAPES.sub(_unescaped, content)


def _with_ascii_space(content: bytes) -> bytes:
    """Return as many bytes with spaces for all white space outside ASCII."""
    return content if content.isascii() else _WIDE_SPACE.sub(lambda found: b" " * len(found[0]), content)


def _decoded(text: str) -> Iterator[Reading]:
    """Yield a text as it is and, up to a depth and an overall size, decoded in every way that changes it."""
    todo = [(_raw(text), 0)]
    room = _MOST_BYTES * (len(todo[0][0].content) + 64)
    seen = {todo[0][0].content}
    for reading, depth in todo:  # grows meanwhile
        yield reading
        for inner in () if reading.is_binary or depth == _DEEPEST else _within(reading):
            if inner.content not in seen and room >= len(inner.content):
                room -= len(inner.content)
                seen.add(inner.content)
                todo.append((inner, depth + 1))


def _raw(text: str) -> Reading:
    content = text.encode("utf-8", "surrogatepass")
    return Reading(content, _whole if len(content) == len(text) else _Characters(text))


def _within(reading: Reading) -> Iterator[Reading]:
    """Yield what a reading says if it is encoded in one way or another."""
    content = reading.content
    if b"\\" in content:
        yield _replaced(reading, _ESCAPES, _unescaped)
        if _HIGH_ESCAPE.search(content):  # those of text, and not of bytes
            yield _replaced(reading, _ESCAPES, partial(_unescaped, is_text=True))
    if b"'\\''" in content or b"'\"'\"'" in content:
        yield _replaced(reading, _SHELL_QUOTES, lambda _: b"'")
    if b"%" in content:
        yield _replaced(reading, _PERCENTS, _byte)
    if b"&" in content:
        yield _replaced(reading, _ENTITIES, _entity)
    if not content.isascii():
        yield _replaced(reading, _LATIN_1, _latin_1)
    for run in _BASE64.finditer(content):
        if len(run[0]) >= _LEAST_BASE64:
            yield from _from_base64(reading, run)
    for run in _HEX.finditer(content):
        yield from _from_hex(reading, run)


def _unescaped(found: re.Match[bytes], *, is_text: bool = False) -> bytes:
    """Return what an escape of Python, JSON, C or a shell stands for."""
    high, low, four, eight, two, octal, letter = found.groups()
    if high:
        pair = bytes.fromhex((high + low).decode()).decode("utf-16-be")
        return pair.encode()
    if two:
        code = int(two, 16)
        return _encoded(code) if is_text else bytes([code])
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if letter:
        return _LETTERS.get(letter, letter)
    return _encoded(int(four or eight, 16))


def _encoded(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code <= 0x10FFFF else b""


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else b" "


def _entity(found: re.Match[bytes]) -> bytes:
    return html.unescape(found[0].decode()).encode("utf-8", "surrogatepass")


def _latin_1(found: re.Match[bytes]) -> bytes:
    """Return the byte that a character below U+0100 stands for, where bytes were decoded one by one."""
    return found[1] or bytes([found[2][0] | 0x40])


def _from_base64(reading: Reading, run: re.Match[bytes]) -> Iterator[Reading]:
    """Yield what a run of base64 says, wherever in the run it begins: at any of four alignments."""
    letters = run[0].translate(_STANDARD, _NO_BASE64)
    for first in range(min(4, len(letters))):
        length = len(letters) - first
        length -= length % 4 == 1  # a single character is no byte
        aligned = letters[first : first + length]
        content = base64.b64decode(aligned + b"=" * (-length % 4))
        place = _Packed(reading, run, _NO_BASE64, first, per_byte=(4, 3))
        yield Reading(content, place, is_binary=_is_binary(content))


def _from_hex(reading: Reading, run: re.Match[bytes]) -> Iterator[Reading]:
    """Yield what a run of hexadecimal digits says, from its first digit on and from its second."""
    plain = _HEX_PREFIX.sub(lambda prefix: b" " * len(prefix[0]), run[0])
    digits = plain.translate(None, _NO_HEX)
    for first in (0, 1):
        length = (len(digits) - first) // 2 * 2
        content = bytes.fromhex(digits[first : first + length].decode())
        place = _Packed(reading, run, _NO_HEX, first, per_byte=(2, 1), plain=plain)
        yield Reading(content, place, is_binary=_is_binary(content))


def _is_binary(content: bytes) -> bool:
    """Return True if too many bytes are outside ASCII, and the others do not make them UTF-8."""
    return 4 * len(content.translate(None, _ASCII)) > len(content) and not _is_utf_8(content)


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _replaced(
    reading: Reading, pattern: re.Pattern[bytes], value: Callable[[re.Match[bytes]], bytes]
) -> Reading:
    return Reading(pattern.sub(value, reading.content), _Replaced(reading, pattern, value))


# Ways back, worked out only for readings in which something was found.


def _whole(start: int, end: int) -> tuple[int, int]:
    return start, end


class _Characters:
    """From the bytes of a text to its characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] = []

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        if not self._ends:
            sizes = (len(each.encode("utf-8", "surrogatepass")) for each in self._text)
            self._ends = list(accumulate(sizes))
        return bisect_right(self._ends, start), bisect_right(self._ends, end - 1) + 1


class _Kept:
    """From what is left of a reading's content to the reading."""

    def __init__(self, source: Reading, spaced: bytes, dropped: bytes) -> None:
        self._source = source
        self._spaced = spaced
        self._dropped = dropped
        self._places: Sequence[int] = ()

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        if not self._places:
            self._places = _places(self._spaced, self._dropped)
        return self._source.span(self._places[start], self._places[end - 1] + 1)


class _Packed:
    """From bytes that were decoded from a run of characters to the reading of the run."""

    def __init__(
        self,
        source: Reading,
        run: re.Match[bytes],
        dropped: bytes,
        first: int,
        *,
        per_byte: tuple[int, int],
        plain: bytes = b"",
    ) -> None:
        self._source = source
        self._begin = run.start()
        self._run = plain or run[0]
        self._dropped = dropped
        self._first = first
        self._per_byte = per_byte
        self._places: Sequence[int] = ()

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        if not self._places:
            self._places = _places(self._run, self._dropped)
        characters, size = self._per_byte
        first = self._first + start * characters // size
        last = self._first + -(-end * characters // size) - 1
        return self._source.span(self._begin + self._places[first], self._begin + self._places[last] + 1)


class _Replaced:
    """From a content in which parts were replaced to the reading that it was made from."""

    def __init__(
        self, source: Reading, pattern: re.Pattern[bytes], value: Callable[[re.Match[bytes]], bytes]
    ) -> None:
        self._source = source
        self._pattern = pattern
        self._value = value
        self._begins: list[int] = []
        self._pieces: list[tuple[int, int, bool]] = []

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        if not self._begins:
            self._work_out()
        return self._source.span(self._at(start)[0], self._at(end - 1)[1])

    def _work_out(self) -> None:
        """Note where in the content each piece begins, and its place in the source: as it is, or replaced."""
        at = done = 0
        for found in self._pattern.finditer(self._source.content):
            for piece, size in (
                ((done, found.start(), True), found.start() - done),
                ((found.start(), found.end(), False), len(self._value(found))),
            ):
                if size:
                    self._begins.append(at)
                    self._pieces.append(piece)
                    at += size
            done = found.end()
        self._begins.append(at)
        self._pieces.append((done, len(self._source.content), True))

    def _at(self, place: int) -> tuple[int, int]:
        index = bisect_right(self._begins, place) - 1
        first, end, is_same = self._pieces[index]
        if not is_same:
            return first, end
        first += place - self._begins[index]
        return first, first + 1


def _places(content: bytes, dropped: bytes) -> list[int]:
    """Return where the bytes are that stay when some values are dropped."""
    stays = bytes(0 if code in dropped else 1 for code in range(256))
    return list(compress(range(len(content)), content.translate(stays)))
