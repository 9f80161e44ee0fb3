"""A set of 64-bit integers that may hold millions, at 8 bytes each, and counts what was added twice."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

_LONGEST = 512
"""Integers in a part, above which it is split."""
_SLOTS = 1_048_573
"""A prime, because the integers are text, whose bits are not random."""
_FULL = 255


class PieceSet:
    """A sorted sequence in parts, and in front of it a filter: a counter for each of a million remainders.

    A look-up costs little while the filter can tell that an integer is not there. A counter that is full
    stays so.
    """

    def __init__(self) -> None:
        self._parts: list[array[int]] = []
        self._lasts = array("Q")
        """The last integer of each part."""
        self._filter = bytearray()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def bytes_used(self) -> int:
        """The memory in use, in bytes."""
        return len(self._filter) + 8 * self._size + 128 * len(self._parts)

    def add(self, pieces: Iterable[int]) -> None:
        """Add integers, each once more than it was added before."""
        if not self._filter:
            self._filter = bytearray(_SLOTS)
        parts, lasts, table = self._parts, self._lasts, self._filter
        for piece in pieces:
            if not parts:
                parts.append(array("Q"))
                lasts.append(piece)
            at = bisect_left(lasts, piece)
            if at == len(lasts):
                at -= 1
                lasts[at] = piece
            part = parts[at]
            insort(part, piece)
            if len(part) > _LONGEST:
                middle = _LONGEST // 2
                parts[at : at + 1] = part[:middle], part[middle:]
                lasts.insert(at, part[middle - 1])
            slot = piece % _SLOTS
            if table[slot] < _FULL:
                table[slot] += 1
            self._size += 1

    def remove(self, pieces: Iterable[int]) -> None:
        """Remove integers that were added, each once."""
        parts, lasts, table = self._parts, self._lasts, self._filter
        for piece in pieces:
            at = bisect_left(lasts, piece)
            part = parts[at]
            del part[bisect_left(part, piece)]
            if part:
                lasts[at] = part[-1]
            else:
                del parts[at], lasts[at]
            slot = piece % _SLOTS
            if table[slot] < _FULL:
                table[slot] -= 1
            self._size -= 1
        if not self._size:
            self._filter = bytearray()

    def found_in(self, pieces: Sequence[int]) -> Iterator[int]:
        """Yield the indices of those that are in the set."""
        if not self._size:
            return
        parts, lasts, table = self._parts, self._lasts, self._filter
        for index in [index for index, piece in enumerate(pieces) if table[piece % _SLOTS]]:
            piece = pieces[index]
            at = bisect_left(lasts, piece)
            if at < len(lasts):
                part = parts[at]
                place = bisect_left(part, piece)
                if part[place] == piece:
                    yield index
