"""What a plugin host prints, as lines: limited in length and number, so that no plugin floods the log.

A line is a plugin's text and can contain anything; whoever receives the lines must scrub them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

MAX_LINE_BYTES = 16 * 1024
LINES_PER_SECOND = 50
BURST = 500
_CHUNK = 64 * 1024


class Output:
    """Reads a pipe as long as any process holds it open, and passes on the lines within the limits.

    A line above the limit is left out entirely: if it were cut, scrubbing might miss half a secret.
    """

    def __init__(self, on_line: Callable[[str], None], on_left_out: Callable[[int], None]) -> None:
        self._on_line = on_line
        self._on_left_out = on_left_out
        self._allowance = float(BURST)
        self._filled_at: float | None = None
        self._left_out = 0
        self._partial = bytearray()
        self._skipping = False
        self._last: deque[str] = deque(maxlen=20)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines printed, to explain why a host ended before its handshake."""
        return tuple(self._last)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read until the end of the pipe."""
        loop = asyncio.get_running_loop()
        while chunk := await stream.read(_CHUNK):
            self.feed(chunk, loop.time())
        if self._partial and not self._skipping:
            self._emit(bytes(self._partial), loop.time())
        self._report_left_out()

    def feed(self, chunk: bytes, now: float) -> None:
        """Process what was read at `now` (seconds, monotonic)."""
        first, *others = chunk.split(b"\n")
        self._extend(first)
        for piece in others:
            if self._skipping:
                self._left_out += 1
            else:
                self._emit(bytes(self._partial), now)
            self._partial.clear()
            self._skipping = False
            self._extend(piece)

    def _extend(self, piece: bytes) -> None:
        if not self._skipping:
            self._partial += piece
            if len(self._partial) > MAX_LINE_BYTES:
                self._partial.clear()
                self._skipping = True

    def _emit(self, line: bytes, now: float) -> None:
        if not line.strip():
            return
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._filled_at = now
        self._allowance = min(BURST, self._allowance + elapsed * LINES_PER_SECOND)
        if self._allowance < (LINES_PER_SECOND if self._left_out else 1):
            self._left_out += 1
            return
        self._allowance -= 1
        self._report_left_out()
        text = line.decode("utf-8", "backslashreplace").rstrip()
        self._last.append(text)
        self._on_line(text)

    def _report_left_out(self) -> None:
        if self._left_out:
            self._on_left_out(self._left_out)
            self._left_out = 0
