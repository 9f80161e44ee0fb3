"""What was said of each subject, so that a log tells of a trouble once and not at each attempt."""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)

_MOST = 10_000
"""How many subjects are remembered; the oldest go first, and are said again."""


class Said(Generic[Subject]):
    """The last word on each subject."""

    def __init__(self, again_after: float = math.inf) -> None:
        self._again_after = again_after
        """Seconds after which the same is new again."""
        self._words: collections.OrderedDict[Subject, tuple[object, float]] = collections.OrderedDict()

    def is_new(self, subject: Subject, words: object = None) -> bool:
        """Whether this is another word on the subject than the last, which it is from now on."""
        now = time.monotonic()
        while self._words and now - next(iter(self._words.values()))[1] >= self._again_after:
            self._words.popitem(last=False)
        last = self._words.get(subject)
        if last is not None and last[0] == words:
            return False
        self._words[subject] = words, now
        self._words.move_to_end(subject)
        while len(self._words) > _MOST:
            self._words.popitem(last=False)
        return True

    def is_over(self, subject: Subject) -> None:
        """There is nothing to say of the subject any more: whatever comes next is new."""
        self._words.pop(subject, None)

    def only(self, subjects: Collection[Subject]) -> None:
        """All other subjects are over."""
        for subject in self._words.keys() - set(subjects):
            del self._words[subject]
