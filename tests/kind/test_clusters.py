"""A user's own cluster is safe from these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kind.clusters import Cluster, current_cluster


def test_a_current_cluster_that_has_the_crd_is_refused_and_keeps_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.install_crd()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with (
        pytest.raises(pytest.exit.Exception, match=r"floeplugins\.floe\.dev"),
        current_cluster(cluster.machine, tmp_path),
    ):
        pass
    assert cluster.kubectl("get", "crd/floeplugins.floe.dev", "-o", "name")


def test_a_current_cluster_without_the_crd_is_left_without_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.remove_crd()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with current_cluster(cluster.machine, tmp_path) as current:
        assert current.name == cluster.name
        assert not current.is_ours
        current.install_crd()
    assert not cluster.kubectl("get", "crd", "floeplugins.floe.dev", "--ignore-not-found")
