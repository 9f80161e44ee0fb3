"""The logger of floe_core; structlog is imported when there is something to say."""

from __future__ import annotations

from typing import Any


def warning(event: str, **fields: Any) -> None:
    """Logs a warning."""
    import structlog

    structlog.get_logger("floe_core").warning(event, **fields)
