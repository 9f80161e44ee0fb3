"""Ways back from what a text was decoded to, to the places in the text: worked out only when first asked.

Each takes the begin and the end of a part, and returns those of what it was made from.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, compress

Span = Callable[[int, int], tuple[int, int]]


def same(start: int, end: int) -> tuple[int, int]:
    """Return the same places."""
    return start, end


class OfCharacters:
    """From the UTF-8 of a text to its characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] = []

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part comes from."""
        if not self._ends:
            sizes = (len(each.encode("utf-8", "surrogatepass")) for each in self._text)
            self._ends = list(accumulate(sizes))
        return bisect_right(self._ends, start), bisect_right(self._ends, end - 1) + 1


class OfKept:
    """From what is left of a content without some bytes, which were dropped, to the content."""

    def __init__(self, outer: Span, content: bytes, dropped: bytes, begin: int = 0) -> None:
        self._outer = outer
        self._content = content
        self._dropped = dropped
        self._begin = begin
        """Where the content begins in what it is a part of."""
        self._places: Sequence[int] = ()

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part comes from."""
        if not self._places:
            stays = bytes(code not in self._dropped for code in range(256))
            self._places = list(compress(range(len(self._content)), self._content.translate(stays)))
        begin = self._begin
        return self._outer(begin + self._places[start], begin + self._places[end - 1] + 1)


class OfPacked:
    """From decoded bytes to the characters that encode them: `many` for `size` bytes, from one of them on."""

    def __init__(self, outer: Span, many: int, size: int, first: int = 0) -> None:
        self._outer = outer
        self._many = many
        self._size = size
        self._first = first

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part comes from."""
        first, end = start * self._many // self._size, -(-end * self._many // self._size)
        return self._outer(self._first + first, self._first + end)


class OfUnpacked:
    """From the base64 of bytes, after some others that are not there, to the bytes."""

    def __init__(self, outer: Span, length: int, before: int) -> None:
        self._outer = outer
        self._length = length
        self._before = before

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part comes from."""
        # The padding at the end stands for no byte.
        first = min(max(start * 3 // 4 - self._before, 0), self._length - 1)
        last = min(max(-(-end * 3 // 4) - self._before, first + 1), self._length)
        return self._outer(first, last)


class OfReplaced:
    """From a content in which all matches of a pattern were replaced to the content before."""

    def __init__(
        self,
        outer: Span,
        content: bytes,
        pattern: re.Pattern[bytes],
        value: Callable[[re.Match[bytes]], bytes],
    ) -> None:
        self._outer = outer
        self._content = content
        self._pattern = pattern
        self._value = value
        self._begins: list[int] = []
        self._parts: list[tuple[int, int, bool]] = []
        """The parts of the content before: where each begins and ends, and whether it is there as it was."""

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part comes from."""
        if not self._begins:
            self._work_out()
        return self._outer(self._at(start)[0], self._at(end - 1)[1])

    def _work_out(self) -> None:
        at = done = 0
        for found in self._pattern.finditer(self._content):
            for part, size in (
                ((done, found.start(), True), found.start() - done),
                ((found.start(), found.end(), False), len(self._value(found))),
            ):
                if size:
                    self._begins.append(at)
                    self._parts.append(part)
                    at += size
            done = found.end()
        self._begins.append(at)
        self._parts.append((done, len(self._content), True))

    def _at(self, place: int) -> tuple[int, int]:
        index = bisect_right(self._begins, place) - 1
        first, end, is_same = self._parts[index]
        if not is_same:
            return first, end
        first += place - self._begins[index]
        return first, first + 1
