"""The logger of floe_core; structlog is imported only when there is something to log."""

from __future__ import annotations

import contextlib
from typing import Any


def warning(event: str, **fields: Any) -> None:
    """Log a warning if possible: callers must not raise, and a process might have no standard output."""
    import structlog

    with contextlib.suppress(Exception):
        structlog.get_logger("floe_core").warning(event, **fields)


class Once:
    """Logs each warning once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def warning(self, event: str, **fields: str) -> None:
        """Log a warning, unless it was logged with the same fields before."""
        key = f"{event}{fields}"
        if key not in self._said:
            self._said.add(key)
            warning(event, **fields)
