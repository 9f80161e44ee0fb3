"""The outcome of a reconcile: the key is done, comes back, or could not be finished. Plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The key needs nothing more until it is added again."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The key comes back after `seconds`; nothing failed."""

    seconds: float
    is_urgent: bool = True
    """Whether it then goes before what is only looked at again."""


@dataclass(frozen=True, slots=True)
class Later:
    """The key comes back behind all others: what is left to do is not urgent."""


Result = Done | RetryAfter | Later
DONE = Done()
LATER = Later()


class RetryableError(Exception):
    """A reconcile could not finish for a temporary reason; the key comes back, with back-off."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after
