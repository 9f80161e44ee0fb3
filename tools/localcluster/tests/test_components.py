"""The components of a cluster: stopped, killed and started again, and the controller manager."""

from __future__ import annotations

import os
import signal

import pytest

from localcluster import KubectlError, LocalCluster, StartError, wait_until
from process_table import pids_of_component


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver"])
def test_a_killed_component_can_be_started_again_with_its_data(component: str, version: str) -> None:
    with LocalCluster(version=version) as cluster:
        cluster.kubectl("create", "configmap", "kept")
        [pid] = pids_of_component(cluster.folder, component)
        os.kill(pid, signal.SIGKILL)
        {"etcd": cluster.start_etcd, "kube-apiserver": cluster.start_api_server}[component]()
        wait_until(lambda: kept(cluster), "the API server answers with what was there")


def kept(cluster: LocalCluster) -> bool:
    try:
        return "kept" in cluster.kubectl("get", "configmap", "kept", "--output=name", "--request-timeout=5s")
    except KubectlError:
        return False


def test_half_written_data_breaks_its_cluster_but_not_the_next_start(version: str) -> None:
    cluster = LocalCluster(version=version)
    with cluster:
        cluster.stop_api_server(kill=True)
        cluster.stop_etcd(kill=True)
        [log] = cluster.folder.glob("etcd/member/wal/*.wal")
        log.write_bytes(b"half")
        cluster.start_etcd()
        with pytest.raises(StartError, match=r"etcd ended with exit status"):
            cluster.start_api_server()
    with cluster:
        cluster.kubectl("create", "configmap", "first", "--namespace=default")


def test_a_running_component_is_not_started_a_second_time(version: str) -> None:
    with (
        LocalCluster(version=version) as cluster,
        pytest.raises(RuntimeError, match="etcd is already running"),
    ):
        cluster.start_etcd()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_the_api_server_comes_back_at_the_same_url_with_its_data(kill: bool, version: str) -> None:
    with LocalCluster(version=version) as cluster:
        url = cluster.url
        cluster.kubectl("create", "configmap", "kept")
        cluster.stop_api_server(kill=kill)
        with pytest.raises(KubectlError, match="connection refused"):
            cluster.kubectl("get", "configmap", "kept")
        cluster.start_api_server()
        assert cluster.url == url
        cluster.kubectl("get", "configmap", "kept")


def test_the_controller_manager_deletes_namespaces_and_owned_objects(version: str) -> None:
    with LocalCluster(version=version, controller_manager=True) as cluster:
        cluster.kubectl("create", "namespace", "short-lived")
        cluster.kubectl("create", "deployment", "owner", "--image=none", "--namespace=short-lived")
        get = ("get", "replicasets", "--namespace=short-lived", "--output=name")
        wait_until(lambda: cluster.kubectl(*get), "the Deployment's ReplicaSet exists")
        cluster.kubectl("delete", "deployment", "owner", "--namespace=short-lived")
        wait_until(lambda: not cluster.kubectl(*get), "the ReplicaSet is collected")
        cluster.kubectl("delete", "namespace", "short-lived", "--timeout=60s")
