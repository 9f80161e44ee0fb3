"""Until when this process leads, and the thread that ends the process then, whatever the event loop does.

The caller must put it off at each renewal.
"""

from __future__ import annotations

import os
import threading
import time
from typing import NoReturn

import structlog

_GOODBYE_SECONDS = 0.5
"""How long the last log line may take."""
_LOOK_SECONDS = 1.0
"""How often the watchdog looks at least: its waits stand still while the machine sleeps."""

_goodbye_begun = threading.Lock()
"""Held, for good, by the first that ends the process: its reason is the one that counts."""

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_log = structlog.get_logger(__name__)


def since_boot() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps (on Linux)."""
    return time.clock_gettime(_CLOCK)


class Deadline:
    """Until when this process leads, by `since_boot`; read by the watchdog's thread, too."""

    def __init__(self) -> None:
        self._at: float | None = None

    def left(self) -> float:
        """Seconds until then; 0 or less where it is over or never began."""
        at = self._at
        return at - since_boot() if at is not None else 0.0

    def put_off(self, at: float) -> None:
        """The lead lasts until then."""
        self._at = at

    def clear(self) -> None:
        """The lead is over."""
        self._at = None


class Watchdog:
    """A thread that ends the process when the deadline passes, whatever the event loop does."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="leader watchdog", daemon=True).start()

    def stop(self) -> None:
        """The lead is given up on purpose."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(min(_LOOK_SECONDS, max(0.0, self._deadline.left()))):
            if self._deadline.left() <= 0 and not self._stopped.is_set():
                end_process("it was not renewed in time")


def end_process(why: str) -> NoReturn:
    """Ends the process now: no clean-up, which could write. Exit code 1.

    Logs `why`, unless another thread has begun to end the process for a reason of its own.
    """
    try:
        if _goodbye_begun.acquire(blocking=False):
            # In a thread: another one may hold the log's lock, or nobody may read the log.
            goodbye = threading.Thread(
                target=_log.critical,
                args=("the lead is lost: the process ends",),
                kwargs={"reason": why},
                daemon=True,
            )
            goodbye.start()
            goodbye.join(_GOODBYE_SECONDS)
        else:
            time.sleep(_GOODBYE_SECONDS)
    finally:
        os._exit(1)
