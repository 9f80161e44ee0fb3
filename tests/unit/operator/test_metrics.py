"""The metrics page: it parses, counts what it claims to count, and has few series."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.metrics import Metrics
from floe_operator.plugin_gauges import plugin_metrics
from floe_operator.rules.facts import Dependencies, Dependency, NotInstalled, Readiness
from floe_operator.rules.load_states import LoadFault
from floe_operator.rules.resource import FloePlugin, FloePluginStatus
from floe_operator.rules.results import DONE, Result, RetryableError, RetryAfter
from tests.unit.operator.rules.facts_builder import judged, verdict

DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, _ = metrics.page("")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def done(_: str) -> Result:
    return DONE


async def comes_back(_: str) -> Result:
    return RetryAfter(1.0)


async def cannot_now(_: str) -> Result:
    raise RetryableError("not now")


async def has_a_bug(_: str) -> Result:
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("reconcile", "result"),
    [(done, "success"), (comes_back, "requeue_after"), (cannot_now, "retry"), (has_a_bug, "error")],
)
async def test_reconciles_are_counted_by_result_and_timed(
    reconcile: Callable[[str], Awaitable[Result]], result: str
) -> None:
    metrics = Metrics()
    before = samples(metrics)
    try:
        answer = await metrics.timed(reconcile)("key")
    except (RetryableError, KeyError):
        assert result in ("retry", "error")
    else:
        assert answer == await reconcile("key")
    after = samples(metrics)
    name = "floe_operator_reconciles_total"
    grown = [key for key in after if key[0] == name and after[key] == before[key] + 1]
    assert grown == [(name, (("result", result),))]
    assert after["floe_operator_reconcile_duration_seconds_count", ()] == 1


def test_writes_are_counted_by_kind_and_requests_by_method_and_code() -> None:
    metrics = Metrics()
    metrics.wrote("status")
    metrics.answered("PATCH", "200")
    metrics.answered("PATCH", "409")
    metrics.answered("GET", "timeout")
    seen = samples(metrics)
    assert seen["floe_operator_writes_total", (("kind", "status"),)] == 1
    assert seen["floe_operator_writes_total", (("kind", "deletion"),)] == 0
    requests = {key[1]: value for key, value in seen.items() if key[0] == "floe_operator_api_requests_total"}
    assert requests == {
        (("code", "200"), ("method", "PATCH")): 1,
        (("code", "409"), ("method", "PATCH")): 1,
        (("code", "timeout"), ("method", "GET")): 1,
    }


@pytest.mark.parametrize(
    ("accept", "parse", "content_type"),
    [
        ("", text_string_to_metric_families, "text/plain"),
        ("application/openmetrics-text; version=1.0.0", parse_openmetrics, "application/openmetrics-text"),
    ],
)
def test_the_page_has_the_requested_format(
    accept: str, parse: Callable[[str], Any], content_type: str
) -> None:
    metrics = Metrics()
    metrics.add(Plugins([plugin("duckdb", judged())]))
    page, kind = metrics.page(accept)
    assert kind.startswith(content_type)
    names = {family.name for family in parse(page.decode())}
    assert {"floe_operator_build", "floe_operator_plugins", "process_cpu_seconds"} <= {
        name.removesuffix("_info").removesuffix("_total") for name in names
    }


class Plugins(Collector):
    def __init__(self, objects: list[FloePlugin]) -> None:
        self._objects = objects

    def collect(self) -> Iterator[Metric]:
        yield from plugin_metrics(self._objects)


def plugin(name: str, status: FloePluginStatus | None, **spec: Any) -> FloePlugin:
    raw = {
        "metadata": {"name": f"compute-{name}"},
        "spec": {"type": "compute", "name": name, **spec},
        "status": status.to_json() if status else None,
    }
    return FloePlugin.parse(raw)


def edited(status: FloePluginStatus) -> FloePluginStatus:
    conditions = tuple(replace(one, reason="Hacked") for one in status.conditions)
    return replace(status, conditions=conditions)


def test_plugins_are_counted_by_type_readiness_reason_and_use() -> None:
    gone = judged(discovery=NotInstalled())
    metrics = Metrics()
    metrics.add(
        Plugins(
            [
                plugin("ready", judged()),
                plugin("configured", judged(), config={"word": "x"}),
                plugin("gone", gone),
                plugin("edited", edited(gone)),
                plugin("new", None),
            ]
        )
    )
    seen = samples(metrics)
    counted = {key[1]: value for key, value in seen.items() if key[0] == "floe_operator_plugins" and value}
    assert counted == {
        (("in_use", "false"), ("ready", "True"), ("type", "compute")): 1,
        (("in_use", "true"), ("ready", "True"), ("type", "compute")): 1,
        (("in_use", "false"), ("ready", "False"), ("type", "compute")): 2,
        (("in_use", "false"), ("ready", "Unknown"), ("type", "compute")): 1,
    }
    assert {
        tuple(value for _, value in key[1]): value
        for key, value in seen.items()
        if key[0] == "floe_operator_plugins_by_reason"
    } == {
        ("false", "Ready"): 1,
        ("true", "Ready"): 1,
        ("false", "NotInstalled"): 1,
        ("false", "Other"): 1,
        ("false", "NotJudged"): 1,
    }


def test_only_plugins_that_are_not_ready_have_their_own_series() -> None:
    objects = [plugin(f"p{number}", judged()) for number in range(50)]
    metrics = Metrics()
    metrics.add(Plugins([*objects, plugin("gone", judged(discovery=NotInstalled()))]))
    own = [key[1] for key in samples(metrics) if key[0] == "floe_operator_plugin_not_ready"]
    assert own == [(("in_use", "false"), ("name", "gone"), ("reason", "NotInstalled"), ("type", "compute"))]


IDLE = Dependencies((Dependency("duckdb", (DUCKDB,), Readiness.IDLE),))
BROKEN = Dependencies((Dependency("duckdb", (DUCKDB,)),))


@pytest.mark.parametrize(
    ("known", "spec", "labels"),
    [
        ({"config": verdict("ConfigRequired")}, {}, None),
        ({"dependencies": IDLE}, {}, None),
        ({"dependencies": BROKEN}, {}, ("false", "DependencyNotReady")),
        ({"loading": LoadFault("ImportFailed", "m")}, {}, ("false", "ImportFailed")),
        ({"config": verdict("ConfigRequired")}, {"version": ">=0"}, ("true", "ConfigRequired")),
        ({"dependencies": IDLE}, {"version": ">=0"}, ("true", "DependencyNotReady")),
    ],
)
def test_what_nobody_asked_for_and_lacks_only_a_configuration_is_not_counted_as_not_ready(
    known: dict[str, Any], spec: dict[str, Any], labels: tuple[str, str] | None
) -> None:
    metrics = Metrics()
    metrics.add(Plugins([plugin("gone", judged(**known, in_use=bool(spec)), **spec)]))
    own = [dict(key[1]) for key in samples(metrics) if key[0] == "floe_operator_plugin_not_ready"]
    assert [(one["in_use"], one["reason"]) for one in own] == ([labels] if labels else [])
