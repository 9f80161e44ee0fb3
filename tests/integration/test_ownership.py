"""Who owns what: the operator completes what others apply, and never fights over it or deletes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, manifest
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

PLAIN = plugin_distribution("plain", config="word: str = 'none'")


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("ownership"), PLAIN) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    return standing.reset()


def owned(found: dict[str, Any] | None, manager: str, subresource: str = "") -> set[str]:
    """Return the fields that a manager owns, as dotted paths two levels deep."""
    assert found is not None
    fields: set[str] = set()
    for entry in found["metadata"]["managedFields"]:
        if entry["manager"] == manager and entry.get("subresource", "") == subresource:
            for top, below in entry["fieldsV1"].items():
                fields |= {f"{top[2:]}.{name[2:]}" for name in below if name.startswith("f:")}
    return fields


def test_a_mirror_has_only_type_name_and_label_from_the_operator_and_no_owner_or_finalizer(
    plugins: FloePlugins,
) -> None:
    found = plugins.get("compute-plain")
    assert owned(found, "floe-operator") == {"spec.type", "spec.name", "metadata.labels"}
    assert found is not None
    assert found["metadata"]["labels"] == {"floe.dev/plugin-type": "compute"}
    assert "ownerReferences" not in found["metadata"]
    assert "finalizers" not in found["metadata"]
    assert all(field.startswith("status.") for field in owned(found, "floe-operator-status", "status"))
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {
        "floe-operator",
        "floe-operator-status",
    }


def test_fields_that_another_manager_applied_are_left_alone(plugins: FloePlugins) -> None:
    plugins.apply("compute", "plain", manager="argocd", config={"word": "theirs"})
    plugins.until("compute-plain", "Ready", "Ready")
    found = plugins.get("compute-plain")
    assert owned(found, "argocd") == {"spec.type", "spec.name", "spec.config"}
    assert found is not None
    assert found["spec"]["config"] == {"word": "theirs"}
    assert not any("config" in field for field in owned(found, "floe-operator"))


def test_an_object_applied_by_kubectl_over_the_mirror_keeps_its_content(
    cluster: LocalCluster, plugins: FloePlugins
) -> None:
    document = manifest("compute", "plain", config={"word": "kubectl"})
    document["metadata"]["labels"] = {"team": "data"}
    document["metadata"]["annotations"] = {"note": "ours"}
    cluster.kubectl("-n", plugins.namespace, "apply", "-f", "-", input=json.dumps(document))
    plugins.until("compute-plain", "Ready", "Ready")
    cluster.kubectl("-n", plugins.namespace, "apply", "-f", "-", input=json.dumps(document))
    found = plugins.get("compute-plain")
    assert found is not None
    assert found["metadata"]["labels"] == {"team": "data", "floe.dev/plugin-type": "compute"}
    assert found["metadata"]["annotations"]["note"] == "ours"
    assert found["spec"]["config"] == {"word": "kubectl"}


def test_a_different_value_of_the_label_stays_and_is_not_fought_over(
    plugins: FloePlugins, audit: Audit
) -> None:
    plugins.merge("compute-plain", {"metadata": {"labels": {"floe.dev/plugin-type": "theirs"}}})
    plugins.merge("compute-plain", {"spec": {"config": {"word": "x"}}})
    plugins.until("compute-plain", "Ready", "Ready")
    since = now()
    rounds = len(audit.requests(namespace=plugins.namespace, verb="list"))
    eventually(lambda: len(audit.requests(namespace=plugins.namespace, verb="list")) >= rounds + 2)
    assert not audit.writes(namespace=plugins.namespace, since=since)
    found = plugins.get("compute-plain")
    assert found is not None
    assert found["metadata"]["labels"] == {"floe.dev/plugin-type": "theirs"}


def test_an_object_created_by_hand_for_a_missing_plugin_is_completed_and_stays(
    plugins: FloePlugins,
) -> None:
    plugins.create("storage", "elsewhere", config={"a": 1})
    _, _, message = plugins.until("storage-elsewhere", "Ready", "NotInstalled")
    assert "elsewhere" in message
    found = plugins.until_labelled("storage-elsewhere")
    assert found["metadata"]["labels"] == {"floe.dev/plugin-type": "storage"}
    assert owned(found, "floe-operator") == {"spec.type", "spec.name", "metadata.labels"}


def test_a_status_edited_by_hand_is_put_right(plugins: FloePlugins) -> None:
    plugins.until("compute-plain", "Ready", "Ready")
    edited = {
        "type": "Ready",
        "status": "False",
        "reason": "Edited",
        "message": "by hand",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }
    plugins.merge("compute-plain", {"status": {"conditions": [edited]}}, subresource="status")
    plugins.until("compute-plain", "Ready", "Ready")
    plugins.until("compute-plain", "Loaded", "Loaded")


def test_a_condition_added_by_hand_is_removed_and_another_controllers_condition_stays(
    plugins: FloePlugins,
) -> None:
    plugins.until("compute-plain", "Ready", "Ready")
    found = plugins.get("compute-plain")
    assert found is not None
    added = [
        {
            "type": kind,
            "status": "True",
            "reason": "ByHand",
            "message": "",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }
        for kind in ("Stalled", "example.com/Approved")
    ]
    conditions = [*found["status"]["conditions"], *added]
    plugins.merge("compute-plain", {"status": {"conditions": conditions}}, subresource="status")

    def put_right() -> bool:
        present = plugins.get("compute-plain")
        assert present is not None
        kinds = {one["type"] for one in present["status"]["conditions"]}
        assert "Stalled" not in kinds
        assert "example.com/Approved" in kinds
        return True

    eventually(put_right)
    plugins.until("compute-plain", "Ready", "Ready")


def test_a_deleted_object_comes_back_as_a_bare_mirror(plugins: FloePlugins) -> None:
    plugins.apply("compute", "plain", manager="flux", config={"word": "flux"})
    plugins.until("compute-plain", "Ready", "Ready")
    before = plugins.get("compute-plain")
    plugins.delete("compute-plain")

    def back() -> bool:
        found = plugins.get("compute-plain")
        assert found is not None
        assert before is not None
        assert found["metadata"]["uid"] != before["metadata"]["uid"]
        return True

    eventually(back)
    plugins.until("compute-plain", "Ready", "Ready")
    found = plugins.get("compute-plain")
    assert found is not None
    assert found["spec"] == {"type": "compute", "name": "plain"}
    assert owned(found, "flux") == set()


def test_only_bare_mirrors_of_plugins_gone_for_three_scans_are_deleted(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    others = [plugin_distribution(name) for name in ("bare", "configured", "labelled", "stays")]
    environment.install(*others)
    operator = start_operator()
    for name in ("bare", "configured", "labelled", "stays"):
        floeplugins.until(f"compute-{name}", "Ready", "Ready")
    floeplugins.apply("compute", "configured", manager="gitops", version=">=0.1")
    floeplugins.merge("compute-labelled", {"metadata": {"labels": {"team": "data"}}})
    environment.uninstall("floe-compute-bare", "floe-compute-configured", "floe-compute-labelled")
    eventually(lambda: floeplugins.get("compute-bare") is None, within=30)
    deletions = audit.requests(namespace=floeplugins.namespace, verb="delete")
    assert [event["objectRef"]["name"] for event in deletions] == ["compute-bare"]
    for name in ("configured", "labelled"):
        floeplugins.until(f"compute-{name}", "Ready", "NotInstalled")
    floeplugins.until("compute-stays", "Ready", "Ready")
    assert operator.process.poll() is None


def test_an_empty_partial_or_failed_scan_deletes_nothing(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    environment.install(plugin_distribution("one"), plugin_distribution("two"))
    start_operator()
    for name in ("one", "two"):
        floeplugins.until(f"compute-{name}", "Ready", "Ready")

    def scans(number: int) -> None:
        before = len(audit.requests(namespace=floeplugins.namespace, verb="list"))
        eventually(
            lambda: len(audit.requests(namespace=floeplugins.namespace, verb="list")) >= before + number,
            within=60,
        )

    # Partial: the metadata of one distribution cannot be read.
    (info,) = environment.site_packages.glob("floe_compute_one-*.dist-info")
    points = info / "entry_points.txt"
    content = points.read_bytes()
    points.unlink()
    points.mkdir()
    scans(5)
    assert floeplugins.condition("compute-one", "Discovered")[0] == "True"
    points.rmdir()
    points.write_bytes(content)
    # Nothing is found at all.
    away = environment.site_packages / "away"
    away.mkdir()
    for folder in environment.site_packages.glob("floe_compute_*.dist-info"):
        folder.rename(away / folder.name)
    scans(5)
    floeplugins.until("compute-one", "Ready", "NotInstalled")
    assert set(floeplugins.all()) == {"compute-one", "compute-two"}
    # floe_core is gone from the environment: the scan fails, and the last assessment stays.
    for folder in away.glob("*.dist-info"):
        folder.rename(environment.site_packages / folder.name)
    for name in ("one", "two"):
        floeplugins.until(f"compute-{name}", "Ready", "Ready")
    hidden = environment.site_packages / "floe_core.pth"
    hidden.rename(environment.folder / "floe_core.pth")
    scans(5)
    assert floeplugins.condition("compute-one", "Ready")[:2] == ("True", "Ready")
    assert set(floeplugins.all()) == {"compute-one", "compute-two"}
    assert not audit.requests(namespace=floeplugins.namespace, verb="delete")


def test_an_operator_that_restarts_after_a_kill_writes_nothing(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    environment.install(plugin_distribution("one"), plugin_distribution("two"))
    operator = start_operator()
    for name in ("one", "two"):
        floeplugins.until(f"compute-{name}", "Ready", "Ready")
    operator.kill()
    since = now()
    start_operator()

    def listed() -> int:
        return len(audit.requests(namespace=floeplugins.namespace, verb="list", since=since))

    eventually(lambda: listed() >= 4)
    assert not audit.writes(namespace=floeplugins.namespace, since=since)


def test_an_upgrade_while_the_operator_runs_is_shown_and_keeps_the_config(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(plugin_distribution("one", config="word: str"))
    start_operator()
    floeplugins.apply("compute", "one", config={"word": "kept"})
    floeplugins.until("compute-one", "Ready", "Ready")
    environment.install(plugin_distribution("one", version="0.2.0", config="word: str\nnumber: int = 1"))

    def upgraded() -> bool:
        found = floeplugins.get("compute-one")
        assert found is not None
        assert found["status"]["version"] == "0.2.0"
        assert "number" in found["status"]["configSchema"]["properties"]
        assert found["spec"]["config"] == {"word": "kept"}
        return True

    eventually(upgraded)
    floeplugins.until("compute-one", "Ready", "Ready")
    environment.install(plugin_distribution("two"))
    floeplugins.until("compute-two", "Ready", "Ready")


@pytest.mark.parametrize(
    "spec",
    [
        {"configFrom": [{"secretKeyRef": {"name": "a", "key": "b", "namespace": "other"}}]},
        {"configFrom": [{"secretKeyRef": {"name": "other/a", "key": "b"}}]},
        {"configFrom": [{"path": "a"}]},
    ],
)
def test_a_reference_to_another_namespace_cannot_be_written(
    plugins: FloePlugins, spec: dict[str, Any]
) -> None:
    with pytest.raises(ApiException) as refused:
        plugins.custom.create_namespaced_custom_object(
            "floe.dev",
            "v1alpha1",
            plugins.namespace,
            "floeplugins",
            manifest("storage", "wrong", **spec),
            field_validation="Strict",
        )
    assert refused.value.status in (400, 422)
