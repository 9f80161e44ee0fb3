"""The logger of floe_core; structlog is imported only when there is something to log."""

from __future__ import annotations

import contextlib
from typing import Any


def warning(event: str, **fields: Any) -> None:
    """Log a warning if possible: callers must not raise, and a process might have no standard output."""
    import structlog

    with contextlib.suppress(Exception):
        structlog.get_logger("floe_core").warning(event, **fields)
