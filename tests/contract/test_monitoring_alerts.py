"""The alerts of manifests/overlays/monitoring, checked by promtool and against docs/operations.md.

tests/contract/alerts holds promtool's test rules, which define when each alert fires and when it does not.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from floe_operator.rules.conditions import READY, TABLE, Outcome
from tests.support.go_tools import output_of, promtool
from tests.support.manifests import REPOSITORY

RULES = REPOSITORY / "manifests" / "overlays" / "monitoring" / "prometheus-rule.yaml"
CASES = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
OPERATIONS = REPOSITORY / "docs" / "operations.md"
SEVERITIES = {"critical", "warning", "info"}
_ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["spec"]["groups"]
    for rule in group["rules"]
}
_SECTION = re.compile(r"^### (Floe\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_RUNBOOK = dict(_SECTION.findall(OPERATIONS.read_text()))


@pytest.fixture(scope="module")
def promtool_program(request: pytest.FixtureRequest) -> Path:
    return promtool(request.config)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the rules as Prometheus reads them, and the cases beside them."""
    write_rules(tmp_path, RULES.read_text())
    for case in CASES:
        shutil.copy(case, tmp_path)
    return tmp_path


def write_rules(folder: Path, manifest: str) -> None:
    (folder / "rules.yaml").write_text(yaml.safe_dump(yaml.safe_load(manifest)["spec"]))


def test_promtool_accepts_the_rules(promtool_program: Path, folder: Path) -> None:
    code, said = output_of(promtool_program, "check", "rules", "--lint-fatal", "rules.yaml", cwd=folder)
    assert code == 0, said


@pytest.mark.parametrize("case", [case.name for case in CASES])
def test_alerts_fire_when_they_should_and_only_then(promtool_program: Path, folder: Path, case: str) -> None:
    code, said = output_of(promtool_program, "test", "rules", case, cwd=folder)
    assert code == 0, said


def test_promtool_detects_a_wrong_rule(promtool_program: Path, folder: Path) -> None:
    write_rules(folder, RULES.read_text().replace('in_use="false"', 'in_use="true"'))
    code, said = output_of(promtool_program, "test", "rules", "plugins.yaml", cwd=folder)
    assert code != 0
    assert "FloePluginNotReady" in said


@pytest.mark.parametrize("alert", _ALERTS)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    expected = [outcome for case in CASES for outcome in _outcomes(yaml.safe_load(case.read_text()), alert)]
    assert set(expected) == {True, False}


def _outcomes(document: dict[str, Any], alert: str) -> list[bool]:
    """Return, for each check of an alert, whether the alert should fire."""
    found = []
    for test in document["tests"]:
        for one in test.get("promql_expr_test", ()):
            asked = re.search(r'alertname=~?"([^"]+)"', one["expr"])
            if asked and re.fullmatch(asked[1], alert):
                labels = (sample["labels"] for sample in one["exp_samples"])
                found.append(any(f'alertname="{alert}"' in each for each in labels))
        whole = test.get("alert_rule_test", ())
        found += [bool(one["exp_alerts"]) for one in whole if one["alertname"] == alert]
    return found


@pytest.mark.parametrize(("alert", "rule"), _ALERTS.items())
def test_every_alert_has_a_severity_and_a_link_to_its_runbook(alert: str, rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{alert.lower()}"


def test_the_runbook_has_a_section_with_the_severity_for_each_alert_and_no_others() -> None:
    said = {
        alert: re.match(r"\n\*(\w+), (?:after (\d+) minutes|immediately)\*\.", text)
        for alert, text in _RUNBOOK.items()
    }
    assert {alert: found and (found[1], f"{found[2] or 0}m") for alert, found in said.items()} == {
        alert: (rule["labels"]["severity"], rule.get("for", "0m")) for alert, rule in _ALERTS.items()
    }


def test_the_runbook_says_what_to_do_about_every_reason_of_a_plugin_that_is_not_ready() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]*\| \S.*\|$", _RUNBOOK["FloePluginNotReady"], re.MULTILINE)
    failing = {
        reason.text
        for kind, table in TABLE.items()
        if kind != READY
        for reason in table
        if reason.outcome.status == Outcome.FALSE.status
    }
    assert sorted(rows) == sorted(failing)
