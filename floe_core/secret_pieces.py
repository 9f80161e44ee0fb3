"""What to search for in the readings of a text, to find a secret or a piece of it.

A piece is 8 bytes of the secret, as an integer. Pieces with punctuation come from the secret without its
white space, the others from the secret without its punctuation, too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from floe_core.readings import condensed, unescaped

PIECE = 8
"""How many consecutive characters of a secret count as a piece of it."""

_ARMOR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,64}-----")
"""The lines around the data of a PEM file: the same in all of them."""
_ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}[\s:_-]?){6,}")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty, without the white space around them."""
    return [line for line in map(str.strip, text.splitlines()) if line]


def secret_lines(secret: str) -> list[str]:
    """Return the lines of a secret; the data between the armor of a PEM file is one line."""
    parts = _ARMOR.split(secret)
    if len(parts) == 1:
        return lines_of(secret)
    # Every second part is between BEGIN and END.
    found = ["".join(lines_of(part)) if index % 2 else part for index, part in enumerate(parts)]
    return [line for part in found for line in lines_of(part)]


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


def pieces_of(secret: str, step: int = 1) -> set[int]:
    """Return the pieces of a secret, and of what it is the encoding of, as `windows` does."""
    every = {content for raw in contents_of(secret) for content in condensed(raw)}
    return {piece for content in every for piece in windows(content, step)}


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

    A part that is base64 counts if it is the base64 of a text, or all of a secret that is no PEM file.
    """
    is_pem = bool(_ARMOR.search(secret))
    raw = "\n".join(secret_lines(secret)).encode("utf-8", "surrogatepass")
    yield raw
    if b"%" in raw:
        yield unquote_to_bytes(raw)
    if b"\\" in raw:
        yield unescaped(raw)
    if _HEX.fullmatch(raw):
        yield bytes.fromhex(re.sub(rb"[\s:_-]", b"", raw).decode())
    for run in _ENCODED.finditer(raw):
        decoded = _from_base64(run[0])
        if decoded and ((run[0] == raw and not is_pem) or _is_text(decoded)):
            yield decoded


def _from_base64(encoded: bytes) -> bytes:
    """Return what is encoded, or nothing if nothing is."""
    letters = encoded.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""


def _is_text(content: bytes) -> bool:
    """Return True for UTF-8, and for UTF-16 of ASCII."""
    try:
        return content.replace(b"\0", b"").decode().isprintable()
    except UnicodeDecodeError:
        return False
