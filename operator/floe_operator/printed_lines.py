"""Logs what plugins print, scrubbed, in the order in which it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

import structlog

from floe_operator.logs import naming
from floe_operator.plugin_host import Printed
from floe_operator.rules.scrub import Scrubber
from floe_operator.scrubbers import Scrubbers

_MOST = 1024 * 1024
"""Characters of lines that wait to be scrubbed; plugins can print faster than that."""
_AT_ONCE = 32
"""Lines that go to the thread together."""

_log = structlog.get_logger(__name__)


class PrintedLines:
    """The lines that are not logged yet; they are scrubbed in a thread."""

    def __init__(self, scrubbers: Scrubbers) -> None:
        self._scrubbers = scrubbers
        self._lines: deque[Printed] = deque()
        self._size = 0
        self._left_out = 0
        self._more = asyncio.Event()

    def add(self, printed: Printed) -> None:
        """Have a line logged, unless too many wait."""
        if self._size > _MOST:
            self._left_out += 1
            return
        self._lines.append(printed)
        self._size += len(printed.text)
        self._more.set()

    async def run(self) -> None:
        """Log lines until cancelled."""
        while True:
            await self._more.wait()
            await self.log_all()

    async def log_all(self) -> None:
        """Log all lines that have arrived."""
        self._more.clear()
        while self._lines:
            lines = list(islice(self._lines, _AT_ONCE))
            scrubbers = [
                self._scrubbers.of_printed(each.plugins if each.is_certain else ()) for each in lines
            ]
            texts = await asyncio.to_thread(_scrubbed, scrubbers, lines)
            for printed, text in zip(lines, texts, strict=True):
                self._lines.popleft()
                self._size -= len(printed.text)
                _log.info("plugin output", **naming(printed.plugins), text=text)
        if self._left_out:
            _log.warning("plugin output truncated", lines=self._left_out)
            self._left_out = 0


def _scrubbed(scrubbers: Sequence[Scrubber], lines: Sequence[Printed]) -> list[str]:
    return [scrubber.scrub(each.text) for scrubber, each in zip(scrubbers, lines, strict=True)]
