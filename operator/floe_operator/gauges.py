"""Metrics read from the parts of the operator at each scrape: what they know, and what they count themselves.

Only the leader reports on plugins and work, so that sums over replicas count them once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.health import Election, Following, Scanned
from floe_operator.plugin_gauges import plugin_metrics
from floe_operator.rules.resource import FloePlugin


class Counting(Protocol):
    """What is read from the Events."""

    @property
    def dropped(self) -> int: ...


class Hosting(Protocol):
    """What is read from the plugin host."""

    @property
    def generation(self) -> int: ...

    def resident_bytes(self) -> int | None: ...

    def loading(self) -> Sized: ...


class Scanning(Scanned, Protocol):
    """What is read from the scans."""

    @property
    def scan(self) -> ScanResult | None: ...

    @property
    def succeeded_at(self) -> float: ...

    @property
    def seconds(self) -> float: ...

    def nameable(self) -> Sequence[PluginId]: ...

    def unnameable(self) -> Sequence[PluginId]: ...


class Queueing(Sized, Protocol):
    """What is read from the work queue."""

    def oldest_age(self) -> float: ...


class SourcesState(Protocol):
    """What is read from the watches on Secrets and ConfigMaps."""

    @property
    def restarts(self) -> Mapping[str, int]: ...

    def streams(self) -> Mapping[str, Following]: ...


class Refusing(Protocol):
    """What is read about refused writes."""

    @property
    def counts(self) -> Mapping[str, int]: ...


class Listed(Protocol):
    """What is read from the FloePlugins."""

    complete: bool

    def has(self, plugin: PluginId) -> bool: ...

    def all(self) -> Sequence[FloePlugin]: ...


class Index(Protocol):
    """What is read from the index of secrets."""

    @property
    def is_full(self) -> bool: ...

    @property
    def bytes_used(self) -> int: ...


class Scrubbing(Protocol):
    """What is read about what plugin text is scrubbed of."""

    @property
    def index(self) -> Index: ...

    @property
    def withheld(self) -> int: ...


class WatchState(Following, Protocol):
    """What is read from the watch on FloePlugins."""

    @property
    def starts(self) -> int: ...


@dataclass(frozen=True)
class OperatorState(Collector):
    """The parts whose state is shown."""

    election: Election
    events: Counting
    host: Hosting
    scans: Scanning
    queue: Queueing
    sources: SourcesState
    objects: Listed
    watch: WatchState
    refusals: Refusing
    scrubbers: Scrubbing

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the names are known only when metrics are collected."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield _gauge("leader", "Whether this replica is the leader.", self.election.is_leader)
        if self.election.is_leader:
            yield from self._queue()
            yield from plugin_metrics(self.objects.all())
            yield _gauge(
                "unnameable_plugins",
                "Installed plugins without a FloePlugin, because no object can have their name.",
                len(self.scans.unnameable()),
            )
            yield from self._refused()
        yield from self._scans()
        yield from self._watches()
        yield from self._plugin_host()
        yield from self._scrubbing()
        yield CounterMetricFamily(
            "floe_operator_events_dropped",
            "Changes of Ready for which no Event was written.",
            value=self.events.dropped,
        )

    def _queue(self) -> Iterator[Metric]:
        yield _gauge("queue_depth", "FloePlugins waiting to be reconciled.", len(self.queue))
        yield _gauge(
            "queue_oldest_age_seconds",
            "How long the FloePlugin that has waited longest has been in the queue.",
            self.queue.oldest_age(),
        )

    def _refused(self) -> Iterator[Metric]:
        missing = [plugin for plugin in self.scans.nameable() if not self.objects.has(plugin)]
        yield _gauge(
            "plugins_without_object",
            "Installed plugins whose FloePlugin does not exist, such as those that were refused.",
            len(missing) if self.objects.complete else 0,
        )
        refused = CounterMetricFamily(
            "floe_operator_refused_writes",
            "Refused writes of FloePlugins: object, status, deletion. Missing permissions are not counted.",
            labels=["kind"],
        )
        for kind, number in self.refusals.counts.items():
            refused.add_metric([kind], number)
        yield refused

    def _scans(self) -> Iterator[Metric]:
        succeeded = self.scans.ended and not self.scans.failure
        yield _gauge("scan_success", "Whether the last scan of the installed plugins succeeded.", succeeded)
        yield _gauge("scan_duration_seconds", "How long the last successful scan took.", self.scans.seconds)
        yield _gauge(
            "scan_last_success_timestamp_seconds",
            "When a scan last succeeded, in Unix time; 0 if none has.",
            self.scans.succeeded_at,
        )
        unreadable = len(self.scans.scan.unreadable) if self.scans.scan else 0
        yield _gauge(
            "unreadable_distributions",
            "Distributions that could not be read, or that had to be chosen among several.",
            unreadable,
        )
        unknown = len(self.scans.scan.unknown_groups) if self.scans.scan else 0
        yield _gauge(
            "unknown_entry_point_groups",
            "Groups of entry points called floe.* that are no plugin type of this platform.",
            unknown,
        )

    def _watches(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "floe_operator_watch_restarts", "Watches that failed and were restarted.", labels=["resource"]
        )
        restarts.add_metric(["floeplugins"], max(0, self.watch.starts - 1))
        for resource, number in self.sources.restarts.items():
            restarts.add_metric([resource], number)
        yield restarts
        established = GaugeMetricFamily(
            "floe_operator_watch_established", "Whether changes of a resource arrive.", labels=["resource"]
        )
        established.add_metric(["floeplugins"], float(not self.watch.obstacle))
        for resource, stream in self.sources.streams().items():
            established.add_metric([resource], float(not stream.obstacle))
        yield established

    def _plugin_host(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "floe_operator_plugin_host_starts",
            "Plugin hosts started; each change of what is installed starts one.",
            value=self.host.generation,
        )
        memory = self.host.resident_bytes()
        yield _gauge(
            "plugin_host_resident_memory_bytes", "Memory of the plugin host; 0 if none runs.", memory or 0
        )
        yield _gauge(
            "plugins_loading", "Plugins whose import has not finished yet.", len(self.host.loading())
        )

    def _scrubbing(self) -> Iterator[Metric]:
        yield _gauge(
            "secret_index_bytes",
            "Memory of the index of all secrets that text of plugins is searched for.",
            self.scrubbers.index.bytes_used,
        )
        yield _gauge(
            "secret_index_full",
            "Whether that index has no room for a secret, so that all text of plugins is withheld.",
            self.scrubbers.index.is_full,
        )
        yield CounterMetricFamily(
            "floe_operator_withheld_texts",
            "Texts of plugins withheld, because they might hold a secret that cannot be searched for.",
            value=self.scrubbers.withheld,
        )


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"floe_operator_{name}", documentation, value=float(value))
