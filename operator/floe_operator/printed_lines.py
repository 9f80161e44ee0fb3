"""Logs what plugins print, scrubbed, in the order in which it arrives."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from floe_operator.logs import naming
from floe_operator.plugin_host import Printed
from floe_operator.scrubbers import Scrubbers, scrubbed

_log = structlog.get_logger(__name__)


class PrintedLines:
    """The lines that are not logged yet. The plugin hosts limit how many arrive."""

    def __init__(self, scrubbers: Scrubbers) -> None:
        self._scrubbers = scrubbers
        self._lines: deque[Printed] = deque()
        self._more = asyncio.Event()

    def add(self, printed: Printed) -> None:
        """Have a line logged."""
        self._lines.append(printed)
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
            printed = self._lines[0]
            scrubber = self._scrubbers.of_printed(printed.plugins if printed.is_certain else ())
            text = await scrubbed(scrubber, printed.text)
            _log.info("plugin output", **naming(printed.plugins), text=text)
            self._lines.popleft()
