"""The manifests grant the permissions that the code uses, and their settings fit together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from floe_core import _version
from floe_operator import run
from floe_operator.api import events, floeplugins, leader
from floe_operator.settings import RunSettings
from tests.support.operator import GROUP

MANIFESTS = Path(__file__).parents[2] / "manifests"
READ = ("get", "list", "watch")
"""The verbs that `sources` uses on Secrets and ConfigMaps."""

Document = dict[str, Any]


def documents(path: str) -> list[Document]:
    """Return the documents in a file below manifests/."""
    return [document for document in yaml.safe_load_all((MANIFESTS / path).read_text()) if document]


def document(path: str, kind: str) -> Document:
    (found,) = [one for one in documents(path) if one["kind"] == kind]
    return found


def rights(rules: list[Document]) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield each permission of a Role: group, resource, verb and the object names that it is limited to."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield group, resource, verb, tuple(rule.get("resourceNames", ()))


def pod() -> Document:
    spec: Document = document("base/deployment.yaml", "Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> Document:
    (only,) = pod()["containers"]
    return dict(only)


def environment() -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container()["env"]}


def test_the_role_grants_exactly_the_permissions_that_the_operator_uses() -> None:
    lease = (leader.LEASE,)
    needed: set[tuple[str, str, str, tuple[str, ...]]]
    needed = {(GROUP, resource, verb, ()) for verb, resource in floeplugins.RIGHTS}
    needed |= {("", resource, verb, ()) for resource in ("secrets", "configmaps") for verb in READ}
    needed |= {("events.k8s.io", "events", verb, ()) for verb in events.RIGHTS}
    # A name cannot limit `create`, since the object does not exist yet.
    needed |= {
        ("coordination.k8s.io", "leases", verb, () if verb == "create" else lease) for verb in leader.RIGHTS
    }
    granted = list(rights(document("base/role.yaml", "Role")["rules"]))
    assert set(granted) == needed
    assert len(granted) == len(needed)


def test_no_rule_has_a_wildcard() -> None:
    roles = [*documents("base/role.yaml"), *documents("access/cluster-roles.yaml")]
    texts = [text for role in roles for one in rights(role.get("rules", [])) for text in one[:3]]
    assert texts
    assert "*" not in "".join(texts)


def test_the_viewer_role_only_reads_and_no_role_grants_writing_the_status() -> None:
    viewer, editor = documents("access/cluster-roles.yaml")
    assert {verb for _, _, verb, _ in rights(viewer["rules"])} == set(READ)
    assert {resource for role in (viewer, editor) for _, resource, _, _ in rights(role["rules"])} == {
        "floeplugins"
    }


def test_the_image_and_the_labels_have_the_version_of_the_code() -> None:
    kustomization = yaml.safe_load((MANIFESTS / "base" / "kustomization.yaml").read_text())
    (image,) = kustomization["images"]
    assert image["newTag"] == _version.__version__
    labels = {key: value for entry in kustomization["labels"] for key, value in entry["pairs"].items()}
    assert labels["app.kubernetes.io/version"] == _version.__version__


def test_the_pod_has_more_time_to_stop_than_the_operator_needs() -> None:
    assert pod()["terminationGracePeriodSeconds"] >= run._SHUTDOWN_SECONDS + 10


def test_every_variable_is_a_setting_and_has_a_valid_value(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {f"FLOE_{name.upper()}" for name in RunSettings.model_fields}
    assert set(environment()) <= fields
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    settings = RunSettings()
    (port,) = container()["ports"]
    assert settings.http_port == port["containerPort"]


def test_two_plugin_hosts_fit_into_the_memory_limit() -> None:
    """The old host stops its plugins while the new host starts."""
    (volume,) = pod()["volumes"]
    host, tmp, limit = (
        _mebibytes(text)
        for text in (
            environment()["FLOE_HOST_MEMORY"],
            volume["emptyDir"]["sizeLimit"],
            container()["resources"]["limits"]["memory"],
        )
    )
    assert 2 * host + tmp + 128 <= limit


def _mebibytes(text: str) -> int:
    number, unit = text[:-2], text[-2:]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


@pytest.mark.parametrize("name", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_the_probes_request_paths_that_the_operator_serves(name: str) -> None:
    probe = container()[name]["httpGet"]
    assert probe == {"path": "/readyz" if name == "readinessProbe" else "/healthz", "port": "http"}


def test_a_single_operator_does_not_block_draining_its_node() -> None:
    budget = document("base/pod-disruption-budget.yaml", "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_operator_is_not_pid_1_so_that_zombies_of_plugins_are_reaped() -> None:
    assert pod()["shareProcessNamespace"] is True


def test_traffic_to_dns_and_the_api_server_is_allowed_to_any_address() -> None:
    egress = document("base/network-policy.yaml", "NetworkPolicy")["spec"]["egress"]
    assert all("to" not in rule for rule in egress)
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 5353, 443, 6443}


def test_no_tool_prunes_the_namespace_and_the_objects_in_it() -> None:
    annotations = document("base/namespace.yaml", "Namespace")["metadata"]["annotations"]
    assert annotations == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
