"""What tests can rely on: the version, users and their permissions, isolation, the audit log."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from localcluster import KubectlError, LocalCluster, StartError, wait_until
from process_table import leftovers

PINNED = {"1.37": "v1.37.1", "1.34": "v1.34.1"}


def test_the_api_server_says_the_pinned_version(localcluster: LocalCluster, version: str) -> None:
    assert json.loads(localcluster.kubectl("get", "--raw", "/version"))["gitVersion"] == PINNED[version]


def test_kubectl_says_the_pinned_version(localcluster: LocalCluster, version: str) -> None:
    said = json.loads(localcluster.kubectl("version", "--client", "-o", "json"))
    assert said["clientVersion"]["gitVersion"] == PINNED[version]


def test_the_administrator_may_do_everything(localcluster: LocalCluster) -> None:
    assert localcluster.kubectl("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


def test_only_the_owner_can_read_kubeconfigs_and_keys(localcluster: LocalCluster) -> None:
    localcluster.kubeconfig_for("reader")
    secrets = [*localcluster.folder.glob("kubeconfigs/*"), *localcluster.folder.glob("pki/*.key")]
    assert len(secrets) > 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(localcluster.folder.stat().st_mode) == 0o700


def test_a_user_without_permissions_is_refused(localcluster: LocalCluster) -> None:
    nobody = localcluster.kubeconfig_for("nobody-in-particular")
    with pytest.raises(KubectlError, match='User "nobody-in-particular" cannot list resource "secrets"'):
        localcluster.kubectl("get", "secrets", kubeconfig=nobody)


def test_a_user_has_the_permissions_of_its_groups(localcluster: LocalCluster) -> None:
    name = "localcluster-auditors"
    localcluster.kubectl("create", "clusterrole", name, "--verb=list", "--resource=configmaps")
    localcluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--group=auditors")
    auditor = localcluster.kubeconfig_for("ann", groups=["auditors", "others"])

    def may(verb: str) -> bool:
        try:
            localcluster.kubectl("auth", "can-i", verb, "configmaps", kubeconfig=auditor)
        except KubectlError:
            return False
        return True

    wait_until(lambda: may("list"), "the binding is in force")
    assert not may("create")


def test_objects_can_be_written_as_soon_as_the_cluster_is_started(version: str) -> None:
    with LocalCluster(version=version) as cluster:
        cluster.kubectl("create", "configmap", "first", "--namespace=default")
        folder = cluster.folder
    assert leftovers(folder) == []


def test_two_clusters_at_the_same_time_share_nothing(version: str) -> None:
    with LocalCluster(version=version) as one, LocalCluster(version=version) as other:
        one.kubectl("create", "namespace", "only-here")
        assert one.url != other.url
        with pytest.raises(KubectlError, match="NotFound"):
            other.kubectl("get", "namespace", "only-here")
        with pytest.raises(KubectlError, match="certificate"):
            other.kubectl("get", "ns", f"--server={one.url}")


def test_every_response_is_in_the_audit_log(tmp_path: Path, version: str) -> None:
    log = tmp_path / "audit.log"
    with LocalCluster(version=version, audit_log=log) as cluster:
        cluster.kubectl("create", "configmap", "written")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    created = [e for e in events if e["verb"] == "create" and e.get("objectRef", {}).get("name") == "written"]
    assert [(event["user"]["username"], event["responseStatus"]["code"]) for event in created] == [
        ("admin", 201)
    ]


def test_a_failed_start_shows_the_end_of_the_components_log_and_leaves_nothing(version: str) -> None:
    cluster = LocalCluster(version=version, api_server_flags=["--no-such-flag"])
    with pytest.raises(StartError, match=r"kube-apiserver ended (?s:.*) unknown flag: --no-such-flag"):
        cluster.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = cluster.folder
