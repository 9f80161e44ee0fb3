"""All the ways to read a text in which something may be encoded: escapes undone, base64 decoded, and so on.

Whoever searches a text for a value searches its readings. Each knows where in the text its bytes come from.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from floe_core._spans import OfCharacters, OfKept, OfPacked, OfReplaced, OfUnpacked, Span, same

_DEEPEST = 3
"""How many encodings around each other are undone: JSON in base64 in JSON."""
_MOST_TIMES, _MOST_BYTES = 16, 256 * 1024
"""How many times as long as the text all that is decoded may be, and how much longer."""

_CONTROLS = bytes((*range(0x21), 0x7F))
_SEPARATORS = bytes(code for code in range(0x80) if not chr(code).isalnum())
_ASCII = bytes(range(0x80))
_LOWER = bytes(range(256)).lower()
_WIDE_SPACE = re.compile(
    rb"\xc2[\x85\xa0\xad]|\xe1\x9a\x80|\xe2\x80[\x80-\xbf]|\xe2\x81[\x80-\xaf]|\xe2[\x94\x95][\x80-\xbf]"
    rb"|\xe3\x80\x80|\xef\xbb\xbf|\xef\xbf\xbd"
)
"""White space, punctuation and box drawing of Unicode, and what is not shown, in UTF-8."""
_COLOURS = re.compile(rb"\x1b\[[0-9;:]*[A-Za-z]")
"""What tells a terminal to colour text or to move the cursor."""

_ESCAPES = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[ux]\{([0-9a-fA-F]{1,6})\}"
    rb"|x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]))"
)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"a": b"\a"}
_HIGH_ESCAPE = re.compile(rb"\\x[89a-fA-F]")
_SHELL_QUOTES = re.compile(rb"""'(?:\\'|"'")'""")
_PERCENTS = re.compile(rb"%([0-9a-fA-F]{2})|\+")
_ENTITIES = re.compile(rb"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ONE_BYTE = {
    char.encode(): bytes([code])
    for encoding in ("latin-1", "cp1252")
    for code in range(0x80, 0x100)
    for char in bytes([code]).decode(encoding, "ignore")
}
"""The characters as which bytes show that were decoded one by one, in UTF-8, and these bytes."""
_MOJIBAKE = re.compile(b"|".join(_ONE_BYTE))
# The base64 of the shortest text that anybody searches for has 8 characters.
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_BASE64_LINES = re.compile(rb"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{60,}\s+)+[A-Za-z0-9+/_-]{2,}")
"""Lines of base64 have at least 60 characters, but for the last."""
_BASE64_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64_CHARACTERS))
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LEAST_BINARY = 8
"""Escapes of bytes outside ASCII from which on a text might show data that is no text."""
_HEX = re.compile(rb"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s:,;_-]{0,2}){6,}")
_HEX_PREFIX = re.compile(rb"0x|\\x")
_NO_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))


@dataclass(frozen=True)
class Reading:
    """What a text says, read in one way."""

    content: bytes
    span: Span
    """Returns where in the text, in characters, a part of the content comes from."""
    is_binary: bool = False
    """Whether it is no text, as nearly all that is decoded although it was never encoded."""
    is_final: bool = False
    """Whether nothing is encoded in it that is not read otherwise."""
    origin: tuple[int, ...] = ()
    """Where the parts begin that were decoded, one within another."""

    @property
    def key(self) -> tuple[tuple[int, ...], bytes]:
        """What tells it from the others: what is decoded from several parts of a text can be the same."""
        return self.origin, self.content


class TooMuchToRead(Exception):
    """There is more encoded in a text than anybody would print."""


def readings(text: str) -> Iterator[Reading]:
    """Yield the ways to read a text, lower-cased: each without white space, and without any punctuation.

    White space includes control characters (so UTF-16 is read, too) and what only draws or colours text.
    Punctuation is that of ASCII. What is the same in all is yielded once.

    Raises:
        TooMuchToRead: There is too much encoded in the text, one within another.
    """
    seen: set[object] = set()
    for reading in _decoded(text):
        spaced = _with_ascii_space(reading.content)
        for dropped in (_CONTROLS,) if reading.is_binary else (_CONTROLS, _SEPARATORS):
            content = spaced.translate(_LOWER, dropped)
            inner = Reading(content, OfKept(reading.span, spaced, dropped), origin=reading.origin)
            if inner.key not in seen:
                seen.add(inner.key)
                yield inner


def condensed(content: bytes) -> tuple[bytes, bytes]:
    """Return bytes in the two forms that readings have: without white space, and without punctuation."""
    spaced = _with_ascii_space(content)
    return spaced.translate(_LOWER, _CONTROLS), spaced.translate(_LOWER, _SEPARATORS)


def utf_8(text: str) -> bytes:
    """Return the bytes of a text, whatever is in it."""
    return text.encode("utf-8", "surrogatepass")


def from_base64(letters: bytes) -> bytes:
    """Return what base64 in either alphabet and without padding encodes.

    Raises:
        binascii.Error: A single character is left over, which is no byte.
    """
    return base64.b64decode(letters.translate(_STANDARD) + b"=" * (-len(letters) % 4))


