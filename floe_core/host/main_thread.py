"""The host's main thread as a work queue: plugins are imported there, one at a time.

Some plugins set signal handlers at import, which only the main thread can do; and circular imports behave
differently if they run in parallel.
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
    """Runs the work that other threads submit, in the order of submission."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, work: Callable[[], None]) -> None:
        """Queue work that raises nothing."""
        self._work.put(work)

    def run(self, work: Callable[[], T]) -> T:
        """Run the work on the main thread and wait for its outcome; must be called from another thread."""
        outcome: Future[T] = Future()

        def settle() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # noqa: BLE001 - plugin code can raise anything; raised in `run`
                outcome.set_exception(error)

        self._work.put(settle)
        return outcome.result()

    def serve(self) -> NoReturn:
        """Run the work as it arrives, forever; must be called from the main thread."""
        process = os.getpid()
        while True:
            # A plugin's signal handler might raise here, between two pieces of work.
            with contextlib.suppress(BaseException):
                self._work.get()()
            if os.getpid() != process:
                os._exit(0)  # a plugin forked at import, and this is the child
