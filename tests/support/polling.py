"""Waiting in tests: call until it holds, by a deadline, and say at the deadline what was last seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    check: Callable[[], T | None], *, within: float = 30.0, every: float = 0.05, saying: str = ""
) -> T:
    """What `check` returns, once it raises no AssertionError and returns neither None nor False.

    AssertionError after `within` seconds; any other exception of `check` passes through at once.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = check()
        except AssertionError as error:
            seen = str(error) or repr(error)
        else:
            if _holds(value):
                return value  # type: ignore[return-value]
            seen = f"the check returned {value!r}"
        if time.monotonic() >= deadline:
            raise AssertionError(_report(within, saying, seen))
        time.sleep(every)


async def eventually_async(
    check: Callable[[], Awaitable[T | None]], *, within: float = 30.0, every: float = 0.05, saying: str = ""
) -> T:
    """The same as `eventually`, for a coroutine function; one call may not outlast the deadline either."""
    deadline = time.monotonic() + within
    seen = "the first call did not return"
    while True:
        try:
            left = max(deadline - time.monotonic(), every)
            value = await asyncio.wait_for(_call(check), left)
        except AssertionError as error:
            seen = str(error) or repr(error)
        except _DeadlineError:
            raise
        except TimeoutError:
            raise AssertionError(_report(within, saying, f"{seen}; the last call did not return")) from None
        else:
            if _holds(value):
                return value  # type: ignore[return-value]
            seen = f"the check returned {value!r}"
        if time.monotonic() >= deadline:
            raise AssertionError(_report(within, saying, seen))
        await asyncio.sleep(every)


class _DeadlineError(Exception):
    """Stands for a TimeoutError of the check's own, which is not ours."""


async def _call(check: Callable[[], Awaitable[T]]) -> T:
    try:
        return await check()
    except TimeoutError as error:
        raise _DeadlineError(f"the check itself raised {error!r}") from error


def _holds(value: object) -> bool:
    return value is not None and value is not False


def _report(within: float, saying: str, seen: str) -> str:
    wanted = f"{saying}: " if saying else ""
    return f"{wanted}not within {within:g} s; last seen: {seen}"
