"""Prometheus metrics: what is counted as it happens, and the page that shows it.

What a part of the operator counts or knows itself is left to `gauges`. Labels have few values: types,
reasons, HTTP codes. Names and units follow Prometheus' conventions.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from floe_operator._version import __version__
from floe_operator.rules.results import Result, RetryableError, RetryAfter

Key = TypeVar("Key")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._reconciles = Counter(
            "floe_operator_reconciles_total",
            "Reconciles by result: success, requeue_after, retry (a transient failure), error (a bug).",
            ["result"],
            registry=self.registry,
        )
        for result in ("success", "requeue_after", "retry", "error"):
            self._reconciles.labels(result)
        self._seconds = Histogram(
            "floe_operator_reconcile_duration_seconds",
            "How long reconciles took.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._writes = Counter(
            "floe_operator_writes_total",
            "Writes that the API server accepted, by kind: object, status, deletion, event.",
            ["kind"],
            registry=self.registry,
        )
        for kind in ("object", "status", "deletion", "event"):
            self._writes.labels(kind)
        self._requests = Counter(
            "floe_operator_api_requests_total",
            "Requests to the API server, by method and HTTP code (timeout or unreachable if there was none).",
            ["method", "code"],
            registry=self.registry,
        )
        build = Info("floe_operator_build", "The operator's version.", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})

    def add(self, collector: Collector) -> None:
        """Add a collector to the page."""
        self.registry.register(collector)

    def timed(self, reconcile: Callable[[Key], Awaitable[Result]]) -> Callable[[Key], Awaitable[Result]]:
        """Return the same reconcile, counted and timed."""

        async def timed(key: Key) -> Result:
            started = time.perf_counter()
            outcome = "error"
            try:
                result = await reconcile(key)
                outcome = "requeue_after" if isinstance(result, RetryAfter) else "success"
                return result
            except RetryableError:
                outcome = "retry"
                raise
            finally:
                self._reconciles.labels(outcome).inc()
                self._seconds.observe(time.perf_counter() - started)

        return timed

    def wrote(self, kind: str) -> None:
        """Count a write that the API server accepted."""
        self._writes.labels(kind).inc()

    def answered(self, method: str, code: str) -> None:
        """Count a request to the API server, answered or not."""
        self._requests.labels(method, code).inc()

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
