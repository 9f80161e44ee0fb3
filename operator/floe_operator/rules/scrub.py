"""Scrubs text that a plugin wrote of everything that came from Secrets.

A secret is searched for as it is, line by line, and in the forms in which programs print values: repr, JSON,
base64 at any alignment, percent encoding and more. Pieces of it are removed too, since messages cut values
short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from floe_core.printed_forms import PIECE, lines_of, printed_forms, quoted_forms

SHORTEST = 6
"""The shortest secret that is searched for, in characters. A shorter one cannot be told from other text, so
all text of the plugin is withheld."""
REDACTED = "[redacted]"
WITHHELD = "(the plugin's own text is withheld, because it might contain a secret)"
"""It does not say that a secret is short."""

_STRIDES = ((8 * 1024, 1), (64 * 1024, 8))
"""(characters, n) pairs: for secrets of up to that many characters in all, every n-th piece is kept, to bound
memory and time."""
_WIDEST_STRIDE = 64
"""The n for larger secrets."""
_IS_PLAIN = re.compile(r"[ !#-&(-\[\]-~]*")
"""A text that looks the same in quotes."""
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
        for form in (form for secret in known for form in printed_forms(secret)):
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
        for start, end in self._matches(text):
            _hide(hidden, start, end)
        return _without(text, hidden) if any(hidden) else text

    def finds_any(self, text: str) -> bool:
        """Return True if there is a secret in the text, apart from those that are too short to be found."""
        return any(self._matches(text[:_LARGEST_TEXT]))

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        for kind, pieces in self.pieces.items():
            for at in range(len(text) - kind.length + 1):
                if text[at : at + kind.length] in pieces:
                    yield at - kind.reach, at + kind.length + kind.reach


def without_values(texts: Iterable[str], values: Iterable[str]) -> list[str]:
    """Return the texts without values that are no secrets, as far as they are as long as a piece of one.

    Only whole values are found. Shorter ones, such as `true` and a port's number, are words like any other.
    """
    told = list(texts)
    longest = max(map(len, told), default=0)
    begins = {text[at : at + PIECE] for text in told for at in range(len(text) - PIECE + 1)}
    forms = (form for value in values if len(value) >= PIECE for form in _whole_forms(value, longest))
    for form in sorted({form for form in forms if form[:PIECE] in begins}, key=len, reverse=True):
        told = [text.replace(form, REDACTED) for text in told]
    return told


def _whole_forms(value: str, longest: int) -> Iterator[str]:
    """Yield a value as it can stand in a text, in which white space is collapsed."""
    text = " ".join(value.split())
    if PIECE <= len(text) <= longest:
        yield text
        if not _IS_PLAIN.fullmatch(text):
            for quoted in quoted_forms(text):
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


def _is_too_short(secret: str) -> bool:
    """Return True if a secret, or one of its lines, is too short to be found.

    Lines of punctuation in a longer secret, such as braces, do not count: they reveal nothing.
    """
    lines = lines_of(secret)
    short = [line for line in lines if len(line) < SHORTEST]
    return any(map(str.isalnum, "".join(short))) or (len(short) == len(lines) > 0)
