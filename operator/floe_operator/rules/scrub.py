"""Scrubs text that a plugin wrote of everything that came from Secrets.

A secret is searched for in every way that the text can be read in, regardless of case, white space and
punctuation. Pieces of it are removed, too, since messages cut values short.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from floe_core.readings import Reading, TooMuchToRead, condensed, readings, utf_8
from floe_core.secret_pieces import PIECE, needles_of, secret_lines, windows

SHORTEST = 6
"""The shortest secret that is searched for, in characters. A shorter one cannot be told from other text, so
all text of the plugin is withheld."""
REDACTED = "[redacted]"
WITHHELD = "(the plugin's own text is withheld, because it might contain a secret)"
"""It does not say that a secret is short."""
WITHHELD_AS_ANOTHERS = "(withheld: this may be from another plugin, and might contain a secret of it)"
_ENOUGH = 4096
_LARGEST_TEXT = 64 * 1024
"""Characters of plugin text that are searched; the rest is cut off."""


class SecretFinder(Protocol):
    """Finds many secrets by their pieces."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no secret."""

    @property
    def withheld(self) -> str:
        """What is said instead of any text, or nothing if all secrets are found."""

    def find(self, content: bytes) -> Iterable[tuple[int, int, int]]:
        """Return where pieces of secrets begin and end, and how many bytes beside each may belong to it."""


class NoSecrets:
    """Finds no secret."""

    is_empty = True
    withheld = ""

    def find(self, content: bytes) -> Iterable[tuple[int, int, int]]:
        """Find nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Short:
    """What of a plugin's secrets is too short to be looked for in pieces."""

    needles: frozenset[bytes] = frozenset()
    """What is searched for as a whole."""
    too_short: frozenset[str] = frozenset()
    """What is too short to be searched for at all, in lower case."""

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Short:
        """Return what is short in these secrets, or in a line of them."""
        known = [secret for secret in secrets if secret]
        lines = {line for secret in known for line in (secret, *secret_lines(secret))}
        needles = {needle for line in lines for needle in _needles(line)}
        return cls(frozenset(needles), frozenset(short for secret in known for short in _too_short(secret)))


NO_SHORT = Short()


class Scrubber:
    """Removes secrets from text: the pieces of those that are long enough, and what of others is short."""

    def __init__(
        self,
        finder: SecretFinder,
        short: Short,
        on_withheld: Callable[[], None] | None = None,
        *,
        instead: str = WITHHELD,
    ) -> None:
        self._finder = finder
        self._short = short
        self._instead = instead
        self._on_withheld = on_withheld

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remove from any text."""
        return self._finder.is_empty and self._short == NO_SHORT

    @property
    def withheld(self) -> str:
        """What is said instead of any text, or nothing if text is scrubbed."""
        return self._instead if self._short.too_short else self._finder.withheld

    def scrub(self, text: str) -> str:
        """Return the text without any secret, or the sentence that says why it is withheld."""
        text = text[:_LARGEST_TEXT]
        if not text.strip():
            return ""
        instead = self.withheld
        try:
            if not instead:
                return _without(text, self._matches(text))
        except TooMuchToRead:
            instead = WITHHELD
        if self._on_withheld is not None:
            self._on_withheld()
        return instead

    def finds_any(self, text: str) -> bool:
        """Return True if there is, or might be, a secret in the text.

        One that is too short to be searched for counts if it is one of the text's words.
        """
        if self._finder.withheld or not self._short.too_short.isdisjoint(text.lower().split()):
            return bool(text)
        try:
            return any(True for _ in self._matches(text[:_LARGEST_TEXT]))
        except TooMuchToRead:
            return True

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        for reading in () if self.is_idle else readings(text):
            content = reading.content
            for found in (self._finder.find(content), _occurrences(content, self._short.needles)):
                for start, end, before, after in _grouped(found):
                    yield _with_neighbours(reading, text, start, end, before, after)


NOTHING = Scrubber(NoSecrets(), NO_SHORT)
"""The scrubber for plugins that no Secret configures."""


def without_values(texts: Iterable[str], values: Iterable[str]) -> list[str]:
    """Return the texts without values that are no secrets, as far as they are as long as a piece of one.

    Only whole values are found. Shorter ones, such as `true` and a port's number, are words like any other.
    """
    begins: dict[int, set[bytes]] = {}
    for value in values:
        content, _ = condensed(utf_8(value))
        if len(value) >= PIECE and len(content) >= PIECE:
            begins.setdefault(windows(content[:PIECE])[0], set()).add(content)
    return [_without(text, _values_in(text, begins)) for text in texts]


def _values_in(text: str, begins: dict[int, set[bytes]]) -> Iterator[tuple[int, int]]:
    for reading in _readable(text) if begins else ():
        for at, piece in enumerate(windows(reading.content)):
            for value in begins.get(piece, ()):
                if reading.content.startswith(value, at):
                    yield reading.span(at, at + len(value))


def _readable(text: str) -> list[Reading]:
    """Return the readings of a text that is not secret; of one with too much in it, none."""
    try:
        return list(readings(text))
    except TooMuchToRead:
        return []


def _grouped(pieces: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield where pieces that belong together begin and end, and how much may belong to them on each side.

    What is between two pieces of a long secret belongs to it; what is beside them may.
    """
    group: list[int] = []
    for start, end, reach in sorted(pieces):
        if group and start - reach < group[1] + group[3]:
            if end > group[1]:
                group[1], group[3] = end, reach
            continue
        if group:
            yield group[0], group[1], group[2], group[3]
        group = [start, end, reach, reach]
    if group:
        yield group[0], group[1], group[2], group[3]


