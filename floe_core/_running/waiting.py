"""Who waits for whom among the threads of this process, so that waiting in a circle is refused at once.

The lock guards this and other brief bookkeeping of `_running`. No plugin code runs under it, a signal handler
can take it in the thread that holds it, and it is free in a forked child. A plugin's thread never needs it,
except for a hook that calls the registry.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import TIMEOUT_MAX, Condition, Lock, RLock, get_ident
from time import monotonic
from typing import Protocol

from floe_core.plugin_errors import PluginError, PluginTimeoutError

_lock = RLock()


def locked() -> AbstractContextManager[object]:
    """Return the lock, to be entered; nothing in an interpreter that ends, where its holder can be frozen."""
    return _NOTHING if sys.is_finalizing() else _lock


_NOTHING = nullcontext()


class WaitError(Exception):
    """Base class of the reasons why waiting for a hook came to nothing."""


class OutOfTimeError(WaitError):
    """The limit passed; only `_running` raises it, so it cannot be confused with a plugin's TimeoutError."""


class StillRunningError(OutOfTimeError):
    """The work did not begin, because an earlier hook (`hook`) has not returned."""

    def __init__(self, hook: str) -> None:
        self.hook = hook
        super().__init__(hook)


class DeadlockError(WaitError):
    """Waiting would never end: what the caller wants to wait for is waiting for the caller."""


def explained(error: WaitError, hook: str, timeout: float) -> PluginError:
    """Return the error about a hook that callers of the registry may see; `timeout` is in seconds."""
    if isinstance(error, DeadlockError):
        return PluginError(f"{hook} is waiting for something that is waiting for it")
    behind = error.hook if isinstance(error, StillRunningError) else None
    return PluginTimeoutError(hook, timeout, behind=behind)


class Holder(Protocol):
    """What others wait for. Its thread is None while it has none, and can change."""

    @property
    def thread(self) -> int | None:
        """The identifier of the thread that must get on before the wait can end."""


_waiting: dict[int, tuple[Holder, ...]] = {}
_generation = 0


def generation() -> int:
    """Return how often this process was forked: threads of an earlier generation do not exist here."""
    return _generation


@contextmanager
def waiting_for(holders: Sequence[Holder]) -> Iterator[None]:
    """Note that this thread waits for all of these while the block runs.

    Raises:
        DeadlockError: One of them is waiting for this thread.
    """
    me = get_ident()
    outer = _waiting.get(me, ())  # not empty if a signal handler interrupted a wait
    try:
        with locked():
            if _leads_to(holders, me):
                raise DeadlockError
            _waiting[me] = (*outer, *holders)
        yield
    finally:  # no lock, because a Ctrl-C while waiting for it would leave the entry behind
        if outer:
            _waiting[me] = outer
        else:
            _waiting.pop(me, None)


def seconds_until(deadline: float) -> float:
    """Return how long to wait for a deadline by the monotonic clock, which can be infinitely far away."""
    return max(0.0, min(deadline - monotonic(), TIMEOUT_MAX))


def waits_for_me(holder: Holder) -> bool:
    """Return True if waiting for it would be waiting in a circle."""
    with locked():
        return _leads_to((holder,), get_ident())


def _leads_to(holders: Sequence[Holder], thread: int) -> bool:
    todo, seen = list(holders), set[int]()
    while todo:
        present = todo.pop().thread
        if present == thread:
            return True
        if present is not None and present not in seen:
            seen.add(present)
            todo.extend(_waiting.get(present, ()))
    return False


class Latch:
    """An event that is set once, by one thread at a time.

    Unlike threading.Event, a Ctrl-C in wait() leaves no lock behind on which set() would hang.
    """

    def __init__(self) -> None:
        self._closed = Lock()
        self._closed.acquire()
        self._is_set = False

    def is_set(self) -> bool:
        """Return True if set() was called."""
        return self._is_set

    def set(self) -> None:
        """Let all go on who wait."""
        if not self._is_set:
            self._is_set = True
            self._closed.release()

    def wait(self, timeout: float = -1) -> None:
        """Wait for set(), at most `timeout` seconds if it is not negative."""
        if not self._is_set and self._closed.acquire(timeout=timeout):
            self._closed.release()


class Gate:
    """Lets one thread at a time pass, and that thread as often as it likes."""

    def __init__(self) -> None:
        self._freed = Condition(_lock)
        self._owner: int | None = None
        self._generation = _generation

    @property
    def thread(self) -> int | None:
        """The thread that is inside, or None."""
        return None if self._generation != _generation or sys.is_finalizing() else self._owner

    @contextmanager
    def held(self, deadline: float) -> Iterator[None]:
        """Stay inside while the block runs; `deadline` is by the monotonic clock.

        Raises:
            OutOfTimeError: Another thread was inside until the deadline.
            DeadlockError: The thread inside is waiting for this one.
        """
        me = get_ident()
        outer = me if self.thread == me else None
        try:
            with locked():
                if self.thread not in (None, me):
                    with waiting_for((self,)):
                        if not self._freed.wait_for(lambda: self.thread is None, seconds_until(deadline)):
                            raise OutOfTimeError
                self._owner, self._generation = me, _generation
            yield
        finally:
            if self._owner == me:
                self._owner = outer  # before the wait for the lock, which a Ctrl-C can end
            if not sys.is_finalizing():
                with locked():
                    self._freed.notify_all()


def _begin_anew() -> None:
    global _generation
    _generation += 1
    _waiting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    # Taken before the fork, so that no other thread is in the middle of a change.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_anew)
