"""Who has asked for a plugin, by what they leave on its object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from floe_operator.rules.facts import Readiness
from floe_operator.rules.in_use import is_idle, is_in_use, readiness
from floe_operator.rules.resource import FloePlugin, FloePluginStatus
from tests.unit.operator.rules.facts_builder import judged, verdict

IDENTITY: dict[str, Any] = {"f:type": {}, "f:name": {}}
MIRROR = {"manager": "floe-operator", "operation": "Apply", "fieldsV1": {"f:spec": IDENTITY}}
STATUS = {
    "manager": "floe-operator-status",
    "operation": "Apply",
    "subresource": "status",
    "fieldsV1": {"f:status": {"f:inUse": {}}},
}
LABELLED: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}, "f:team": {}}}}


def by(manager: str, operation: str = "Update", **fields: Any) -> dict[str, Any]:
    """Return an entry of managedFields."""
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": {f"f:{name}": owned for name, owned in fields.items()},
    }


def an_object(
    *more: dict[str, Any], annotations: Any = None, status: FloePluginStatus | None = None, **spec: Any
) -> FloePlugin:
    """Return the object of a mirror that others may have touched."""
    return FloePlugin.parse(
        {
            "metadata": {
                "name": "compute-duckdb",
                "annotations": annotations,
                "managedFields": [MIRROR, STATUS, *more],
            },
            "spec": {"type": "compute", "name": "duckdb", **spec},
            "status": status.to_json() if status is not None else None,
        }
    )


@pytest.mark.parametrize(
    ("touched", "in_use"),
    [
        ({}, False),
        ({"config": {}}, True),
        ({"configFrom": []}, True),
        ({"version": ""}, True),
        ({"probe": {}}, True),
        ({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": ""}}, True),
        ({"annotations": {"meta.helm.sh/release-name": "floe"}}, True),
        ({"annotations": {"meta.helm.sh/release-namespace": "floe", "note": "x", "floe.dev/x": "y"}}, False),
        ({"annotations": "not a mapping"}, False),
    ],
    ids=str,
)
def test_a_plugin_is_in_use_once_its_spec_or_an_annotation_of_an_apply_says_so(
    touched: dict[str, Any], in_use: bool
) -> None:
    assert is_in_use(an_object(**touched)) is in_use


@pytest.mark.parametrize(
    ("entry", "in_use"),
    [
        (by("kustomize-controller", "Apply", spec=IDENTITY), True),
        (by("kubectl-create", spec={".": {}, **IDENTITY}), True),
        (by("argocd-controller", "Apply", spec={"f:type": {}}), True),
        # Not the operator's: it only applies.
        (by("floe-operator", spec=IDENTITY), True),
        (by("labeller", "Apply", **LABELLED), False),
        (by("before-first-apply", spec={".": {}, **IDENTITY}), False),
        (by("kubectl-annotate", metadata={"f:annotations": {"f:note": {}}}), False),
        (by("an-applier", "Apply", spec={}), False),
        (by("an-updater", spec={".": {}}), False),
        ({"manager": "broken", "operation": "Update", "fieldsV1": "nonsense"}, False),
        ({"manager": "broken", "operation": "Update"}, False),
    ],
    ids=str,
)
def test_a_plugin_is_in_use_while_a_manager_other_than_the_operator_owns_a_field_below_spec(
    entry: dict[str, Any], in_use: bool
) -> None:
    assert is_in_use(an_object(entry)) is in_use


def test_an_object_without_managers_is_judged_by_its_spec_and_annotations() -> None:
    bare = {"metadata": {"name": "compute-duckdb"}, "spec": {"type": "compute", "name": "duckdb"}}
    assert not is_in_use(FloePlugin.parse(bare))
    assert is_in_use(FloePlugin.parse({**bare, "spec": {**bare["spec"], "probe": {}}}))


NOT_CONFIGURED = judged(in_use=False, config=verdict("ConfigRequired"))


@pytest.mark.parametrize(
    ("seen", "how"),
    [
        (None, Readiness.IDLE),
        (an_object(), Readiness.IDLE),
        (an_object(status=FloePluginStatus(observed_generation=-1)), Readiness.IDLE),
        (an_object(status=judged(config=None)), Readiness.IDLE),
        (an_object(status=judged(config=None), probe={}), Readiness.NOT_READY),
        (an_object(probe={}), Readiness.NOT_READY),
        (an_object(status=NOT_CONFIGURED), Readiness.IDLE),
        (an_object(status=judged()), Readiness.READY),
        (an_object(status=judged(in_use=False)), Readiness.READY),
        (an_object(status=judged(config=verdict("ConfigRequired"))), Readiness.NOT_READY),
        (an_object(status=judged(in_use=False, config=verdict("SchemaFailed"))), Readiness.NOT_READY),
    ],
)
def test_for_its_dependents_a_plugin_is_ready_or_idle_or_neither(
    seen: FloePlugin | None, how: Readiness
) -> None:
    assert readiness(seen) is how


def test_only_what_is_not_ready_can_be_idle() -> None:
    assert is_idle(NOT_CONFIGURED)
    assert not is_idle(judged())
    assert not is_idle(judged(config=None))
    assert not is_idle(FloePluginStatus())
    assert not is_idle(replace(NOT_CONFIGURED, in_use=True))
