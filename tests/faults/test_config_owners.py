"""spec.config gets one owner: what an upgrade of the CRD does to objects whose config has two."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import LocalCluster
from tests.support.control_planes import CRD, install_crd, new_namespace
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

UPGRADE_PAGE = Path(__file__).parents[2] / "docs" / "upgrade.md"


pytestmark = pytest.mark.xdist_group("fragile")


def install_crd_of_before(cluster: LocalCluster) -> None:
    """Install the CRD with which each field of spec.config has an owner."""
    crd = yaml.safe_load(CRD.read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["config"]["x-kubernetes-map-type"]
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump(crd))


def found_by_the_page(cluster: LocalCluster) -> list[str]:
    """Run the command of the page that finds such objects; return its lines."""
    blocks = re.findall(r"```sh\n(.*?)```", UPGRADE_PAGE.read_text(), re.DOTALL)
    command = next(block for block in blocks if "managedFields" in block)
    said = subprocess.run(
        ["bash", "-c", command],
        env={
            "KUBECONFIG": str(cluster.kubeconfig),
            "HOME": str(cluster.folder),
            "PATH": f"{cluster.binary('kubectl').parent}:/usr/bin:/bin",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout.splitlines()


def config(plugins: FloePlugins, name: str) -> Any:
    found = plugins.get(name)
    assert found is not None
    return found["spec"].get("config")


def test_the_page_finds_what_an_upgrade_changes_and_nothing_else(fragile_cluster: LocalCluster) -> None:
    cluster = fragile_cluster
    plugins = FloePlugins(cluster.kubeconfig, new_namespace(cluster))
    install_crd_of_before(cluster)

    def is_in_force() -> bool:
        """Return True once a field of spec.config can have a second owner."""
        plugins.apply("dbt", "tried", manager="one", force=True, config={"a": 1})
        plugins.apply("dbt", "tried", manager="two", force=True, config={"b": 1})
        return bool(config(plugins, "dbt-tried") == {"a": 1, "b": 1})

    eventually(is_in_force)
    plugins.delete("dbt-tried")
    for name in ("shared", "own"):
        plugins.apply("compute", name, manager="argocd", config={"a": 1, "nested": {"b": 2}})
    plugins.apply("compute", "shared", manager="tuner", config={"nested": {"c": 3}})
    plugins.merge("compute-own", {"metadata": {"labels": {"team": "x"}}})
    plugins.create("compute", "bare")
    plugins.apply("compute", "empty", manager="argocd", config={})
    plugins.apply("compute", "empty", manager="tuner", config={"c": 3})
    assert found_by_the_page(cluster) == [
        f"{plugins.namespace}/compute-empty: argocd, tuner",
        f"{plugins.namespace}/compute-shared: argocd, tuner",
    ]

    install_crd(cluster)

    def is_replaced() -> bool:
        plugins.apply("compute", "shared", manager="argocd", config={"a": 1, "nested": {"b": 2}})
        return bool(config(plugins, "compute-shared") == {"a": 1, "nested": {"b": 2}})

    eventually(is_replaced, saying="the keys of the other owner are dropped")
    plugins.apply("compute", "own", manager="argocd", config={"a": 1, "nested": {"b": 2}})
    assert config(plugins, "compute-own") == {"a": 1, "nested": {"b": 2}}
    plugins.apply("compute", "empty", manager="argocd", config={})
    assert config(plugins, "compute-empty") == {}
