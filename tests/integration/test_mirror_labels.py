"""Mirrors in a namespace whose policy demands a label."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from localcluster import LocalCluster
from localcluster.errors import KubectlError
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

NEEDED = "every FloePlugin needs the label team"


API = "admissionregistration.k8s.io/v1"
INFRA = 'Object{metadata: Object.metadata{labels: Object.metadata.labels{team: "infra"}}}'


@contextmanager
def policy_of(
    cluster: LocalCluster, namespace: str, kind: str, operations: list[str], **fields: Any
) -> Iterator[None]:
    """Have a policy of this kind decide on FloePlugins of one namespace, from when the block begins."""
    name = f"team-{namespace}"
    rule = {
        "apiGroups": ["floe.dev"],
        "apiVersions": ["*"],
        "operations": operations,
        "resources": ["floeplugins"],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    policy = {"matchConstraints": {"resourceRules": [rule]}, **fields}
    binding: dict[str, Any] = {"policyName": name, "matchResources": here}
    if "validations" in fields:
        binding["validationActions"] = ["Deny"]
    documents = [
        {"apiVersion": API, "kind": each, "metadata": {"name": name}, "spec": spec}
        for each, spec in ((kind, policy), (f"{kind}Binding", binding))
    ]
    for each in documents:
        cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    probe = {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": "dbt-probe", "namespace": namespace},
        "spec": {"type": "dbt", "name": "probe"},
    }

    def decides() -> bool:
        flags = ("--dry-run=server", "-o", "json", "-f", "-")
        try:
            return "infra" in cluster.kubectl("create", *flags, input=json.dumps(probe))
        except KubectlError:
            return True

    eventually(decides, every=0.5)
    yield
    for each in reversed(documents):
        cluster.kubectl("delete", "-f", "-", input=json.dumps(each))


@pytest.fixture
def policy(cluster: LocalCluster, namespace: str) -> Iterator[None]:
    """Demand the label `team` on what is created in the test's namespace."""
    rule = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    validations = [{"expression": rule, "message": NEEDED}]
    with policy_of(cluster, namespace, "ValidatingAdmissionPolicy", ["CREATE"], validations=validations):
        yield


@pytest.fixture
def mutating_policy(cluster: LocalCluster, namespace: str) -> Iterator[None]:
    """Set the label `team` to `infra` on whatever is written in the test's namespace."""
    if "MutatingAdmissionPolicy" not in cluster.kubectl("api-resources", f"--api-group={API.split('/')[0]}"):
        pytest.skip("this Kubernetes has no MutatingAdmissionPolicy")
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": INFRA}}
    with policy_of(
        cluster,
        namespace,
        "MutatingAdmissionPolicy",
        ["CREATE", "UPDATE"],
        mutations=[mutation],
        reinvocationPolicy="Never",
    ):
        yield


@pytest.mark.usefixtures("policy")
def test_a_policy_that_demands_a_label_is_named_and_met_by_a_flag(
    environment: Environment, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    environment.install(plugin_distribution("one"))
    operator = start_operator()
    eventually(lambda: operator.logged("cannot write a FloePlugin", NEEDED))
    assert floeplugins.all() == {}
    operator.stop()

    operator = start_operator("--mirror-labels", "team=data,cost-centre=7")
    floeplugins.until("compute-one", "Ready", "Ready")
    assert labels_of(floeplugins) == {"floe.dev/plugin-type": "compute", "team": "data", "cost-centre": "7"}
    operator.stop()

    start_operator("--mirror-labels", "team=platform")
    eventually(lambda: labels_of(floeplugins) == {"floe.dev/plugin-type": "compute", "team": "platform"})


@pytest.mark.usefixtures("mutating_policy")
def test_a_policy_that_changes_a_label_is_named_and_not_fought(
    environment: Environment, floeplugins: FloePlugins, start_operator: StartOperator, audit: Audit
) -> None:
    environment.install(plugin_distribution("one"))
    operator = start_operator("--mirror-labels", "team=data")
    floeplugins.until("compute-one", "Ready", "Ready")
    assert labels_of(floeplugins)["team"] == "infra"
    eventually(lambda: operator.logged("something in the cluster changes labels", "team"))
    ready = now()

    def scanned() -> bool:
        return len(audit.requests(namespace=floeplugins.namespace, since=ready, verb="list")) >= 3

    eventually(scanned)
    assert audit.writes(namespace=floeplugins.namespace).count(("patch", "compute-one")) == 1


def labels_of(floeplugins: FloePlugins) -> dict[str, str]:
    found = floeplugins.get("compute-one")
    assert found is not None
    labels: dict[str, str] = found["metadata"]["labels"]
    return labels
