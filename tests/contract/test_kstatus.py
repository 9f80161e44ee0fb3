"""Tools that wait for an object assess it correctly, by their own code: kstatus, Flux's CEL, Argo CD's Lua.

The health definitions are taken verbatim from docs/readiness.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Checked, Facts, Probing
from floe_operator.rules.in_use import is_idle
from floe_operator.rules.resource import FloePluginStatus
from tests.support.documents import blocks
from tests.support.go_programs import go_program
from tests.support.kstatus import FOLDER, Judge
from tests.unit.operator.rules.facts_builder import NOW, condition, facts, spec, verdict
from tests.unit.operator.rules.strategies import histories
from tests.unit.operator.rules.test_assess import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "readiness.md"
NEVER_JUDGED = {"observedGeneration": -1}
"""The CRD's default status."""
ARGOCD_KEY = "resource.customizations.health.floe.dev_FloePlugin"

# kstatus, Flux's expressions, Argo CD's health check
DONE = ("Current", "Current", "Healthy")
FAILED = ("Failed", "Failed", "Degraded")
WAIT = ("InProgress", "InProgress", "Progressing")
IDLE = ("InProgress", "InProgress", "Suspended")
GOING = ("Terminating", "InProgress", "Progressing")


def documented(title: str) -> dict[str, Any]:
    """Return a manifest from the page."""
    (text,) = [block.text for block in blocks(PAGE) if block.title == title]
    return dict(yaml.safe_load(text))


@dataclass(frozen=True)
class Judges:
    """The three tools, side by side."""

    kstatus: Judge
    flux: Judge
    argocd: Judge

    def statuses(self, manifest: Mapping[str, Any]) -> tuple[str, str, str]:
        return self.kstatus(manifest).status, self.flux(manifest).status, self.argocd(manifest).status


@pytest.fixture(scope="module")
def judges(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judges]:
    program, folder = go_program(FOLDER, request.config), tmp_path_factory.mktemp("health")
    (expressions,) = documented("kustomization.yaml")["spec"]["healthCheckExprs"]
    (folder / "flux.json").write_text(json.dumps(expressions))
    (folder / "health.lua").write_text(documented("argocd-cm.yaml")["data"][ARGOCD_KEY])
    with (
        Judge(program, "kstatus") as kstatus,
        Judge(program, "flux", folder / "flux.json") as flux,
        Judge(program, "argocd", folder / "health.lua") as argocd,
    ):
        yield Judges(kstatus, flux, argocd)


def manifest(
    status: FloePluginStatus | Mapping[str, Any], *, generation: int = 1, deleted: bool = False
) -> dict[str, Any]:
    """Return an object as the API server serves it."""
    metadata: dict[str, Any] = {"name": "identity-keycloak", "namespace": "floe", "generation": generation}
    if deleted:
        metadata["deletionTimestamp"] = "2030-01-02T03:04:05Z"
    return {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": metadata,
        "spec": {"type": "identity", "name": "keycloak"},
        "status": status.to_json() if isinstance(status, FloePluginStatus) else dict(status),
    }


def after(*history: Facts) -> FloePluginStatus:
    """Return the status of an object that was assessed with each of these facts in turn."""
    status: FloePluginStatus | None = None
    for number, known in enumerate(history):
        status = assess(known, status, NOW + timedelta(hours=number))
    assert status is not None
    return status


BESIDE = {None: DONE, "Reconciling": WAIT, "Stalled": FAILED}


@pytest.mark.parametrize(
    ("beside", "changed"), [row[3:] for row in TABLE], ids=[f"{row[0]}-{row[2]}" for row in TABLE]
)
def test_the_tools_take_every_reason_as_done_failed_or_in_progress(
    judges: Judges, beside: str | None, changed: dict[str, Any]
) -> None:
    status = after(facts(**changed))
    assert judges.statuses(manifest(status)) == (IDLE if is_idle(status) else BESIDE[beside])


@pytest.mark.parametrize("changed", [row[4] for row in TABLE], ids=[f"{row[0]}-{row[2]}" for row in TABLE])
def test_an_object_being_deleted_is_neither_done_nor_failed(judges: Judges, changed: dict[str, Any]) -> None:
    assert judges.statuses(manifest(after(facts(**changed)), deleted=True)) == GOING


@pytest.mark.parametrize("changed", [row[4] for row in TABLE], ids=[f"{row[0]}-{row[2]}" for row in TABLE])
def test_the_tools_wait_for_a_spec_that_is_not_assessed_yet(judges: Judges, changed: dict[str, Any]) -> None:
    assert judges.statuses(manifest(after(facts(**changed)), generation=2)) == WAIT


