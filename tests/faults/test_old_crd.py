"""Refusals that time does not mend: an older CRD, and admission; they are named as what they are."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import LocalCluster
from tests.support.control_planes import CRD, install_crd
from tests.support.distributions import plugin_distribution
from tests.support.http_pages import metric, page
from tests.support.operator import OperatorProcess
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.standing import standing_operator

LACKS = ("status.conditions[].status=True", "status.entryPoint")
RENEW = "kubectl apply --server-side -k crds"


pytestmark = pytest.mark.xdist_group("fragile")


def install_older_crd(cluster: LocalCluster, make_older: Callable[[dict[str, Any]], None]) -> None:
    crd = yaml.safe_load(CRD.read_text())
    make_older(crd["spec"]["versions"][0])
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(crd))


def without_a_value(version: dict[str, Any]) -> None:
    """Remove a field of status, and a value of an enum, as if this operator were the first to write them."""
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    del properties["status"]["properties"]["entryPoint"]
    condition = properties["status"]["properties"]["conditions"]["items"]["properties"]
    condition["status"]["enum"].remove("True")


def without_in_use(version: dict[str, Any]) -> None:
    """Remove status.inUse, as in the CRD before it."""
    del version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["inUse"]
    version["selectableFields"].remove({"jsonPath": ".status.inUse"})


def warnings(operator: OperatorProcess) -> list[str]:
    return [json.dumps(line) for line in operator.lines() if line.get("level") in ("warning", "error")]


def test_a_crd_older_than_the_operator_is_named_and_once_it_is_renewed_everything_is_judged(
    fragile_cluster: LocalCluster, tmp_path: Path
) -> None:
    cluster = fragile_cluster
    install_older_crd(cluster, without_a_value)
    many = [plugin_distribution(f"plain-{number}") for number in range(3)]
    port = free_port()
    with ExitStack() as running:
        running.callback(install_crd, cluster)
        standing = running.enter_context(
            standing_operator(cluster, tmp_path, *many, flags=("--http-port", str(port)))
        )

        def told() -> bool:
            status, text = page(port, "readyz")
            assert status == 503, text
            assert "[-]crd failed: the CRD floeplugins.floe.dev is older than this operator" in text
            assert all(lack in text for lack in LACKS), text
            assert RENEW in text
            return True

        eventually(told)
        about = [line for line in warnings(standing.operator) if "floeplugins.floe.dev" in line]
        assert about
        assert all(words in line for line in about for words in (*LACKS, RENEW)), about
        assert len(warnings(standing.operator)) <= 3, warnings(standing.operator)

        install_crd(cluster)
        for one in range(3):
            standing.plugins.until(f"compute-plain-{one}", "Ready", "Ready", within=60)
        eventually(lambda: page(port, "readyz")[0] == 200, within=60)


WRITES = 'floe_operator_writes_total{kind="status"}'
LAST_SCAN = "floe_operator_scan_last_success_timestamp_seconds"


@pytest.mark.parametrize("running", [False, True], ids=["before the start", "while it runs"])
def test_a_crd_without_a_field_of_status_gets_the_rest_and_once_it_is_renewed_the_field(
    fragile_cluster: LocalCluster, tmp_path: Path, running: bool
) -> None:
    cluster, port = fragile_cluster, free_port()
    many = plugin_distribution("needy", config="word: str"), plugin_distribution("plain")
    with ExitStack() as stack:
        stack.callback(install_crd, cluster)
        if not running:
            install_older_crd(cluster, without_in_use)
        standing = stack.enter_context(
            standing_operator(cluster, tmp_path, *many, flags=("--http-port", str(port)))
        )
        plugins = standing.plugins
        if running:
            plugins.until("compute-needy", "Ready", "NotConfigured")
            install_older_crd(cluster, without_in_use)
        numbers = itertools.count()

        def told() -> bool:
            # Another generation each time, until the API server refuses its status by the older schema.
            plugins.apply("compute", "plain", config={"word": str(next(numbers))})
            status, text = page(port, "readyz")
            assert status == 503, text
            assert f"is older than this operator: it has no status.inUse; renew it: {RENEW}" in text
            return True

        eventually(told, within=60, every=1.0)
        plugins.apply("compute", "plain", config={"word": "x"})
        plugins.until("compute-plain", "Ready", "ConfigNotAccepted", within=60)
        plugins.until("compute-needy", "Ready", "NotConfigured")
        assert not any("inUse" in found["status"] for found in plugins.all().values())
        # Once by the refusal, if the schema was published later, and once by the schema.
        assert len([line for line in warnings(standing.operator) if "status.inUse" in line]) in (1, 2)

        writes, scanned = metric(port, WRITES), metric(port, LAST_SCAN)
        eventually(lambda: metric(port, LAST_SCAN) > scanned + 4)
        assert metric(port, WRITES) == writes

        install_crd(cluster)
        in_use = {"compute-plain": True, "compute-needy": False}
        eventually(
            lambda: in_use == {name: one["status"].get("inUse") for name, one in plugins.all().items()},
            within=60,
        )
        eventually(lambda: page(port, "readyz")[0] == 200, within=60)


POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "no-mirrors"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["floe.dev"],
                    "apiVersions": ["*"],
                    "operations": ["CREATE"],
                    "resources": ["floeplugins"],
                }
            ]
        },
        "validations": [
            {
                "expression": "object.spec.name != 'refused'",
                "reason": "Forbidden",
                "message": "no such mirror",
            }
        ],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "no-mirrors"},
    "spec": {"policyName": "no-mirrors", "validationActions": ["Deny"]},
}


def test_a_mirror_that_a_policy_forbids_is_no_missing_permission(
    fragile_cluster: LocalCluster, tmp_path: Path
) -> None:
    cluster = fragile_cluster
    for each in (POLICY, BINDING):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    port = free_port()
    try:
        plain, other = plugin_distribution("plain"), plugin_distribution("other")
        with standing_operator(cluster, tmp_path, plain, flags=("--http-port", str(port))) as standing:
            plugins, operator = standing.plugins, standing.operator
            plugins.until("compute-plain", "Ready", "Ready")
            standing.environment.install(plugin_distribution("refused"), other)
            eventually(lambda: operator.logged("no such mirror"), within=60)
            plugins.until("compute-other", "Ready", "Ready")
            assert "missing permission" not in json.dumps(warnings(operator))
            assert len([line for line in warnings(operator) if "no such mirror" in line]) == 1
            status, text = page(port, "readyz")
            assert status == 200, text
    finally:
        for each in (BINDING, POLICY):
            cluster.kubectl("delete", "-f", "-", input=json.dumps(each))
