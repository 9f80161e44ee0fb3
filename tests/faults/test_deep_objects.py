"""An object nested as deeply as the API server stores it stops neither the operator nor the others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from localcluster import LocalCluster
from tests.support.control_planes import new_namespace
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import GROUP, VERSION, FloePlugins, OperatorProcess, manifest
from tests.support.polling import eventually

REPOSITORY = Path(__file__).parents[2]
PYTHONS = {
    "this Python": Path(sys.executable),
    **{
        folder.name: folder / "bin" / "python"
        for folder in sorted(REPOSITORY.glob(".venv-pythons/dev-3.1[1-9]"))
    },
}
"""The Python that runs the tests, and every other for which `make pythons` has an environment."""
DEEPEST = 9_998
"""The most levels in spec.config that the API server stores."""


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def create_deep(cluster: LocalCluster, namespace: str, name: str, levels: int) -> None:
    body = json.dumps(manifest("compute", name, config="here")).replace('"here"', deep(levels))
    cluster.kubectl(
        "create",
        "--raw",
        f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/floeplugins",
        "-f",
        "-",
        input=body,
    )


def configure_deep(cluster: LocalCluster, plugins: FloePlugins, name: str, levels: int) -> None:
    """Give an object a deep configuration; the API server refuses a patch that is as deep."""
    found = plugins.get(name)
    assert found is not None
    found["spec"]["config"] = "here"
    body = json.dumps(found).replace('"here"', deep(levels))
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{plugins.namespace}/floeplugins/{name}"
    cluster.kubectl("replace", "--raw", path, "-f", "-", input=body)


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_objects_of_any_depth_are_judged_and_the_others_too(
    cluster: LocalCluster, tmp_path: Path, python: Path
) -> None:
    namespace = new_namespace(cluster)
    plugins = FloePlugins(cluster.kubeconfig, namespace)
    environment = Environment.create(tmp_path / "plugins")
    environment.install(
        *(plugin_distribution(name, config="a: object = None") for name in ("deep", "deeper", "deepest")),
        plugin_distribution("flat", config="word: str = ''"),
    )
    create_deep(cluster, namespace, "deep", 1_600)
    create_deep(cluster, namespace, "deepest", DEEPEST)
    operator = OperatorProcess(
        cluster.kubeconfig,
        namespace,
        environment.python,
        tmp_path / "operator.log",
        *("--scan-interval", "2s", "--log-level", "debug"),
        python=python,
    )

    def refused(name: str) -> bool:
        # kubectl cannot print the object; its conditions can be read.
        path = '{.status.conditions[?(@.type=="Ready")].reason}'
        said = cluster.kubectl(
            "get", "floeplugin", f"compute-{name}", "-n", namespace, "-o", f"jsonpath={path}"
        )
        assert said == "ValidationFailed", said
        return True

    with operator:
        eventually(lambda: refused("deep") and refused("deepest"), every=1.0)
        plugins.until("compute-flat", "Ready", "Ready")
        configure_deep(cluster, plugins, "compute-deeper", 9_993)
        eventually(lambda: refused("deeper"), every=1.0)
        plugins.merge("compute-flat", {"spec": {"config": {"word": 7}}})
        plugins.until("compute-flat", "Ready", "ValidationFailed")
        for name in ("deep", "deeper", "deepest"):
            cluster.kubectl("delete", "floeplugin", f"compute-{name}", "-n", namespace)
        assert operator.process.poll() is None
    assert not operator.logged("Traceback")
    assert not operator.logged('"exception"')
