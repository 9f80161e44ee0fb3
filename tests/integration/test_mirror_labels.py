"""Mirrors in a namespace whose policy demands a label, or changes one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from localcluster import LocalCluster
from localcluster.errors import KubectlError
from tests.integration.conftest import StartOperator
from tests.support import webhooks
from tests.support.audit import Audit, now
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

NEEDED = "every FloePlugin needs the label team"


@pytest.fixture
def policy(cluster: LocalCluster, namespace: str) -> Iterator[None]:
    """Demand the label `team` on what is created in the test's namespace."""
    name = f"team-{namespace}"
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {
        "apiGroups": ["floe.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["floeplugins"],
    }
    api = "admissionregistration.k8s.io/v1"
    documents = [
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [
                    {
                        "expression": "has(object.metadata.labels) && 'team' in object.metadata.labels",
                        "message": NEEDED,
                    }
                ],
            },
        },
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": here},
            },
        },
    ]
    for each in documents:
        cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    probe = {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "spec": {"type": "dbt", "name": "probe"},
    }
    probe["metadata"] = {"name": "dbt-probe", "namespace": namespace}

    def enforced() -> bool:
        with suppress(KubectlError):
            cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(probe))
            return False
        return True

    eventually(enforced, every=0.5)
    yield
    for each in reversed(documents):
        cluster.kubectl("delete", "-f", "-", input=json.dumps(each))


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


@pytest.fixture
def rewriting_policy(cluster: LocalCluster, namespace: str) -> Iterator[None]:
    """Set the label `team` to `infra` on whatever is written in the test's namespace."""
    labels = {"op": "add", "path": "/metadata/labels/team", "value": "infra"}
    with webhooks.mutating(cluster, namespace, [labels]):
        yield


@pytest.mark.usefixtures("rewriting_policy")
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
