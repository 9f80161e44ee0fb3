"""The work queue: what controllers can rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from floe_operator.queue import WorkQueue
from floe_operator.rules.results import DONE, LATER, Result, RetryableError, RetryAfter
from tests.support.polling import eventually_async


@asynccontextmanager
async def running(
    reconcile: Callable[[str], Awaitable[Result]], workers: int = 4
) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(reconcile, workers=workers)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def holds(check: Callable[[], bool]) -> None:
    async def look() -> bool:
        return check()

    await eventually_async(look, within=10, every=0.005)


async def test_a_key_added_many_times_while_it_waits_is_reconciled_once() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        return DONE

    queue: WorkQueue[str] = WorkQueue(reconcile, workers=1)
    for _ in range(10):
        queue.add("a")
    queue.add("b")
    assert len(queue) == 2
    task = asyncio.create_task(queue.run())
    await holds(lambda: queue.idle and len(seen) >= 2)
    task.cancel()
    assert seen == ["a", "b"]


async def test_a_key_added_during_its_reconcile_runs_again_but_never_twice_at_the_same_time() -> None:
    at_work = most = runs = 0
    gate = asyncio.Event()

    async def reconcile(key: str) -> Result:
        nonlocal at_work, most, runs
        at_work += 1
        most = max(most, at_work)
        await gate.wait()
        at_work -= 1
        runs += 1
        return DONE

    async with running(reconcile) as queue:
        queue.add("a")
        await holds(lambda: at_work == 1)
        queue.add("a")
        queue.add("a")
        gate.set()
        await holds(lambda: runs == 2 and queue.idle)
    assert most == 1


async def test_different_keys_are_reconciled_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def reconcile(key: str) -> Result:
        await both.wait()
        return DONE

    async with running(reconcile) as queue:
        queue.add("a")
        queue.add("b")
        await holds(lambda: queue.idle and not both.broken)


async def test_a_failed_key_comes_back_and_does_not_hold_up_the_others() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        if key == "bug" and seen.count("bug") < 3:
            raise ValueError("a bug")
        if key == "away" and seen.count("away") < 3:
            raise RetryableError("not there yet")
        return DONE

    async with running(reconcile) as queue:
        for key in ("bug", "away", "good"):
            queue.add(key)
        await holds(lambda: seen.count("bug") == 3 and seen.count("away") == 3)
    assert seen.count("good") == 1


async def test_back_off_grows_with_each_failure_and_ends_with_a_success() -> None:
    moments: list[float] = []
    loop = asyncio.get_running_loop()

    async def reconcile(key: str) -> Result:
        moments.append(loop.time())
        if len(moments) < 5:
            raise RetryableError("not yet")
        return DONE

    async with running(reconcile) as queue:
        queue.add("a")
        await holds(lambda: len(moments) == 5)
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        # The pauses double, and jitter shortens each by up to a half.
        assert all(gap >= 0.05 * 2**number * 0.99 for number, gap in enumerate(gaps))
        queue.add("a")
        await holds(lambda: len(moments) == 6)


async def test_an_added_key_does_not_wait_for_its_timer() -> None:
    runs = 0

    async def reconcile(key: str) -> Result:
        nonlocal runs
        runs += 1
        return RetryAfter(3600)

    async with running(reconcile) as queue:
        queue.add("a")
        await holds(lambda: runs == 1 and queue.idle)
        queue.add("a")
        await holds(lambda: runs == 2)


async def test_a_key_comes_back_after_the_time_it_asked_for() -> None:
    runs = 0

    async def reconcile(key: str) -> Result:
        nonlocal runs
        runs += 1
        return RetryAfter(0.01) if runs < 3 else DONE

    async with running(reconcile) as queue:
        queue.add("a")
        await holds(lambda: runs == 3)


async def test_a_reason_that_many_keys_share_or_one_repeats_is_a_warning_only_once() -> None:
    failures: dict[str, int] = {}

    async def reconcile(key: str) -> Result:
        failures[key] = failures.get(key, 0) + 1
        if failures[key] <= 3:
            raise RetryableError("another reason" if key == "other" else "the API server is away")
        return DONE

    with capture_logs() as lines:
        async with running(reconcile) as queue:
            for key in ("a", "b", "c", "other"):
                queue.add(key)
            await holds(lambda: len(failures) == 4 and min(failures.values()) == 4)
    warned = [line["reason"] for line in lines if line["log_level"] == "warning"]
    assert sorted(warned) == ["another reason", "the API server is away"]
    assert len(lines) == 12


@asynccontextmanager
async def one_by_one(queue: WorkQueue[str]) -> AsyncIterator[None]:
    """Run a queue that has one worker."""
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Seen:
    """A queue with one worker, and the keys in the order in which they were reconciled."""

    def __init__(self, then: Callable[[str], Result] = lambda _: DONE, **takes: float) -> None:
        self.keys: list[str] = []
        self._then = then
        self._takes = takes
        self.queue: WorkQueue[str] = WorkQueue(self._reconcile, workers=1)

    async def _reconcile(self, key: str) -> Result:
        self.keys.append(key)
        result = self._then(key)
        await asyncio.sleep(self._takes.get(key, 0))
        return result

    async def all(self, number: int) -> list[str]:
        """Return the first keys of this number."""
        async with one_by_one(self.queue):
            await holds(lambda: len(self.keys) >= number)
        return self.keys[:number]

    def later(self, number: int = 1_000) -> None:
        for each in range(number):
            self.queue.add_later(f"later-{each}")


async def test_what_somebody_changed_goes_before_a_thousand_keys_that_are_only_looked_at_again() -> None:
    seen = Seen()
    seen.later()
    seen.queue.add("changed")
    assert await seen.all(1_001) == ["changed", *(f"later-{each}" for each in range(1_000))]


async def test_a_change_waits_for_at_most_one_key_of_a_lane_that_never_empties() -> None:
    def then(key: str) -> Result:
        seen.queue.add_later(f"{key}+" if key.startswith("later") else "later")
        if len(seen.keys) % 5 == 0:
            added_at.append(len(seen.keys))
            seen.queue.add(f"changed-{len(added_at)}")
        return DONE

    seen, added_at = Seen(then), list[int]()
    seen.later(20)
    keys = await seen.all(200)
    waits = [
        keys.index(key) - at
        for number, at in enumerate(added_at, 1)
        if (key := f"changed-{number}") in keys[:200]
    ]
    assert len(waits) > 30
    assert max(waits) <= 1


async def test_changes_that_never_end_do_not_starve_the_other_lane() -> None:
    def then(key: str) -> Result:
        seen.queue.add(f"changed-{len(seen.keys)}")
        return DONE

    seen = Seen(then)
    for each in range(20):
        seen.queue.add(f"first-{each}")
    seen.later(10)
    keys = await seen.all(100)
    turns = [at for at, key in enumerate(keys) if key.startswith("later")]
    assert len(turns) == 10
    assert all(later - earlier <= 8 for earlier, later in pairwise([-1, *turns]))
    assert [keys[at] for at in turns] == [f"later-{each}" for each in range(10)], (
        "in the order in which they came"
    )


async def test_turns_taken_while_nobody_waited_further_back_do_not_count() -> None:
    def then(key: str) -> Result:
        if len(seen.keys) == 8:
            seen.later(3)
            seen.queue.add("change")
        return DONE

    seen = Seen(then)
    for each in range(7):
        seen.queue.add(f"first-{each}")
    seen.queue.add_later("alone")
    keys = await seen.all(12)
    assert keys[8:] == ["change", "later-0", "later-1", "later-2"]


async def test_a_key_that_waits_to_be_looked_at_again_moves_up_once_somebody_changes_it() -> None:
    seen = Seen()
    seen.later(10)
    seen.queue.add("later-9")
    seen.queue.add("changed")
    seen.queue.add_later("changed")
    assert len(seen.queue) == 11
    assert await seen.all(11) == ["later-9", "changed", *(f"later-{each}" for each in range(9))]
    assert seen.queue.idle


@pytest.mark.parametrize(
    ("adds", "comes_back"),
    [
        (["changed"], ["a", "b"]),
        (["later"], ["b", "a"]),
        (["later", "changed"], ["a", "b"]),
        (["changed", "later"], ["a", "b"]),
    ],
)
async def test_a_key_that_is_added_while_it_is_reconciled_comes_back_in_the_lane_it_was_added_to(
    adds: list[str], comes_back: list[str]
) -> None:
    def then(key: str) -> Result:
        if len(seen.keys) == 1:
            for lane in adds:
                seen.queue.add("a") if lane == "changed" else seen.queue.add_later("a")
        return DONE

    seen = Seen(then)
    seen.queue.add_later("a")
    seen.queue.add_later("b")
    assert await seen.all(3) == ["a", *comes_back]


@pytest.mark.parametrize("lane", ["changed", "later"])
@pytest.mark.parametrize("bug", [False, True])
async def test_a_failed_key_comes_back_in_the_lane_it_came_from(lane: str, bug: bool) -> None:
    def then(key: str) -> Result:
        if key == "a" and seen.keys.count("a") == 1:
            raise ValueError("a bug") if bug else RetryableError("not yet")
        if key == "long":
            seen.queue.add_later("later")
            seen.queue.add("changed")
        return DONE

    seen = Seen(then, long=0.15)  # so that the failed key falls due behind others
    (seen.queue.add if lane == "changed" else seen.queue.add_later)("a")
    seen.queue.add_later("long")
    expected = ["changed", "a", "later"] if lane == "changed" else ["changed", "later", "a"]
    assert await seen.all(5) == ["a", "long", *expected]


@pytest.mark.parametrize(("is_urgent", "order"), [(True, ["a", "later"]), (False, ["later", "a"])])
async def test_a_key_that_asked_to_come_back_does_so_in_the_lane_it_asked_for(
    is_urgent: bool, order: list[str]
) -> None:
    def then(key: str) -> Result:
        if key == "long":
            seen.queue.add_later("later")
        return RetryAfter(0.01, is_urgent=is_urgent) if key == "a" and seen.keys.count("a") == 1 else DONE

    seen = Seen(then, long=0.05)
    seen.queue.add("a")
    seen.queue.add_later("long")
    assert await seen.all(4) == ["a", "long", *order]


@pytest.mark.parametrize("result", ["failure", RetryAfter(3_600)], ids=["failed", "asked to come back"])
async def test_a_changed_key_that_comes_back_early_is_still_one_that_somebody_changed(
    result: RetryAfter | str,
) -> None:
    def then(key: str) -> Result:
        if key == "a" and seen.keys.count("a") == 1:
            if isinstance(result, RetryAfter):
                return result
            raise RetryableError("not yet", after=3_600.0)
        if key == "long":
            seen.queue.add_later("later")
            seen.queue.add_later("a")
        return DONE

    seen = Seen(then)
    seen.queue.add("a")
    seen.queue.add_later("long")
    assert await seen.all(4) == ["a", "long", "a", "later"]


async def test_a_changed_key_that_fails_while_it_is_to_be_looked_at_again_stays_a_changed_one() -> None:
    def then(key: str) -> Result:
        if len(seen.keys) == 1:
            seen.queue.add_later("a")
            seen.queue.add_later("later")
            raise RetryableError("not yet")
        return DONE

    seen = Seen(then)
    seen.queue.add("a")
    assert await seen.all(3) == ["a", "a", "later"]


async def test_the_age_is_that_of_the_key_that_has_waited_longest_in_any_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("floe_operator.queue.time", SimpleNamespace(monotonic=lambda: now))
    queue = Seen().queue
    assert queue.oldest_age() == 0
    queue.add_later("old")
    now = 110.0
    queue.add("new")
    assert queue.oldest_age() == 10
    queue.add("old")
    assert queue.oldest_age() == 10


async def test_a_key_that_can_wait_comes_after_all_waiting_keys_and_is_not_lost() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        return LATER if seen.count(key) == 1 else DONE

    queue: WorkQueue[str] = WorkQueue(reconcile, workers=1)
    for key in "abc":
        queue.add(key)
    task = asyncio.create_task(queue.run())
    await holds(lambda: queue.idle and len(seen) >= 6)
    task.cancel()
    assert seen == ["a", "b", "c", "a", "b", "c"]


async def test_a_key_with_little_left_to_do_lets_keys_that_came_after_it_go_first() -> None:
    def then(key: str) -> Result:
        if len(seen.keys) < 5:
            seen.queue.add_later(f"later-{len(seen.keys)}")
        return LATER if seen.keys.count(key) == 1 else DONE

    seen = Seen(then)
    seen.queue.add_later("later-0")
    names = [f"later-{each}" for each in range(5)]
    assert await seen.all(10) == names * 2


async def test_keys_that_never_end_starve_no_lane_behind_them() -> None:
    def then(key: str) -> Result:
        seen.queue.add(f"changed-{len(seen.keys)}")
        seen.queue.add_later(f"later-{len(seen.keys)}")
        return LATER if key == "waits" and seen.keys.count(key) == 1 else DONE

    seen = Seen(then)
    seen.queue.add("waits")
    keys = await seen.all(100)
    assert keys.count("waits") == 2
    assert keys.index("waits", 1) <= 64


async def test_a_key_that_can_wait_is_reconciled_in_turn_once_it_is_added() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        if key == "a" and seen.count("a") == 1:
            return LATER
        if key == "b":
            queue.add("a")
            queue.add("c")
        return DONE

    queue: WorkQueue[str] = WorkQueue(reconcile, workers=1)
    queue.add("a")
    queue.add("b")
    task = asyncio.create_task(queue.run())
    await holds(lambda: queue.idle and len(seen) >= 4)
    task.cancel()
    assert seen == ["a", "b", "a", "c"]
