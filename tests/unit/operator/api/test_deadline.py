"""The leader's deadline: it also runs while the machine sleeps, and the process ends when it passes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from floe_operator.api import deadline
from floe_operator.api.deadline import Deadline, Watchdog, since_boot

HOUR = 3600.0


@pytest.fixture
def sleep_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine that was suspended: one clock went on, the other stood still."""
    clock_gettime = time.clock_gettime
    monkeypatch.setattr(
        time,
        "clock_gettime",
        lambda clock: clock_gettime(clock) + (HOUR if clock == time.CLOCK_BOOTTIME else 0.0),
    )


def test_a_deadline_that_was_never_set_is_over() -> None:
    assert Deadline().left() <= 0


def test_a_deadline_can_be_put_off_and_cleared() -> None:
    until = Deadline()
    until.put_off(since_boot() + HOUR)
    assert until.left() == pytest.approx(HOUR, abs=60)
    until.clear()
    assert until.left() <= 0


def test_time_during_which_the_machine_slept_counts(request: pytest.FixtureRequest) -> None:
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
    watchdog = Watchdog(until, lambda: "")
    request.getfixturevalue("sleep_for_an_hour")
    assert ended.wait(30)


def test_the_watchdog_says_why_the_deadline_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []
    ended = threading.Event()

    def end_process(why: str) -> None:
        watchdog.stop()
        reasons.append(why)
        ended.set()

    monkeypatch.setattr(deadline, "end_process", end_process)
    for why in ("the credentials are not accepted", ""):
        ended.clear()
        until = Deadline()
        until.put_off(since_boot() + 0.2)
        watchdog = Watchdog(until, lambda why=why: why)  # type: ignore[misc]
        assert ended.wait(30)
    assert reasons == ["the credentials are not accepted", "the Lease was not renewed in time"]


def test_a_stopped_watchdog_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "end_process", pytest.fail)
    until = Deadline()
    until.put_off(since_boot() + HOUR)
    watchdog = Watchdog(until, lambda: "")
    watchdog.stop()
    until.clear()


def test_a_process_that_two_threads_end_gives_only_the_first_reason() -> None:
    program = """
        import threading

        import structlog

        from floe_operator.api.deadline import end_process

        def look_meanwhile(logger, method, event):
            second = threading.Thread(target=end_process, args=("the second reason",), daemon=True)
            second.start()
            second.join(0.1)
            return event

        structlog.configure(processors=[look_meanwhile, structlog.processors.JSONRenderer()])
        end_process("the first reason")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert [line for line in ended.stdout.splitlines() if "reason" in line] == [
        '{"reason": "the first reason", "event": "leadership lost: ending the process"}'
    ], ended.stderr
