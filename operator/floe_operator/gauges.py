"""Metrics read from the parts of the operator at each scrape: what they know, and what they count themselves.

Only the leader reports on plugins and work, so that sums over replicas count them once. Every plugin is
counted by type and reason, and by whether it is in use. Only plugins that are not Ready have their own
series, so that an alert can name the plugin and its reason while the number of series stays small. Those
that nobody asked for and that only lack a configuration, or need a plugin that does, have none.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.health import Election, Following, Scanned
from floe_operator.rules.conditions import READY, TABLE
from floe_operator.rules.facts import Readiness
from floe_operator.rules.in_use import is_in_use, readiness
from floe_operator.rules.resource import FloePlugin

_READY = ("True", "False", "Unknown")
_IN_USE = {True: "true", False: "false"}
_REASONS = frozenset({READY, *(reason.text for table in TABLE.values() for reason in table)})
_OTHER = "Other"
"""Stands for a reason that the operator never writes, as in a status that a person has just edited."""


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
            "How long the first FloePlugin in the queue has waited.",
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


def plugin_metrics(objects: Iterable[FloePlugin]) -> Iterator[Metric]:
    """Yield the metrics of the FloePlugins."""
    by_type: dict[tuple[str, ...], int] = {
        (kind.slug, status, in_use): 0
        for kind in PluginType
        for status in _READY
        for in_use in _IN_USE.values()
    }
    by_reason: collections.Counter[tuple[str, ...]] = collections.Counter()
    not_ready = GaugeMetricFamily(
        "floe_operator_plugin_not_ready",
        "1 for each FloePlugin whose Ready is False, except plugins that nobody asked for while they only "
        "lack a configuration, or need a plugin that does.",
        labels=["type", "name", "reason", "in_use"],
    )
    for seen in objects:
        status, reason = _readiness(seen)
        in_use = _IN_USE[is_in_use(seen)]
        by_type[seen.spec.type, status, in_use] += 1
        by_reason[reason, in_use] += 1
        if status == "False" and readiness(seen) is not Readiness.IDLE:
            not_ready.add_metric([seen.spec.type, seen.spec.name, reason, in_use], 1)
    yield _labelled(
        "plugins",
        "FloePlugins by type, the status of Ready, and whether somebody asked for them.",
        ["type", "ready", "in_use"],
        by_type,
    )
    reasons = dict(sorted(by_reason.items()))
    yield _labelled(
        "plugins_by_reason",
        "FloePlugins by the reason of Ready, and whether somebody asked for them.",
        ["reason", "in_use"],
        reasons,
    )
    yield not_ready


def _readiness(seen: FloePlugin) -> tuple[str, str]:
    ready = seen.status.condition(READY) if seen.status is not None else None
    if ready is None:
        return "Unknown", "NotJudged"
    return ready.status, ready.reason if ready.reason in _REASONS else _OTHER


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"floe_operator_{name}", documentation, value=float(value))


def _labelled(
    name: str, documentation: str, labels: list[str], values: Mapping[tuple[str, ...], int]
) -> Metric:
    family = GaugeMetricFamily(f"floe_operator_{name}", documentation, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
