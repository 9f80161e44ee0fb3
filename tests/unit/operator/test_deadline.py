"""The leader's time: it goes on while the machine sleeps, and its end is the process's end."""

from __future__ import annotations

import threading
import time

import pytest

from floe_operator import deadline
from floe_operator.deadline import Deadline, Watchdog, since_boot

HOUR = 3600.0


@pytest.fixture
def sleep_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process sees when its machine was suspended: one clock went on, the other stood still."""
    clock_gettime = time.clock_gettime
    monkeypatch.setattr(
        time,
        "clock_gettime",
        lambda clock: clock_gettime(clock) + (HOUR if clock == time.CLOCK_BOOTTIME else 0.0),
    )


def test_a_deadline_that_never_began_is_over() -> None:
    assert Deadline().left() <= 0


def test_a_deadline_is_put_off_and_cleared() -> None:
    until = Deadline()
    until.put_off(since_boot() + HOUR)
    assert until.left() == pytest.approx(HOUR, abs=60)
    until.clear()
    assert until.left() <= 0


def test_time_that_the_machine_slept_counts(request: pytest.FixtureRequest) -> None:
    until = Deadline()
    until.put_off(since_boot() + HOUR / 2)
    request.getfixturevalue("sleep_for_an_hour")
    assert until.left() < 0


def test_the_watchdog_notices_that_the_machine_slept(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def end_process(why: str) -> None:
        watchdog.stop()
        ended.set()

    monkeypatch.setattr(deadline, "end_process", end_process)
    until = Deadline()
    until.put_off(since_boot() + HOUR / 2)
    watchdog = Watchdog(until)
    request.getfixturevalue("sleep_for_an_hour")
    assert ended.wait(30)


def test_a_watchdog_that_was_stopped_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "end_process", pytest.fail)
    until = Deadline()
    until.put_off(since_boot() + HOUR)
    watchdog = Watchdog(until)
    watchdog.stop()
    until.clear()
