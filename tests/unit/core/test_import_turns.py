"""Imports: one at a time of each plugin, within a time limit, and never waiting in a circle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from floe_core._running import waiting
from floe_core._running.import_turns import ImportTurns
from floe_core._running.waiting import DeadlockError, OutOfTimeError
from floe_core.plugin_types import PluginId, PluginType
from tests.support.polling import eventually

X, Y = (PluginId(PluginType.COMPUTE, name) for name in "xy")


def in_thread(work: Callable[[], object]) -> list[object]:
    """Start the work in a thread and return a list that will hold its outcome."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def test_a_caller_shares_the_outcome_of_an_import_that_is_under_way() -> None:
    turns, go_on, runs = ImportTurns[str](), threading.Event(), []

    def work() -> str:
        runs.append(1)
        go_on.wait()
        return "done"

    outcomes = [in_thread(lambda: turns.run(X, work, 30)) for _ in range(5)]
    eventually(lambda: runs)
    go_on.set()
    eventually(lambda: all(outcome == ["done"] for outcome in outcomes))


def test_a_caller_that_runs_out_of_time_does_not_end_the_import() -> None:
    turns, begun, go_on = ImportTurns[bool](), threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return go_on.wait()

    patient = in_thread(lambda: turns.run(X, work, 30))
    assert begun.wait(30)
    with pytest.raises(OutOfTimeError):
        turns.run(X, lambda: False, 0.05)
    go_on.set()
    eventually(lambda: patient == [True])


def test_an_import_within_an_import_runs_in_the_same_thread_and_waits_for_nobody() -> None:
    turns, inside, go_on = ImportTurns[str](), threading.Event(), threading.Event()

    def inner() -> str:
        inside.set()
        go_on.wait()
        return "inner"

    first = in_thread(lambda: turns.run(X, lambda: turns.run(Y, inner, 30), 30))
    assert inside.wait(30)
    besides = [
        in_thread(lambda: turns.run(X, lambda: "mine", 30)),
        in_thread(lambda: turns.run(Y, lambda: "mine", 30)),
    ]
    eventually(lambda: len(waiting._waiting) == 3)
    go_on.set()
    eventually(lambda: first == ["inner"] and besides == [["inner"], ["inner"]])


def test_imports_that_wait_in_a_circle_are_an_error_for_one_caller_and_end_for_all() -> None:
    turns, both = ImportTurns[str](), threading.Barrier(2)

    def asking(other: PluginId) -> Callable[[], str]:
        def work() -> str:
            both.wait(30)
            try:
                return turns.run(other, lambda: "never", 30)
            except DeadlockError:
                return "circle"

        return work

    outcomes = [
        in_thread(lambda: turns.run(X, asking(Y), 30)),
        in_thread(lambda: turns.run(Y, asking(X), 30)),
    ]
    eventually(lambda: outcomes == [["circle"], ["circle"]])


def test_an_import_in_place_runs_in_the_callers_thread() -> None:
    assert ImportTurns[int]().run(X, threading.get_ident, 30, in_place=True) == threading.get_ident()
    assert ImportTurns[int]().run(X, threading.get_ident, 30) != threading.get_ident()


def test_a_failed_or_late_import_leaves_nothing_behind() -> None:
    turns = ImportTurns[str]()
    with pytest.raises(ValueError, match="x"):
        turns.run(X, lambda: str(int("x")), 30)
    late: list[str] = []
    go_on = threading.Event()
    with pytest.raises(OutOfTimeError):
        turns.run(Y, lambda: str(go_on.wait()), 0.05, too_late=late.append)
    go_on.set()
    eventually(lambda: late == ["True"])
    eventually(lambda: (turns._turns, waiting._waiting) == ({}, {}))


def test_an_interrupted_caller_leaves_the_import_to_those_who_ask_next() -> None:
    turns, go_on = ImportTurns[str](), threading.Event()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            turns.run(X, lambda: str(go_on.wait()), 30)
    finally:
        signal.signal(signal.SIGALRM, before)
    next_one = in_thread(lambda: turns.run(X, lambda: "mine", 30))
    eventually(lambda: waiting._waiting)
    go_on.set()
    eventually(lambda: next_one == ["True"])
