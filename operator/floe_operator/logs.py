"""One stream of log lines on standard error: our own, kopf's and the plugin host's.

JSON for machines, plain text on a terminal. Tracebacks never show local variables, as structlog's would by
default: those of a reconcile hold the contents of Secrets.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from typing import Literal

import structlog
import structlog.tracebacks

from floe_core.plugin_types import PluginId


class _NotOurEnd(logging.Filter):
    """Drops kopf's lines about signals (its thread gets none) and about its own end (`watch` logs that)."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = str(record.msg)
        return not record.exc_info and not said.startswith(("Stop-flag", "OS signals are ignored"))


class _NotItsRequests(logging.Filter):
    """Drops kopf's lines about each failed attempt, at error level; `api.watch` logs an outage once."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Request attempt")


_tracebacks = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Renders tracebacks without local variables, which hold configurations."""


def naming(plugins: Collection[PluginId]) -> dict[str, str | list[str]]:
    """Return the field that names the plugins of a line: `plugin` if there is one, `plugins` if several."""
    slugs = sorted(plugin.slug for plugin in plugins)
    if not slugs:
        return {}
    return {"plugin": slugs[0]} if len(slugs) == 1 else {"plugins": slugs}


def configure_logging(level: str, log_format: Literal["auto", "json", "text"]) -> None:
    """Send the lines of structlog and logging to standard error in the same format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    final: list[structlog.typing.Processor]
    if as_json:
        final = [
            _tracebacks,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    else:
        final = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                timestamp_key="time",
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=())],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # kopf logs every event it hands over, and aiohttp every reconnect.
    for noisy in ("kopf.objects", "kopf.activities", "aiohttp", "asyncio", "kopf._core.engines.activities"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for name in ("kopf._core.reactor.running", "kopf._core.reactor.orchestration"):
        logging.getLogger(name).addFilter(_NotOurEnd())
    for name in ("kopf._cogs.clients.watching", "kopf._core.reactor.observation"):
        logging.getLogger(name).addFilter(_NotItsRequests())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
