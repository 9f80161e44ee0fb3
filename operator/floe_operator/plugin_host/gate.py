"""Lets many calls run side by side, or one call alone, so that a suspect runs with nothing else to blame."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Gate:
    """A lock that many calls share or one call holds alone.

    A call that wants to be alone waits until no other call runs, and blocks none while it waits: a slow call
    must not hold up the others.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._sharing = 0
        self._alone = False

    @contextlib.asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold the lock, side by side with all others that share it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone)
            self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1
            await self._tell()

    @contextlib.asynccontextmanager
    async def alone(self, limit: float) -> AsyncIterator[None]:
        """Hold the lock alone.

        Raises:
            TimeoutError: The lock did not become free within `limit` seconds.
        """
        async with asyncio.timeout(limit), self._changed:
            await self._changed.wait_for(lambda: not self._alone and not self._sharing)
            self._alone = True
        try:
            yield
        finally:
            self._alone = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
