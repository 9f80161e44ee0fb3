"""The forms in which programs print a value: in quotes, escaped, encoded, line by line.

Whoever searches a text for a secret searches for all of them.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

PIECE = 8
"""How many consecutive characters of a secret, in one of its forms, count as a piece of it."""
_LARGEST_ESCAPED = 64 * 1024
"""Characters of a value up to which it is also printed in the rarer forms, with escapes."""


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty, without the white space around them."""
    return [line for line in map(str.strip, text.splitlines()) if line]


def printed_forms(value: str) -> Iterator[str]:
    """Yield a value as it is and as programs print it, whole and each of its lines; a form can come twice."""
    lines = lines_of(value)
    # The host and the messages of conditions collapse white space.
    for text in dict.fromkeys((value, value.strip(), " ".join(value.split()))):
        yield from _printed(text)
        if len(text) <= _LARGEST_ESCAPED:
            yield from _escaped(text)
    for line in lines:
        yield line
        if len(value) <= _LARGEST_ESCAPED:
            yield from _printed(line)
            yield from _escaped(line)


def _printed(text: str) -> Iterator[str]:
    """Yield a text in the forms in which programs print it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield text
    for quoted in quoted_forms(text):
        yield quoted[1:-1]
    yield repr(raw)[2:-1]
    yield raw.hex()
    yield raw.hex().upper()
    for alignment in range(3):
        yield from _base64_forms(raw, alignment)


def quoted_forms(text: str) -> tuple[str, ...]:
    """Return a text in the quotes of Python and JSON."""
    return repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> Iterator[str]:
    """Yield a text as it appears in quoted text, shells, HTML, HTML-safe JSON (Go's default) and URLs."""
    for quoted in quoted_forms(text):
        yield json.dumps(quoted)[1:-1]
        yield repr(quoted)[1:-1]
    yield shlex.quote(text).strip("'")
    yield html.escape(text)
    yield html.escape(text, quote=False)
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", escaped)
        yield escaped.replace("/", "\\/")
    for safe in ("", "/"):
        for percent in (quote(text, safe, errors="replace"), quote_plus(text, safe, errors="replace")):
            yield percent
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), percent)


def _base64_forms(raw: bytes, alignment: int) -> Iterator[str]:
    """Yield what the bytes look like in the base64 of longer data, if they begin at this alignment in it."""
    padded = bytes(alignment) + raw
    # Six bits per character: a character that shares bits with what precedes or follows is not certain.
    first, end = (0, 2, 3)[alignment], len(padded) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(padded).decode()[first:end]
        if alignment == 0:
            # With its padding too: MIME breaks lines, and the last one may hold little else.
            yield encode(raw).decode()
            yield encode(raw).decode().rstrip("=")
