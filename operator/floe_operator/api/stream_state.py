"""How a stream of changes is doing: what /readyz, the metrics and the log say about a watch.

Knows only what the stream itself reports. Any thread may report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

WATCH_SECONDS = 20
"""Seconds that the API server keeps a watch open; a new one then goes on from the last version seen."""
SILENCE_SECONDS = 25.0
"""Seconds without a byte after which a watch counts as broken; longer than any watch is kept open."""
HEADERS_SECONDS = 5.0
"""Seconds within which the API server must begin to answer a watch."""
FRESH_SECONDS = 30.0
"""Seconds within which a watch must have been opened again: its time, and one attempt without an answer."""
SHORT_SECONDS = 1.0
"""Seconds below which a watch ended as soon as it began, as in client-go."""


class StreamState:
    """A stream is fine while a watch was opened within the last seconds and nothing has failed since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opened_at = math.nan
        self._failure = ""
        self.is_forbidden = False
        """Whether the failure is a missing permission."""

    def opened(self) -> None:
        """Note that the API server has begun to answer a watch."""
        self._opened_at = self._clock()
        self._failure = ""
        self.is_forbidden = False

    def failed(self, reason: str, *, is_forbidden: bool = False) -> None:
        """Note that a request of the stream failed, perhaps for lack of a permission."""
        self._failure = reason
        self.is_forbidden = is_forbidden

    @property
    def begins(self) -> bool:
        """Whether nothing has been opened and nothing has failed so far."""
        return math.isnan(self._opened_at) and not self._failure

    @property
    def obstacle(self) -> str:
        """Why changes do not arrive, for users; empty if they do."""
        if self.begins:
            return "the first listing has not ended"
        if not self._failure and self._clock() - self._opened_at > FRESH_SECONDS:
            return f"the API server has not answered a watch for more than {FRESH_SECONDS:.0f} s"
        return self._failure
