"""Shows a waiting user what a long step is doing.

On a terminal, one line is rewritten every second. Elsewhere (CI logs), a line is printed every half minute.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

ON_TERMINAL = 1.0
ELSEWHERE = 30.0


class Progress:
    """One step: call `update` as often as you like, and `done` at the end."""

    def __init__(self, step: str, stream: TextIO | None = None) -> None:
        self._step = step
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._next = self._started + (ON_TERMINAL if self._terminal else ELSEWHERE)
        self._print(f"{step} …" if not self._terminal else step)

    def update(self, detail: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (ON_TERMINAL if self._terminal else ELSEWHERE)
            self._print(f"{self._step}: {self._elapsed()}, {detail}")

    def done(self, outcome: str = "done") -> None:
        self._print(f"{self._step}: {outcome} after {self._elapsed()}")
        if self._terminal:
            print(file=self._stream, flush=True)

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"

    def _print(self, line: str) -> None:
        if self._terminal:
            print(f"\r\033[K{line}", end="", file=self._stream, flush=True)
        else:
            print(f"localcluster: {line}", file=self._stream, flush=True)
