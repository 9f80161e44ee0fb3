"""The work queue: what controllers can rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

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
