"""Metrics of the FloePlugins: how many there are of each kind, and which are not Ready.

Every plugin is counted by type and reason, and by whether it is in use. Only plugins that are not Ready have
their own series, so that an alert can name the plugin and its reason while the number of series stays small.
Those that nobody asked for and that only lack a configuration, or need a plugin that does, have none.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from floe_core.plugin_types import PluginType
from floe_operator.rules.conditions import READY, TABLE
from floe_operator.rules.facts import Readiness
from floe_operator.rules.in_use import is_in_use, readiness
from floe_operator.rules.resource import FloePlugin

_READY = ("True", "False", "Unknown")
_IN_USE = {True: "true", False: "false"}
_REASONS = frozenset({READY, *(reason.text for table in TABLE.values() for reason in table)})
_OTHER = "Other"
"""Stands for a reason that the operator never writes, as in a status that a person has just edited."""


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


def _labelled(
    name: str, documentation: str, labels: list[str], values: Mapping[tuple[str, ...], int]
) -> Metric:
    family = GaugeMetricFamily(f"floe_operator_{name}", documentation, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
