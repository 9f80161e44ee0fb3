"""Imports each plugin at most once at a time, within a time limit, and never waits in a circle.

An import runs in a daemon thread of its own, so that one that hangs keeps neither its caller nor the process.
A caller waits for an import that is already under way.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar, cast

from floe_core._running.plugin_thread import outcome
from floe_core._running.waiting import Latch, OutOfTimeError, generation, locked, waiting_for
from floe_core.plugin_types import PluginId

T = TypeVar("T")


class _Turn(Generic[T]):
    """One import, in its own thread or in the caller's."""

    __slots__ = ("beginning", "done", "error", "generation", "given_up", "thread", "value")

    def __init__(self) -> None:
        self.thread: int | None = None
        self.generation = generation()
        self.beginning = threading.Lock()
        self.done = Latch()
        self.given_up = False
        self.value: T | None = None
        self.error: BaseException | None = None

    def begin(self) -> bool:
        """Return True if the caller must have the import performed; nobody else gets True then."""
        return self.beginning.acquire(blocking=False)

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class ImportTurns(Generic[T]):
    """The imports under way, at most one of each plugin."""

    def __init__(self) -> None:
        self._turns: dict[PluginId, _Turn[T]] = {}
        self._here = threading.local()

    def run(
        self,
        plugin: PluginId,
        work: Callable[[], T],
        timeout: float,
        *,
        too_late: Callable[[T], object] = lambda _: None,
        in_place: bool = False,
    ) -> T:
        """Return or raise the outcome of `work`, run by this call or by one that is under way.

        If an import that was given up completes after all, `too_late` gets its value. With `in_place`, and
        from within another import, the work runs in the caller's thread: circular imports see
        half-initialised modules within one thread, but lock each other out in two.

        Raises:
            OutOfTimeError: `timeout` seconds have passed, or an import that was given up has not ended.
            DeadlockError: The import under way is waiting for this caller.
        """
        ends = monotonic() + timeout
        with locked():
            turn = self._turns.get(plugin)
            if turn is None or turn.generation != generation():
                turn = self._turns[plugin] = _Turn()
            elif turn.given_up:
                raise OutOfTimeError
        if (in_place or getattr(self._here, "imports", False)) and turn.begin():
            self._perform(turn, plugin, work, too_late)
            return turn.result()
        with waiting_for((turn,)):
            mine = turn.begin()
            if mine:
                try:
                    start_daemon(
                        lambda: self._perform(turn, plugin, work, too_late), f"floe: import of {plugin}"
                    )
                except BaseException:
                    # A Ctrl-C: perhaps nothing has started, so the next caller begins again.
                    turn.beginning.release()
                    raise
            turn.done.wait(timeout)
        if mine:
            self._give_up(turn)
        if not turn.done.is_set():
            if turn.thread is None:  # a Ctrl-C kept it from starting
                with locked():
                    self._end(turn, plugin)
            raise OutOfTimeError
        if not mine and isinstance(turn.error, KeyboardInterrupt):  # meant for the thread that imported
            return self.run(plugin, work, ends - monotonic(), too_late=too_late, in_place=in_place)
        return turn.result()

    def _perform(
        self, turn: _Turn[T], plugin: PluginId, work: Callable[[], T], too_late: Callable[[T], object]
    ) -> None:
        turn.thread = threading.get_ident()
        outer = getattr(self._here, "imports", False)
        self._here.imports = True
        value, error = outcome(work)
        self._here.imports = outer
        with locked():
            if not turn.given_up:
                turn.value, turn.error = value, error
                self._end(turn, plugin)
                turn.done.set()
                return
        if error is None:
            outcome(too_late, cast("T", value))
        with locked():
            self._end(turn, plugin)

    def _give_up(self, turn: _Turn[T]) -> None:
        with locked():
            if not turn.done.is_set():
                turn.given_up = True
                turn.error = OutOfTimeError()
                turn.done.set()

    def _end(self, turn: _Turn[T], plugin: PluginId) -> None:
        if self._turns.get(plugin) is turn:  # in a forked child, another might have begun
            del self._turns[plugin]


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
