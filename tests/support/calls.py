"""Counts calls, for bounds on work that hold on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def calls_in(work: Callable[[], T], *events: str) -> tuple[int, T]:
    """Return how many functions are called while this one works, and what it returns.

    `events` are those of sys.setprofile that count; without any, calls of Python and of C.
    """
    counted = events or ("call", "c_call")
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in counted

    sys.setprofile(count)
    try:
        returned = work()
    finally:
        sys.setprofile(None)
    return calls, returned
