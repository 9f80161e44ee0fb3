"""What to search for in the readings of a text, to find a secret or a piece of it.

A piece is 8 bytes of the secret, as an integer. Pieces with punctuation come from the secret without its
white space, the others from the secret without its punctuation, too.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from floe_core.readings import condensed, from_base64, unescaped, utf_8

PIECE = 8
"""How many consecutive characters of a secret count as a piece of it."""

SPARSE = 16
"""Of what is long, the index of an operator holds every so many-th piece."""
_LONG_SECRET = 16 * 1024
_LONG_LINE = 512

_ARMOR = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{1,64}-----")
_SCHEME = re.compile(r"(?m)^\s*(?:jdbc:)?[a-z][a-z0-9+.-]{1,31}://")
_DATA = re.compile(r"[A-Za-z0-9+/=_.-]+")
_ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}[\s:_-]?){6,}")


@dataclass(frozen=True)
class Pieces:
    """The pieces of a secret: all of what is not long, and every 16th of what is.

    So no piece of 8 characters is without one; or none of 23, of a secret of more than 16,384 characters, and
    of data in base64 of more than 512.
    """

    dense: frozenset[int]
    sparse: frozenset[int]

    @classmethod
    def of(cls, secret: str) -> Pieces:
        """Return the pieces of a secret, and of what it is the encoding of."""
        if len(secret) > _LONG_SECRET:
            return cls(frozenset(), _windows(contents_of(secret), SPARSE))
        lines = secret_lines(secret)
        long = {line for line in lines if len(line) > _LONG_LINE and _DATA.fullmatch(line)}
        short = "\n".join(line for line in lines if line not in long)
        contents = {utf_8(short), *(content for text in (short, *long) for content in _decoded(text))}
        return cls(_windows(contents), _windows(map(utf_8, long), SPARSE))


def secret_lines(secret: str) -> list[str]:
    """Return the lines of a secret that are not empty, without the white space around them.

    The data of a PEM file is one line. What is the same everywhere is left out: what is around that data, and
    the scheme of a URL.
    """
    found: list[str] = []
    data: list[str] | None = None
    """The lines since the beginning of such data."""
    for line in map(str.strip, _SCHEME.sub("", secret).splitlines()):
        if armor := [*_ARMOR.finditer(line)]:
            found.append("".join(data or ()))
            data = [] if armor[-1][1] == "BEGIN" else None
            rest = _ARMOR.sub("", line)
            if len(rest) >= PIECE:  # else it is the beginning or the end of a quoted text
                found.append(rest)
        elif data is not None and _DATA.fullmatch(line):
            data.append(line)
        else:
            found.append(line)
    found.append("".join(data or ()))
    return list(filter(None, found))


def windows(content: bytes, step: int = 1) -> list[int]:
    """Return every `step`-th sequence of 8 consecutive bytes, and the last, each as an integer.

    A larger step than 1 is a multiple of 8.
    """
    count = len(content) - PIECE + 1
    if count <= 0:
        return []
    view = memoryview(content)
    if step > 1:
        whole = len(content) // PIECE * PIECE
        return [*view[:whole].cast("Q")[:: step // PIECE], *view[-PIECE:].cast("Q")]
    found = [0] * count
    for first in range(min(PIECE, count)):
        whole = (len(content) - first) // PIECE * PIECE
        found[first::PIECE] = view[first : first + whole].cast("Q")
    return found


def pieces_of(secret: str) -> frozenset[int]:
    """Return all pieces of a secret, and of what it is the encoding of."""
    return _windows(contents_of(secret))


def _windows(contents: Iterable[bytes], step: int = 1) -> frozenset[int]:
    every = {content for raw in contents for content in condensed(raw)}
    return frozenset(piece for content in every for piece in windows(content, step))


def needles_of(secret: str) -> set[bytes]:
    """Return what of a secret is too short for a piece, to be searched for as a whole.

    Without its punctuation, that is not searched for below 6 bytes: it would be found everywhere.
    """
    found: set[bytes] = set()
    for raw in contents_of(secret):
        tight, loose = condensed(raw)
        found |= {each for each, least in ((tight, 1), (loose, 6)) if least <= len(each) < PIECE}
    return found


def contents_of(secret: str) -> Iterator[bytes]:
    """Yield a secret and, where it is the encoding of something, that: programs decode it and print that.

    A part that is base64 counts if it is the base64 of a text, or all of a secret that is not long.
    """
    text = "\n".join(secret_lines(secret))
    yield utf_8(text)
    yield from _decoded(text)


def _decoded(text: str) -> Iterator[bytes]:
    raw = utf_8(text)
    if b"%" in raw:
        yield unquote_to_bytes(raw)
    if b"\\" in raw:
        yield unescaped(raw)
    if _HEX.fullmatch(raw):
        yield bytes.fromhex(re.sub(rb"[\s:_-]", b"", raw).decode())
    for run in _ENCODED.finditer(raw):
        try:
            decoded = from_base64(run[0].rstrip(b"="))
        except binascii.Error:
            continue
        if (run[0] == raw and len(raw) <= _LONG_LINE) or _is_text(decoded):
            yield decoded


def _is_text(content: bytes) -> bool:
    """Return True for UTF-8, and for UTF-16 of ASCII."""
    try:
        return content.replace(b"\0", b"").decode().isprintable()
    except UnicodeDecodeError:
        return False
