"""The metrics that the alerts and docs/operations.md name are those in a real scrape, and vice versa."""

from __future__ import annotations

import re
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import StartOperator
from tests.support.distributions import Environment, plugin_distribution
from tests.support.manifests import REPOSITORY
from tests.support.operator import FloePlugins
from tests.support.ports import free_port

RULES = REPOSITORY / "manifests" / "overlays" / "monitoring" / "prometheus-rule.yaml"
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
_METRIC = re.compile(r"\b(?:floe_operator|process|python)_\w+")
_ROW = re.compile(r"^\| `(floe_operator_\w+)` \| (\w+) \| ([^|]*?) ?\|", re.MULTILINE)
_SUFFIXES = {"counter": "_total", "info": "_info"}


@pytest.fixture
def scrape(environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins) -> str:
    """Return the metrics of a leading operator, with a plugin that is not Ready."""
    environment.install(plugin_distribution("duckdb"))
    port = free_port()
    start_operator("--http-port", str(port))
    floeplugins.create("identity", "keycloak")
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=90)
    floeplugins.until("identity-keycloak", "Ready", "NotInstalled", within=90)
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def test_the_alerts_and_the_documentation_name_existing_metrics_and_labels(scrape: str) -> None:
    families = list(text_string_to_metric_families(scrape))
    series = {sample.name for family in families for sample in family.samples}
    rules = [
        rule["expr"]
        for group in yaml.safe_load(RULES.read_text())["spec"]["groups"]
        for rule in group["rules"]
    ]
    named = set(_METRIC.findall(" ".join(rules)))
    assert len(named) > 10
    assert named <= series

    documented = {(name, kind, labels.replace("`", "")) for name, kind, labels in _ROW.findall(OPERATIONS)}
    assert documented == {
        (
            family.name + _SUFFIXES.get(family.type, ""),
            family.type,
            ", ".join(sorted({label for sample in family.samples for label in sample.labels} - {"le"})),
        )
        for family in families
        if family.name.startswith("floe_operator_") and not family.name.endswith("_created")
    }
