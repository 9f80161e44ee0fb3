"""A set of 64-bit integers that may hold millions, at 8 bytes each, and counts what was added twice."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

_BUCKETS = 1021
_SLOTS = 1_048_573
"""A prime, as the number of buckets: the integers are text, whose bits are not random."""
_FULL = 255


class PieceSet:
    """Sorted arrays, and in front of them a filter with a counter for each of a million remainders.

    A look-up costs little while the filter can tell that an integer is not there. A counter that is full
    stays so.
    """

    def __init__(self) -> None:
        self._buckets: list[array[int]] = []
        self._filter = bytearray()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def bytes_used(self) -> int:
        """The memory in use, in bytes."""
        return len(self._filter) + sum(each.itemsize * len(each) + 80 for each in self._buckets)

    def add(self, pieces: Iterable[int]) -> None:
        """Add integers, each once more than it was added before."""
        if not self._buckets:
            self._buckets = [array("Q") for _ in range(_BUCKETS)]
            self._filter = bytearray(_SLOTS)
        for piece in pieces:
            insort(self._buckets[piece % _BUCKETS], piece)
            slot = piece % _SLOTS
            if self._filter[slot] < _FULL:
                self._filter[slot] += 1
            self._size += 1

    def remove(self, pieces: Iterable[int]) -> None:
        """Remove integers that were added, each once."""
        for piece in pieces:
            bucket = self._buckets[piece % _BUCKETS]
            del bucket[bisect_left(bucket, piece)]
            slot = piece % _SLOTS
            if self._filter[slot] < _FULL:
                self._filter[slot] -= 1
            self._size -= 1
        if not self._size:
            self._buckets, self._filter = [], bytearray()

    def found_in(self, pieces: Sequence[int]) -> Iterator[int]:
        """Yield the indices of those that are in the set."""
        if not self._size:
            return
        table = self._filter
        for index in [index for index, piece in enumerate(pieces) if table[piece % _SLOTS]]:
            piece = pieces[index]
            bucket = self._buckets[piece % _BUCKETS]
            at = bisect_left(bucket, piece)
            if at < len(bucket) and bucket[at] == piece:
                yield index
