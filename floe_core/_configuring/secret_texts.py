"""Tells whether a text contains a secret, or a piece of one, as programs print it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_PIECE = 8
"""How many characters of a secret in a row count as a piece of it; a shorter secret counts as a whole."""


def holds_any(text: str, secrets: Iterable[str]) -> bool:
    """Return True if the text holds a piece of one of the secrets, in any of its forms and in any case."""
    text = text.casefold()
    pieces = {text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)}
    return any(_holds(text, pieces, form.casefold()) for secret in secrets for form in _forms(secret))


def _holds(text: str, pieces: set[str], form: str) -> bool:
    if len(form) < _PIECE:
        return bool(form) and form in text
    return any(form[at : at + _PIECE] in pieces for at in range(len(form) - _PIECE + 1))


def _forms(secret: str) -> Iterator[str]:
    yield " ".join(secret.split())
    for line in (secret, *secret.splitlines()):
        text = line.strip()
        raw = text.encode("utf-8", "surrogatepass")
        yield text
        for quoted in (repr(text), ascii(text), json.dumps(text)):
            yield quoted[1:-1]
        yield quote(text, "", errors="replace")
        yield quote_plus(text, errors="replace")
        yield raw.hex()
        yield base64.b64encode(raw).decode().rstrip("=")
        yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
