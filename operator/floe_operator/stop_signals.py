"""The signals that end the operator: asks it to stop, and logs which process sent them, as far as is known.

The kernel says who sent a signal only to a thread that waits for it while it is blocked everywhere else. What
a process says by a signal that is not for ending others is left to whoever handles it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.logs import naming

_ASKING = frozenset({signal.SIGTERM, signal.SIGINT})
"""How a kubelet, a service manager or a person asks a program to stop."""
_OTHERS = ("HUP", "QUIT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT")
"""Signals that would end the process at once, without a word."""
_BY_A_PROCESS = frozenset({0, -1, -6})
"""SI_USER, SI_QUEUE and SI_TKILL of sigaction(2): how a signal comes that has a sender."""

_held: frozenset[signal.Signals] = frozenset()
"""The signals that are blocked, so that they have a known sender."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A signal that arrived; `at` is in seconds of the monotonic clock."""

    number: signal.Signals
    at: float
    sender: int | None = None
    """The sender's pid; None if it is not a process that can be seen from here, such as a kubelet."""
    session: int | None = None
    """The sender's session, unless it is gone already."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """The plugins in whose process a signal was sent, and why it is them; `host` is that process."""

    host: int
    plugins: Collection[PluginId]
    reason: str


class StopSignals:
    """Takes the signals from now on until the process ends; create it before any other thread.

    Until `heed` is called, each ends the process at once, as it does by default.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """Set when the first signal has arrived."""
        self.exit_code = 0
        """128 and the signal's number, as shells show it, unless somebody has asked the operator to stop."""
        self._suspects_of: Callable[[Arrival], Suspects | None] = lambda _: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers = _ASKING | {
            number for number in _others() if signal.getsignal(number) == signal.SIG_DFL
        }
        if sys.platform == "linux":
            global _held
            _held = frozenset(self._numbers)
            signal.pthread_sigmask(signal.SIG_BLOCK, _held)
            threading.Thread(target=self._wait, name="stop-signals", daemon=True).start()

    def heed(self, suspects_of: Callable[[Arrival], Suspects | None]) -> None:
        """Stop the operator at a signal from now on; `suspects_of` says which plugins may have sent one."""
        self._suspects_of = suspects_of
        self._loop = asyncio.get_running_loop()
        for number in self._numbers:  # which arrive so while a child process is started
            self._loop.add_signal_handler(number, self._arrived_from_unknown, number)

    def _wait(self) -> None:
        while True:
            info = signal.sigwaitinfo(_held)
            sender = info.si_pid if info.si_code in _BY_A_PROCESS and info.si_pid > 0 else None
            number = signal.Signals(info.si_signo)
            arrival = Arrival(number, time.monotonic(), sender, _session_of(sender))
            if self._loop is None:
                os._exit(128 + number)
            try:
                self._loop.call_soon_threadsafe(self._arrived, arrival)
            except RuntimeError:  # the loop is closed, and something keeps the process from ending
                os._exit(128 + number)

    def _arrived_from_unknown(self, number: signal.Signals) -> None:
        self._arrived(Arrival(number, time.monotonic()))

    def _arrived(self, arrival: Arrival) -> None:
        sender = {} if arrival.sender is None else {"pid": arrival.sender}
        suspects = self._suspects_of(arrival)
        if suspects is not None:
            _log.error(
                "a plugin sent the operator a signal",
                signal=arrival.number.name,
                **sender,
                host=suspects.host,
                **naming(suspects.plugins),
                reason=suspects.reason,
            )
        else:
            level = _log.info if arrival.number in _ASKING else _log.warning
            level("received a signal", signal=arrival.number.name, **sender)
        if not self.stop.is_set() and (suspects is not None or arrival.number not in _ASKING):
            self.exit_code = 128 + arrival.number
        self.stop.set()


@contextlib.contextmanager
def unblocked() -> Iterator[None]:
    """Start processes in the block: they inherit the signals that are blocked, and would never end by one."""
    if _held:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _held)
    try:
        yield
    finally:
        if _held:
            signal.pthread_sigmask(signal.SIG_BLOCK, _held)


def _others() -> set[signal.Signals]:
    return {
        signal.Signals[name]
        for name in (f"SIG{each}" for each in _OTHERS)
        if name in signal.Signals.__members__
    }


def _session_of(sender: int | None) -> int | None:
    if sender is None:
        return None
    try:
        return os.getsid(sender)
    except OSError:
        return None