def unescaped(content: bytes) -> bytes:
    """Return bytes without the escapes of Python, JSON, C or a shell."""
    return _ESCAPES.sub(_unescaped, content)


def _with_ascii_space(content: bytes) -> bytes:
    """Return as many bytes with spaces for all white space outside ASCII."""
    return content if content.isascii() else _WIDE_SPACE.sub(lambda found: b" " * len(found[0]), content)


def _decoded(text: str) -> Iterator[Reading]:
    """Yield a text as it is and, up to a depth and an overall size, decoded in every way that changes it."""
    todo = [(_raw(text), 0)]
    room = _MOST_TIMES * len(todo[0][0].content) + _MOST_BYTES
    seen = {todo[0][0].key}
    for reading, depth in todo:  # grows meanwhile
        yield reading
        is_final = reading.is_final or reading.is_binary or depth == _DEEPEST
        for inner in () if is_final else _within(reading):
            if inner.key not in seen:
                room -= len(inner.content)
                if room < 0:
                    raise TooMuchToRead
                seen.add(inner.key)
                todo.append((inner, depth + 1))


def _raw(text: str) -> Reading:
    content = utf_8(text)
    return Reading(content, same if len(content) == len(text) else OfCharacters(text))


def _within(reading: Reading) -> Iterator[Reading]:
    """Yield what a reading says if it is encoded in one way or another."""
    content = reading.content
    if b"\\" in content or b"'" in content:
        yield from _unquoted(reading)
    if b"\x1b" in content:
        yield _replaced(reading, _COLOURS, lambda _: b"")
    if b"%" in content:
        yield _replaced(reading, _PERCENTS, _byte)
    if b"&" in content:
        yield _replaced(reading, _ENTITIES, _entity)
    if not content.isascii():
        yield _replaced(reading, _MOJIBAKE, lambda found: _ONE_BYTE[found[0]])
    for runs in (_BASE64, _BASE64_LINES):
        for run in runs.finditer(content):
            yield from _from_base64(reading, run)
    for run in _HEX.finditer(content):
        yield from _from_hex(reading, run)


def _unquoted(reading: Reading) -> Iterator[Reading]:
    """Yield a reading without the escapes of quoted text, and without the quotes of a shell."""
    content = reading.content
    if b"\\" in content:
        yield (plain := _replaced(reading, _ESCAPES, _unescaped))
        if high := len(_HIGH_ESCAPE.findall(content)):  # of bytes, or of characters
            if high >= _LEAST_BINARY:
                yield from _as_base64(plain)
            yield _replaced(reading, _ESCAPES, partial(_unescaped, is_text=True))
    if b"'\\''" in content or b"'\"'\"'" in content:
        yield _replaced(reading, _SHELL_QUOTES, lambda _: b"'")


def _unescaped(found: re.Match[bytes], *, is_text: bool = False) -> bytes:
    """Return what an escape of Python, JSON, C or a shell stands for."""
    high, low, four, eight, braced, two, octal, letter = found.groups()
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
    return _encoded(int(four or eight or braced, 16))


def _encoded(code: int) -> bytes:
    return utf_8(chr(code)) if code <= 0x10FFFF else b""


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else b" "


def _entity(found: re.Match[bytes]) -> bytes:
    return utf_8(html.unescape(found[0].decode()))


def _from_base64(reading: Reading, run: re.Match[bytes]) -> Iterator[Reading]:
    """Yield what a run of base64 says, wherever in the run it begins: at any of four alignments."""
    letters = run[0].translate(None, _NO_BASE64)
    span = OfKept(reading.span, run[0], _NO_BASE64, run.start())
    for first in range(min(4, len(letters))):
        length = len(letters) - first
        length -= length % 4 == 1  # a single character is no byte
        content = from_base64(letters[first : first + length])
        origin = (*reading.origin, run.start())
        yield Reading(content, OfPacked(span, 4, 3, first), is_binary=_is_binary(content), origin=origin)


def _from_hex(reading: Reading, run: re.Match[bytes]) -> Iterator[Reading]:
    """Yield what a run of hexadecimal digits says, from its first digit on and from its second."""
    plain = _HEX_PREFIX.sub(lambda prefix: b" " * len(prefix[0]), run[0])
    digits = plain.translate(None, _NO_HEX)
    span = OfKept(reading.span, plain, _NO_HEX, run.start())
    for first in (0, 1):
        length = (len(digits) - first) // 2 * 2
        content = bytes.fromhex(digits[first : first + length].decode())
        origin = (*reading.origin, run.start())
        place = OfPacked(span, 2, 1, first)
        yield (inner := Reading(content, place, is_binary=_is_binary(content), origin=origin))
        if inner.is_binary:
            yield from _as_base64(inner)


def _as_base64(reading: Reading) -> Iterator[Reading]:
    """Yield bytes in base64, at any alignment: what is no text, such as a key, is written so in a secret."""
    for before in range(3):
        content = base64.b64encode(bytes(before) + reading.content)
        yield Reading(
            content,
            OfUnpacked(reading.span, len(reading.content), before),
            is_final=True,
            origin=reading.origin,
        )


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
    content = pattern.sub(value, reading.content)
    span = OfReplaced(reading.span, reading.content, pattern, value)
    return Reading(content, span, origin=reading.origin)
