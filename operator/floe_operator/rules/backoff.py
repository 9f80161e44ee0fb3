"""How long to wait after failures in a row: from a first pause to a longest, doubling. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_DOUBLINGS = 32
"""Beyond any `longest`, and well below what a float holds."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses, in seconds."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """How long to wait after so many failures in a row, the last one included: at least one."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, _DOUBLINGS))
