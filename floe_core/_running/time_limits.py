"""Runs plugin code within a time limit, and each hook of a plugin once at a time.

A limit holds without waiting for the code to end: the code runs in a daemon thread, which never keeps the
process from exiting. `TurnTable` has a lock for each hook of each plugin: a caller waits for a run that is
already under way, but gets an error instead of waiting forever if that run is waiting for the caller.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Key = tuple[object, ...]
"""Identifies a turn by plugin and hook; its words also name the thread."""


class OutOfTimeError(Exception):
    """The limit passed; only this module raises it, so it cannot be confused with a plugin's TimeoutError."""


class DeadlockError(Exception):
    """Waiting would never end: the run is waiting for the caller."""


class _Turn(Generic[T]):
    """One run of some work, in its own thread or in the caller's."""

    __slots__ = ("done", "error", "given_up", "thread", "value")

    def __init__(self) -> None:
        self.thread: int | None = None
        self.done = threading.Event()
        self.given_up = False
        self.value: T | None = None
        self.error: BaseException | None = None

    def result(self) -> T:
        """Return the value or raise the error, once the work is done."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class TurnTable:
    """Runs turns, at most one at a time for each key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[Key, _Turn[Any]] = {}
        self._waiting: dict[int, _Turn[Any]] = {}
        self._here = threading.local()

    def run(
        self,
        key: Key,
        work: Callable[[], T],
        timeout: float,
        *,
        too_late: Callable[[T], object] = lambda _: None,
        nest: bool = False,
    ) -> T:
        """Return or raise the outcome of `work`, run by this call or by one that is under way for `key`.

        If a run that was given up completes after all, `too_late` gets its value. With `nest`, a call from
        within such work runs in the same thread: circular imports see half-initialised modules within one
        thread, but lock each other out in two.

        Raises:
            OutOfTimeError: `timeout` seconds have passed, or a run that was given up has not ended.
            DeadlockError: The run under way is waiting for this caller.
        """
        me = threading.get_ident()
        with self._lock:
            turn: _Turn[T] | None = self._turns.get(key)
            mine = turn is None
            if turn is None:
                turn = self._turns[key] = _Turn()
            elif turn.given_up:
                raise OutOfTimeError
            elif self._waits_for(turn, me):
                raise DeadlockError
            outer = self._waiting.get(me)
            inline = mine and nest and getattr(self._here, "nests", False)
            if not inline:  # a thread that does the work itself waits for nobody
                self._waiting[me] = turn
        try:
            if mine:
                self._start(turn, key, work, too_late, nest, inline)
            turn.done.wait(timeout)
        finally:
            with self._lock:
                self._stop_waiting(me, outer)
                if mine and not turn.done.is_set():
                    turn.given_up = True
                    turn.error = OutOfTimeError()
                    turn.done.set()
        if not turn.done.is_set():
            raise OutOfTimeError
        return turn.result()

    def _start(
        self,
        turn: _Turn[T],
        key: Key,
        work: Callable[[], T],
        too_late: Callable[[T], object],
        nest: bool,
        inline: bool,
    ) -> None:
        def perform() -> None:
            turn.thread = threading.get_ident()
            before = getattr(self._here, "nests", False)
            self._here.nests = nest
            value, error = outcome(work)
            self._here.nests = before
            with self._lock:
                if not turn.given_up:
                    turn.value, turn.error = value, error
                    del self._turns[key]
                    turn.done.set()
                    return
            if error is None:
                outcome(lambda: too_late(value))  # type: ignore[arg-type]
            with self._lock:
                del self._turns[key]

        if inline:
            perform()
        else:
            start_daemon(perform, f"floe: {' '.join(map(str, key))}")

    def _waits_for(self, turn: _Turn[Any] | None, thread: int) -> bool:
        while turn is not None and turn.thread is not None:
            if turn.thread == thread:
                return True
            turn = self._waiting.get(turn.thread)
        return False

    def _stop_waiting(self, thread: int, outer: _Turn[Any] | None) -> None:
        if outer is None:
            self._waiting.pop(thread, None)
        else:
            self._waiting[thread] = outer


def start_daemon(work: Callable[[], object], name: str) -> None:
    """Run `work` in a daemon thread that sees the caller's context variables.

    If no thread can be started, as when the interpreter is shutting down, run it in the caller's thread.
    """
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()


def outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Return (value, None) if the work returns, or (None, error) whatever it raises."""
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001  (plugin code)
        return None, error
