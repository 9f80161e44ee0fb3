"""Waiting for a state with a deadline, for this package and for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from localcluster.errors import DeadlineExceeded

T = TypeVar("T")


def wait_until(probe: Callable[[], T], what: str, *, timeout: float = 30.0, interval: float = 0.05) -> T:
    """Return what `probe` returns, as soon as that is true; `what` says so, as in "the pod is gone".

    Raises:
        DeadlineExceeded: It was not true within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (seen := probe()):
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"gave up after {timeout:g} s waiting until {what}; last seen: {seen!r}")
        time.sleep(interval)
    return seen
