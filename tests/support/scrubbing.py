"""Scrubbers for tests: of some secrets, without an event loop, and for plugin hosts that are numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from floe_core.secret_pieces import PIECE, SPARSE, Pieces, windows
from floe_operator.rules.scrub import Scrubber, Short, characters_in
from floe_operator.scrubbers import Scrubbers
from floe_operator.secret_index import SecretIndex


class KnownPieces:
    """The pieces of some secrets."""

    withheld = ""

    def __init__(self, *secrets: str) -> None:
        known = [secret for secret in secrets if characters_in(secret) >= PIECE]
        found = [Pieces.of(secret) for secret in known]
        self._dense = frozenset().union(*(each.dense for each in found))
        self._sparse = frozenset().union(*(each.sparse for each in found))
        self.is_empty = not known

    def find(self, content: bytes) -> Iterator[tuple[int, int, int]]:
        for at, piece in enumerate(windows(content)):
            if piece in self._dense:
                yield at, at + PIECE, 0
            elif piece in self._sparse:
                yield at, at + PIECE, SPARSE - 1


@dataclass
class HostNumbers:
    """The numbers of the first and the last plugin host that is alive."""

    oldest: int = 1
    newest: int = 1


def scrubber_of(*secrets: str) -> Scrubber:
    """Return the scrubber for a plugin that these secrets were given to."""
    return Scrubber(KnownPieces(*secrets), Short.of(secrets))


def no_scrubbers() -> Scrubbers:
    """Return scrubbers that know no secrets yet."""
    return Scrubbers(HostNumbers(), SecretIndex())