def _with_neighbours(
    reading: Reading, text: str, start: int, end: int, before: int, after: int
) -> tuple[int, int]:
    """Return where a part of a reading is in the text, with what adjoins it without white space."""
    begin, done = reading.span(start, end)
    for at in range(start - 1, max(start - before, 0) - 1, -1):
        here, _ = reading.span(at, at + 1)
        if any(map(str.isspace, text[here:begin])):
            break
        begin = min(begin, here)
    for at in range(end, min(end + after, len(reading.content))):
        _, there = reading.span(at, at + 1)
        if any(map(str.isspace, text[done:there])):
            break
        done = max(done, there)
    return begin, done


def _occurrences(content: bytes, needles: Collection[bytes]) -> Iterator[tuple[int, int, int]]:
    for needle in needles:
        at = content.find(needle)
        while at >= 0:
            yield at, at + len(needle), 0
            at = content.find(needle, at + 1)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text with a word in place of these parts, one for those that overlap or adjoin."""
    parts: list[str] = []
    done = -1
    for start, end in sorted(spans):
        if start > done:
            parts += text[max(done, 0) : start], REDACTED
        done = max(done, end)
    return "".join((*parts, text[max(done, 0) :]))


def characters_in(secret: str) -> int:
    """Return how many characters a secret has that are looked at, up to a number that is enough."""
    tight, _ = condensed(utf_8(secret[:_ENOUGH]))
    return len(tight.decode("utf-8", "replace"))


def _needles(line: str) -> Iterator[bytes]:
    """Yield what of a line has no piece that many secrets are searched for by, but is not too short."""
    if SHORTEST <= characters_in(line) < PIECE:
        yield condensed(utf_8(line))[0]
    yield from (needle for needle in needles_of(line) if len(needle) >= SHORTEST)


def _too_short(secret: str) -> list[str]:
    """Return the lines of a secret that are too short to be found.

    Lines of punctuation in a longer secret, such as braces, do not count: they reveal nothing.
    """
    lines = secret_lines(secret)
    short = [line.lower() for line in lines if characters_in(line) < SHORTEST]
    return short if len(short) == len(lines) or any(map(str.isalnum, "".join(short))) else []
