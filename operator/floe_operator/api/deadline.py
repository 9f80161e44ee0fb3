"""The deadline of this process's leadership, and a thread that ends the process when the deadline passes.

The thread works even while the event loop is blocked. The caller must put off the deadline at each renewal.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

_GOODBYE_SECONDS = 0.5
"""Seconds that the last log line may take."""
_LOOK_SECONDS = 1.0
"""Maximum seconds between two checks by the watchdog, whose waits do not count time the machine sleeps."""

_goodbye_begun = threading.Lock()
"""Held forever by the first thread that ends the process, so that only its reason is logged."""

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_log = structlog.get_logger(__name__)


def since_boot() -> float:
    """Return the seconds on a clock that cannot be set and that, on Linux, runs while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Deadline:
    """The `since_boot` time until which this process leads; the watchdog's thread reads it too."""

    def __init__(self) -> None:
        self._at: float | None = None

    def left(self) -> float:
        """Return the seconds of leadership left; 0 or less if it is over or never began."""
        at = self._at
        return at - since_boot() if at is not None else 0.0

    def put_off(self, at: float) -> None:
        """Extend leadership until `at`."""
        self._at = at

    def clear(self) -> None:
        """End leadership."""
        self._at = None


class Watchdog:
    """A thread that ends the process when the deadline passes, even while the event loop is blocked.

    `why` returns why it passed, as far as known.
    """

    def __init__(self, deadline: Deadline, why: Callable[[], str]) -> None:
        self._deadline = deadline
        self._why = why
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="leader watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching, so that leadership can be released on purpose."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(min(_LOOK_SECONDS, max(0.0, self._deadline.left()))):
            if self._deadline.left() <= 0 and not self._stopped.is_set():
                end_process(self._why() or "the Lease was not renewed in time")


def end_process(why: str) -> NoReturn:
    """End the process immediately with exit code 1 and without clean-up, which could still write.

    Log `why`, unless another thread has begun to end the process for its own reason.
    """
    try:
        if _goodbye_begun.acquire(blocking=False):
            # In a thread, because logging can block: on a lock held by another thread, or on a full pipe.
            goodbye = threading.Thread(
                target=_log.critical,
                args=("leadership lost: ending the process",),
                kwargs={"reason": why},
                daemon=True,
            )
            goodbye.start()
            goodbye.join(_GOODBYE_SECONDS)
        else:
            time.sleep(_GOODBYE_SECONDS)
    finally:
        os._exit(1)
