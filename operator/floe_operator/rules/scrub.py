"""Scrubs text that a plugin wrote of everything that came from Secrets.

A secret is searched for as it is, line by line, and in the forms in which programs print values: repr, JSON,
base64 at any alignment, percent encoding and more. Pieces of it are removed too, since messages cut values
short.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""The shortest secret that is searched for, in characters. A shorter one cannot be told from other text, so
all text of the plugin is withheld."""
PIECE = 8
"""How many consecutive characters of a secret count as a piece of it."""
REDACTED = "[redacted]"
WITHHELD = "(the plugin's own text is withheld, because it might contain a secret)"
"""It does not say that a secret is short."""

_STRIDES = ((8 * 1024, 1), (64 * 1024, 8))
"""(characters, n) pairs: for secrets of up to that many characters in all, every n-th piece is kept, to bound
memory and time."""
_WIDEST_STRIDE = 64
"""The n for larger secrets."""
_LARGEST_TEXT = 64 * 1024
"""Characters of plugin text that are searched; the rest is cut off."""


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Texts of one length to search for; up to `reach` more characters on each side may belong to a match."""

    length: int
    reach: int


class Scrubber:
    """Removes a set of secrets from text.

    If the secrets have up to 8,192 characters in total, no piece of 8 characters stays; up to 65,536, none of
    15; above that, none of 71.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        self.withholds = any(_is_too_short(secret) for secret in known)
        """Whether all text is withheld."""
        size = sum(map(len, known))
        stride = next((stride for most, stride in _STRIDES if size <= most), _WIDEST_STRIDE)
        found: dict[_Pieces, set[str]] = {}
        seen: set[int] = set()  # hashes: the forms of a large secret need more memory than all its pieces
        for form in (form for secret in known for form in _forms(secret)):
            if hash(form) in seen:
                continue
            seen.add(hash(form))
            if len(form) >= PIECE:
                pieces = found.setdefault(_Pieces(PIECE, stride - 1), set())
                pieces.update(form[at : at + PIECE] for at in range(0, len(form) - PIECE + 1, stride))
                pieces.add(form[-PIECE:])
            elif len(form) >= SHORTEST:
                found.setdefault(_Pieces(len(form), 0), set()).add(form)
        self.pieces: Mapping[_Pieces, frozenset[str]] = {
            kind: frozenset(pieces) for kind, pieces in found.items()
        }
        """What to search for."""

    @classmethod
    def of_all(cls, scrubbers: Iterable[Scrubber]) -> Scrubber:
        """Return a scrubber that removes what any of these removes, without looking at the secrets again."""
        every = list(scrubbers)
        union = cls(())
        union.withholds = any(one.withholds for one in every)
        kinds = {kind for one in every for kind in one.pieces}
        union.pieces = {
            kind: frozenset().union(*(one.pieces.get(kind, frozenset()) for one in every)) for kind in kinds
        }
        return union

    def scrub(self, text: str) -> str:
        """Return the text without any secret, or the sentence that says why it is withheld."""
        text = text[:_LARGEST_TEXT]
        if not text.strip():
            return ""
        if self.withholds:
            return WITHHELD
        hidden = bytearray(len(text))
        for kind, pieces in self.pieces.items():
            for at in range(len(text) - kind.length + 1):
                if text[at : at + kind.length] in pieces:
                    _hide(hidden, at - kind.reach, at + kind.length + kind.reach)
        return _without(text, hidden) if any(hidden) else text


def without_values(text: str, values: Iterable[str]) -> str:
    """Return the text without values that are no secrets, as far as they are as long as a piece of one.

    Shorter ones, such as `true` and a port's number, are words like any other.
    """
    forms = {form for value in values if len(value) >= PIECE for form in _whole_forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    return text


def _whole_forms(value: str) -> Iterator[str]:
    # The host collapses white space.
    for text in (value, value.strip(), " ".join(value.split())):
        yield text
        for quoted in _quoted(text):
            yield quoted[1:-1]


def _hide(hidden: bytearray, start: int, end: int) -> None:
    start, end = max(start, 0), min(end, len(hidden))
    hidden[start:end] = b"\1" * (end - start)


def _without(text: str, hidden: bytearray) -> str:
    parts: list[str] = []
    for at, char in enumerate(text):
        if not hidden[at]:
            parts.append(char)
        elif at == 0 or not hidden[at - 1]:
            parts.append(REDACTED)
    return "".join(parts)


NOTHING = Scrubber(())
"""The scrubber for plugins that no Secret configures."""


def _lines(secret: str) -> list[str]:
    return [line for line in map(str.strip, secret.splitlines()) if line]


def _is_too_short(secret: str) -> bool:
    """Return True if a secret, or one of its lines, is too short to be found.

    Lines of punctuation in a longer secret, such as braces, do not count: they reveal nothing.
    """
    lines = _lines(secret)
    short = [line for line in lines if len(line) < SHORTEST]
    return any(map(str.isalnum, "".join(short))) or (len(short) == len(lines) > 0)


def _forms(secret: str) -> Iterator[str]:
    lines = _lines(secret)
    # The host and the messages of conditions collapse white space.
    for text in dict.fromkeys((secret, secret.strip(), " ".join(secret.split()))):
        yield from _printed(text)
        if len(text) <= _LARGEST_TEXT:
            yield from _escaped(text)
    for line in lines:
        yield line
        if len(secret) <= _LARGEST_TEXT:
            yield from _printed(line)
            yield from _escaped(line)


def _printed(text: str) -> Iterator[str]:
    """Yield a text in the forms in which programs print it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield text
    for quoted in _quoted(text):
        yield quoted[1:-1]
    yield repr(raw)[2:-1]
    yield raw.hex()
    yield raw.hex().upper()
    for alignment in range(3):
        yield from _base64_forms(raw, alignment)


def _quoted(text: str) -> tuple[str, ...]:
    return repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> Iterator[str]:
    """Yield a text as it appears in quoted text, shells, HTML, HTML-safe JSON (Go's default) and URLs."""
    for quoted in _quoted(text):
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
