"""Remembers what was said about each subject, so that a problem is logged once and not at each attempt."""

from __future__ import annotations

import collections
import math
import re
import time
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)

_QUOTED = re.compile(r'"[^"]*"')
_WITH_DIGITS = re.compile(r"[\w-]*\d[\w-]*")
_MOST = 10_000
"""Maximum number of subjects; the oldest are forgotten first and then count as new."""


def gist(text: str, *names: str) -> str:
    """Return a text without these names, quoted ones and numbers: what many objects and attempts share."""
    return _QUOTED.sub("", without(text, *names))


def without(text: str, *names: str) -> str:
    """Return a text without these names, and without words that have digits, such as versions and uids."""
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "", text)
    return _WITH_DIGITS.sub("", text)


class Said(Generic[Subject]):
    """What was last said about each subject."""

    def __init__(self, again_after: float = math.inf) -> None:
        self._again_after = again_after
        """Seconds after which the same words are new again."""
        self._words: collections.OrderedDict[Subject, tuple[object, float]] = collections.OrderedDict()

    def is_new(self, subject: Subject, words: object = None) -> bool:
        """Return True if `words` differ from what was last said about the subject, and remember them."""
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
        """Forget the subject: whatever is said next is new."""
        self._words.pop(subject, None)

    def only(self, subjects: Collection[Subject]) -> None:
        """Forget all other subjects."""
        for subject in self._words.keys() - set(subjects):
            del self._words[subject]