PROBED = spec(probe={})
HEALTHY = facts(spec=PROBED, probe=Checked("healthy"))
SECRET_CHANGED = facts(spec=PROBED, probe=Probing(changed=True))
CONFIG_CHANGED = facts(spec=PROBED, probe=Probing(changed=True), generation=2)
STALLED = facts(config=verdict("ValidationFailed"))


@pytest.mark.parametrize(
    ("expected", "generation", "history"),
    [
        (WAIT, 1, [HEALTHY, SECRET_CHANGED]),
        (DONE, 1, [HEALTHY, SECRET_CHANGED, HEALTHY]),
        (WAIT, 2, [HEALTHY, CONFIG_CHANGED]),
        (WAIT, 2, [HEALTHY, CONFIG_CHANGED, facts(spec=PROBED, probe=Checked("unhealthy", 3), generation=2)]),
        (DONE, 2, [HEALTHY, CONFIG_CHANGED, facts(spec=PROBED, probe=Checked("healthy"), generation=2)]),
        (WAIT, 1, [HEALTHY, facts(spec=PROBED, probe=Checked("unhealthy", 3))]),
        (DONE, 1, [HEALTHY, facts(spec=PROBED, probe=Checked("unhealthy", 2))]),
        (DONE, 1, [HEALTHY, facts(spec=PROBED, config=None, dependencies=None)]),
        (WAIT, 2, [HEALTHY, facts(spec=PROBED, config=None, dependencies=None, generation=2)]),
        (FAILED, 1, [HEALTHY, STALLED]),
        (WAIT, 2, [STALLED, facts(config=None, generation=2)]),
        (DONE, 2, [STALLED, facts(generation=2)]),
    ],
    ids=[
        "a changed Secret is being tried",
        "a changed Secret was tried",
        "a changed config is being tried",
        "a changed config made it unhealthy",
        "a changed config was tried",
        "it became unhealthy",
        "too few checks failed",
        "a new host has not assessed it",
        "a new host has not assessed its new spec",
        "it became stalled",
        "its fixed spec is being assessed",
        "its fixed spec is assessed",
    ],
)
def test_an_earlier_assessment_counts_only_for_its_own_configuration(
    judges: Judges, expected: tuple[str, ...], generation: int, history: list[Facts]
) -> None:
    assert judges.statuses(manifest(after(*history), generation=generation)) == expected


def test_the_tools_wait_for_an_object_that_was_never_assessed(judges: Judges) -> None:
    assert judges.statuses(manifest(NEVER_JUDGED)) == WAIT


def test_the_health_definitions_wait_if_the_status_was_emptied(judges: Judges) -> None:
    emptied = manifest({"observedGeneration": 1})
    assert (judges.flux(emptied).status, judges.argocd(emptied).status) == ("InProgress", "Progressing")


def test_the_table_on_the_page_has_these_rules() -> None:
    rows = re.findall(r"^\| .+ \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [DONE, FAILED, GOING, IDLE, WAIT]


@given(histories)
def test_the_tools_agree_on_every_status_whatever_came_before(judges: Judges, history: list[Facts]) -> None:
    status, generation = after(*history), max(known.generation for known in history)
    assert judges.statuses(manifest(status, generation=generation)) == expectation(status, generation)


def expectation(status: FloePluginStatus, generation: int) -> tuple[str, ...]:
    """Return what the tools should say according to the rules on the page."""
    if status.observed_generation != generation:
        return WAIT
    if status.condition("Stalled") is not None:
        return FAILED
    ready = condition(status, "Ready")
    assert ready.observed_generation == generation
    if is_idle(status):
        return IDLE
    return DONE if ready.status == "True" and status.condition("Reconciling") is None else WAIT


@pytest.mark.parametrize(
    ("kind", "known"),
    [("Stalled", STALLED), ("Reconciling", SECRET_CHANGED), ("Ready", HEALTHY)],
)
def test_argo_cd_shows_the_reason_and_the_message(judges: Judges, kind: str, known: Facts) -> None:
    status = after(known)
    shown = condition(status, kind)
    assert judges.argocd(manifest(status)).message == f"{shown.reason}: {shown.message}"


def test_kstatus_shows_the_message_of_the_stalled_condition(judges: Judges) -> None:
    status = after(STALLED)
    assert judges.kstatus(manifest(status)).message == condition(status, "Stalled").message
