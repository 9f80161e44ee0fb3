"""Takes what came from Secrets out of text that a plugin wrote.

A secret is looked for as it is, line by line, and in the forms in which programs print values: repr, JSON,
base64 at any alignment, percent encoding. Pieces of it go, too, since messages cut values short.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters. What is shorter cannot be told from other text, so that all text of the plugin is withheld."""
REDACTED = "[redacted]"
WITHHELD = "(the plugin's own text is withheld: it may hold a secret too short to be found in it)"

_PIECE = 8
"""Characters of a secret in a row that count as a piece of it."""
_LONG = 4096
"""Characters above which only every eighth piece of a form is kept, and what is found is widened."""
_LARGEST_TEXT = 64 * 1024
"""Characters of plugin text that are looked at; the rest is cut off."""


class Scrubber:
    """Scrubs text of a set of secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        self.withholds = any(_is_short(line) for secret in known for line in _lines(secret))
        """Whether text is withheld as a whole."""
        forms = {form for secret in known for form in _forms(secret) if len(form) >= SHORTEST}
        # The longest first: a form may be part of another. None fits into a text that is shorter.
        self._forms = sorted((form for form in forms if len(form) <= _LARGEST_TEXT), key=len, reverse=True)
        self._pieces = frozenset(_pieces(forms, shortest=0, longest=_LONG, stride=1))
        self._sparse_pieces = frozenset(_pieces(forms, shortest=_LONG, longest=None, stride=_PIECE))

    def scrub(self, text: str) -> str:
        """The text without any secret, or the sentence that says why it is withheld."""
        text = text[:_LARGEST_TEXT]
        if not text.strip():
            return ""
        if self.withholds:
            return WITHHELD
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return self._without_pieces(text)

    def _without_pieces(self, text: str) -> str:
        if not self._pieces and not self._sparse_pieces:
            return text
        hidden = bytearray(len(text))
        for at in range(len(text) - _PIECE + 1):
            piece = text[at : at + _PIECE]
            if piece in self._pieces:
                _hide(hidden, at, at + _PIECE)
            elif piece in self._sparse_pieces:
                _hide(hidden, at - _PIECE, at + 2 * _PIECE)
        if not any(hidden):
            return text
        parts: list[str] = []
        for at, char in enumerate(text):
            if not hidden[at]:
                parts.append(char)
            elif at == 0 or not hidden[at - 1]:
                parts.append(REDACTED)
        return "".join(parts)


def _hide(hidden: bytearray, start: int, end: int) -> None:
    start, end = max(start, 0), min(end, len(hidden))
    hidden[start:end] = b"\1" * (end - start)


def _pieces(forms: Iterable[str], *, shortest: int, longest: int | None, stride: int) -> Iterator[str]:
    for form in forms:
        if len(form) > shortest and (longest is None or len(form) <= longest):
            for at in range(0, len(form) - _PIECE + 1, stride):
                yield form[at : at + _PIECE]


NOTHING = Scrubber(())
"""For plugins that no Secret configures."""


def _lines(secret: str) -> list[str]:
    return [line for line in map(str.strip, secret.splitlines()) if line]


def _is_short(line: str) -> bool:
    return len(line) < SHORTEST and any(map(str.isalnum, line))


def _forms(secret: str) -> Iterator[str]:
    for text in dict.fromkeys((secret, secret.strip(), *_lines(secret))):
        raw = text.encode("utf-8", "surrogatepass")
        yield text
        for printed in (repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)):
            yield printed[1:-1]
        yield repr(raw)[2:-1]
        for percent in (quote(text, safe="", errors="replace"), quote_plus(text, errors="replace")):
            yield percent
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), percent)
        yield raw.hex()
        for alignment in range(3):
            yield from _base64_forms(raw, alignment)


def _base64_forms(raw: bytes, alignment: int) -> Iterator[str]:
    """How the bytes look inside of a longer base64 text in which they begin at this alignment."""
    padded = bytes(alignment) + raw
    certain = padded[: len(padded) // 3 * 3]
    first = (0, 2, 3)[alignment]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(certain).decode()[first:]
        if alignment == 0:
            yield encode(raw).decode().rstrip("=")
