"""Turns: one at a time for each key, within a time limit, and never waiting in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from floe_core._running.time_limits import DeadlockError, OutOfTimeError, TurnTable
from tests.support.polling import eventually


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


def test_a_caller_shares_the_outcome_of_a_turn_that_is_already_running() -> None:
    table, go_on, runs = TurnTable(), threading.Event(), []

    def work() -> str:
        runs.append(1)
        go_on.wait()
        return "done"

    outcomes = [in_thread(lambda: table.run(("x",), work, 30)) for _ in range(5)]
    eventually(lambda: runs)
    go_on.set()
    eventually(lambda: all(outcome == ["done"] for outcome in outcomes))


def test_a_caller_that_runs_out_of_time_does_not_end_the_turn() -> None:
    table, go_on = TurnTable(), threading.Event()
    patient = in_thread(lambda: table.run(("x",), go_on.wait, 30))
    eventually(lambda: table._turns)
    with pytest.raises(OutOfTimeError):
        table.run(("x",), lambda: None, 0.05)
    go_on.set()
    eventually(lambda: patient == [True])


def test_a_nested_turn_runs_in_the_same_thread_and_waits_for_nobody() -> None:
    table, inside, go_on = TurnTable(), threading.Event(), threading.Event()

    def inner() -> str:
        inside.set()
        go_on.wait()
        return "inner"

    def outer() -> str:
        return table.run(("inner",), inner, 30, nest=True)

    first = in_thread(lambda: table.run(("outer",), outer, 30, nest=True))
    assert inside.wait(30)
    besides = [
        in_thread(lambda: table.run(("outer",), lambda: "mine", 30, nest=True)),
        in_thread(lambda: table.run(("inner",), lambda: "mine", 30, nest=True)),
    ]
    eventually(lambda: len(table._waiting) == 3)
    go_on.set()
    eventually(lambda: first == ["inner"] and besides == [["inner"], ["inner"]])


@pytest.mark.parametrize("nest", [False, True])
def test_waiting_in_a_circle_is_an_error_for_one_caller_and_ends_for_all(nest: bool) -> None:
    table, both = TurnTable(), threading.Barrier(2)

    def asking(other: str) -> Callable[[], object]:
        def work() -> object:
            both.wait(30)
            try:
                return table.run((other,), lambda: "never", 30, nest=nest)
            except DeadlockError:
                return "circle"

        return work

    outcomes = [
        in_thread(lambda: table.run(("a",), asking("b"), 30, nest=nest)),
        in_thread(lambda: table.run(("b",), asking("a"), 30, nest=nest)),
    ]
    eventually(lambda: outcomes == [["circle"], ["circle"]])


def test_a_failed_or_late_turn_leaves_nothing_behind() -> None:
    table = TurnTable()
    with pytest.raises(ValueError, match="x"):
        table.run(("x",), lambda: int("x"), 30)
    late: list[str] = []
    go_on = threading.Event()
    with pytest.raises(OutOfTimeError):
        table.run(("y",), lambda: str(go_on.wait()), 0.05, too_late=late.append)
    go_on.set()
    eventually(lambda: late == ["True"])
    eventually(lambda: (table._turns, table._waiting) == ({}, {}))
