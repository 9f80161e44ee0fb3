"""When a stream of changes can be relied on."""

from __future__ import annotations

from floe_operator.api.stream_state import FRESH_SECONDS, SILENCE_SECONDS, WATCH_SECONDS, StreamState


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stream_is_no_obstacle_while_its_watch_was_opened_lately() -> None:
    clock = Clock()
    stream = StreamState(clock)
    stream.opened()
    clock.now += FRESH_SECONDS
    assert stream.obstacle == ""
    clock.now += 0.1
    assert "has not answered a watch for more than 30 s" in stream.obstacle
    stream.opened()
    assert stream.obstacle == ""


def test_a_failure_is_an_obstacle_until_a_watch_is_opened() -> None:
    stream = StreamState(Clock())
    stream.opened()
    stream.failed("no", is_forbidden=True)
    assert (stream.obstacle, stream.is_forbidden) == ("no", True)
    stream.failed("also no")
    assert (stream.obstacle, stream.is_forbidden) == ("also no", False)
    stream.opened()
    assert stream.obstacle == ""


def test_a_stream_that_was_never_opened_waits_for_its_first_listing() -> None:
    stream = StreamState(Clock())
    assert stream.begins
    assert stream.obstacle == "the first listing has not ended"
    stream.failed("no")
    assert not stream.begins


def test_the_next_watch_comes_before_the_last_counts_as_old() -> None:
    assert WATCH_SECONDS < SILENCE_SECONDS < FRESH_SECONDS
