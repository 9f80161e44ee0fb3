"""Waiting in tests: call a check until it holds, and report at the deadline what it saw last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    check: Callable[[], T | None], *, within: float = 30.0, every: float = 0.05, saying: str = ""
) -> T:
    """Call `check` until it raises no AssertionError and returns neither None nor False; return its result.

    Any other exception of `check` passes through immediately.

    Raises:
        AssertionError: `check` did not hold within `within` seconds.
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
    """Do the same as `eventually` for a coroutine function, and end a call that outlasts the deadline."""
    deadline = time.monotonic() + within
    seen = "the first call did not return"
    while True:
        try:
            left = max(deadline - time.monotonic(), every)
            value = await asyncio.wait_for(_call(check), left)  # noqa: TID251 - no timeout() on Python 3.10
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
    """Replaces a TimeoutError that the check itself raised, so that it is not taken for ours."""


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
