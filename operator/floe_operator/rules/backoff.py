"""How long to wait after several failures in a row: the pauses double, up to a limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_DOUBLINGS = 32
"""The most doublings: more than any `longest` needs, and well within the range of a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first and the longest pause, in seconds."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row, which must be at least 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, _DOUBLINGS))
