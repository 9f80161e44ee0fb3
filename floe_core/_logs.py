"""The logger of floe_core; structlog is imported when there is something to say."""

from __future__ import annotations

import contextlib
from typing import Any


def warning(event: str, **fields: Any) -> None:
    """Logs a warning, if it can be: callers never raise, and a process may have no standard output."""
    import structlog

    with contextlib.suppress(Exception):
        structlog.get_logger("floe_core").warning(event, **fields)
