"""The main thread of the host as a queue of work: plugins are imported there, one at a time.

Some plugins set signal handlers at import, which only the main thread may, and parallel imports change
what circular ones do.
"""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import NoReturn, TypeVar

T = TypeVar("T")


class MainThread:
    """Runs what other threads hand in, in the order in which it came."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, work: Callable[[], None]) -> None:
        """Queues work that raises nothing."""
        self._work.put(work)

    def run(self, work: Callable[[], T]) -> T:
        """Has the main thread do the work and waits for the outcome; not for the main thread itself."""
        outcome: Future[T] = Future()

        def settle() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # noqa: BLE001 - plugin code raises anything, and the caller decides
                outcome.set_exception(error)

        self._work.put(settle)
        return outcome.result()

    def serve(self) -> NoReturn:
        """Does the work as it comes; called by the main thread, for good."""
        process = os.getpid()
        while True:
            # A plugin's signal handler may raise here, between two pieces of work.
            with contextlib.suppress(BaseException):
                self._work.get()()
            if os.getpid() != process:
                os._exit(0)  # a plugin forked at import, and this is the child
