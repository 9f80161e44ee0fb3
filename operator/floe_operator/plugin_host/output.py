"""What a plugin host prints, as lines: bounded in length and in number, so that no plugin floods the log.

What a line says is a plugin's text and may hold anything: whoever takes the lines scrubs them.
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
    """Reads a pipe for as long as anybody holds it, and hands on the lines within the bounds.

    A line above its bound is left out whole: its scrubbed half might be the half that gives a secret away.
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
        """What was printed last, for a host that ended before it could speak."""
        return tuple(self._last)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Reads until the end of the pipe."""
        loop = asyncio.get_running_loop()
        while chunk := await stream.read(_CHUNK):
            self.feed(chunk, loop.time())
        if self._partial and not self._skipping:
            self._emit(bytes(self._partial), loop.time())
        self._report_left_out()

    def feed(self, chunk: bytes, now: float) -> None:
        """Takes what was read at `now` (seconds, monotonic)."""
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
