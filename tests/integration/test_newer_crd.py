"""A CRD newer than the operator, as after going back a release: unreadable objects are left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.integration.conftest import StartOperator, control_plane_options
from tests.support.audit import Audit, now
from tests.support.control_planes import install_crd
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually


@pytest.fixture(scope="module")
def localcluster_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return control_plane_options(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def audit(localcluster_options: dict[str, Any]) -> Audit:
    return Audit(localcluster_options["audit_log"])


@pytest.fixture(scope="module")
def cluster(localcluster_options: dict[str, Any]) -> Iterator[LocalCluster]:
    """Yield a control plane whose CRD allows twice as many sources."""
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/configFrom/maxItems"
    patch = json.dumps([{"op": "replace", "path": path, "value": 64}])
    with LocalCluster(**localcluster_options) as cluster:
        install_crd(cluster)
        cluster.kubectl("patch", "crd", "floeplugins.floe.dev", "--type=json", "-p", patch)
        yield cluster


def _started(diary: Path) -> int:
    return diary.read_text().count("started") if diary.exists() else 0


def _sources(number: int) -> dict[str, Any]:
    reference = {"name": "s", "key": "k", "optional": True}
    return {"configFrom": [{"secretKeyRef": reference, "path": "word"}] * number}


def test_an_object_that_only_a_newer_crd_allows_is_neither_written_nor_run_until_it_fits(
    environment: Environment,
    start_operator: StartOperator,
    floeplugins: FloePlugins,
    audit: Audit,
    tmp_path: Path,
) -> None:
    diary = tmp_path / "diary"
    hooks = "".join(
        f"""
        def {hook}(self):
            import pathlib
            with pathlib.Path({str(diary)!r}).open("a") as diary:
                diary.write("{word}\\n")
        """
        for hook, word in (("startup", "started"), ("shutdown", "stopped"))
    )
    environment.install(plugin_distribution("one", config="word: str = ''", body=hooks))
    operator = start_operator()
    floeplugins.until("compute-one", "Ready", "Ready")
    floeplugins.merge("compute-one", {"spec": {"probe": {}}})
    floeplugins.until("compute-one", "Ready", "Ready")

    since = now()
    floeplugins.merge("compute-one", {"spec": _sources(40)})
    eventually(lambda: operator.logged("does not match the CRD", "spec.configFrom"))
    eventually(lambda: "stopped" in diary.read_text())
    rounds = len(audit.requests(namespace=floeplugins.namespace, since=since, verb="list"))
    eventually(
        lambda: len(audit.requests(namespace=floeplugins.namespace, since=since, verb="list")) >= rounds + 3
    )
    assert audit.writes(namespace=floeplugins.namespace, since=since) == []
    assert _started(diary) == 1

    floeplugins.merge("compute-one", {"spec": _sources(20)})
    floeplugins.until("compute-one", "Ready", "Ready")
    eventually(lambda: _started(diary) == 2)
    floeplugins.merge("compute-one", {"spec": _sources(40)})
    floeplugins.delete("compute-one")
    floeplugins.until("compute-one", "Ready", "Ready")
