"""The API server's data is restored from a backup: versions go back, and objects change without an event."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from floe_operator.api.leader import LEASE
from localcluster import LocalCluster
from tests.faults.conftest import RARELY
from tests.support.distributions import plugin_distribution
from tests.support.operator import OperatorProcess
from tests.support.polling import eventually
from tests.support.standing import standing_operator

PASSWORD = {"secretKeyRef": {"name": "words", "key": "password"}, "path": "password"}
BACK = "versions have gone back"
CHANGES = 40
"""More than happen after the restoration, so that the API server does not catch up with the versions lost."""


def copy_data(cluster: LocalCluster, source: str, target: str) -> None:
    """Replace etcd's data, or its backup, while the control plane is down."""
    cluster.stop_api_server(kill=True)
    cluster.stop_etcd()
    shutil.rmtree(cluster.folder / target, ignore_errors=True)
    shutil.copytree(cluster.folder / source, cluster.folder / target)
    cluster.start_etcd()
    cluster.start_api_server()


def give_lease(cluster: LocalCluster, namespace: str, holder: str) -> None:
    """Give the Lease to a leader that does not exist, so that an operator stands by, or release it."""
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE, "namespace": namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 3600 if holder else 1},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(lease))


@pytest.mark.xdist_group("fragile")
def test_after_a_backup_is_restored_leader_and_standby_see_every_change(
    fragile_cluster: LocalCluster, tmp_path: Path
) -> None:
    cluster = fragile_cluster
    plain = plugin_distribution("plain", config="word: str = 'none'")
    needy = plugin_distribution("needy", config="password: SecretStr = Field(min_length=8)")
    # A leader that cannot renew its Lease for long would rightly end.
    flags = (*RARELY, "--no-leader-elect")
    with standing_operator(cluster, tmp_path, plain, needy, flags=flags) as standing:
        leader, plugins = standing.operator, standing.plugins
        plugins.secret("words", password="long-enough")
        plugins.merge("compute-needy", {"spec": {"configFrom": [PASSWORD]}})
        plugins.until("compute-needy", "Ready", "Ready")
        plugins.create("storage", "elsewhere")
        plugins.until("storage-elsewhere", "Ready", "NotInstalled")
        give_lease(cluster, plugins.namespace, "somebody")
        copy_data(cluster, "etcd", "backup")

        log, python = tmp_path / "standby.log", standing.environment.python
        with OperatorProcess(cluster.kubeconfig, plugins.namespace, python, log, *RARELY) as standby:
            eventually(lambda: standby.logged("standing by") and standby.logged("watching FloePlugins"))
            for word in range(CHANGES):
                plugins.merge("compute-plain", {"spec": {"config": {"word": str(word)}}})
            plugins.secret("words", password="longer-than-enough")
            plugins.delete("storage-elsewhere")
            plugins.create("storage", "later")
            plugins.until("storage-later", "Ready", "NotInstalled")
            plugins.until("compute-plain", "Ready", "Ready", within=60)
            copy_data(cluster, "backup", "etcd")

            plugins.merge("compute-plain", {"spec": {"config": {"word": 7}}})
            plugins.merge("storage-elsewhere", {"spec": {"version": ">=1"}})
            plugins.secret("words", password="short")
            for name in ("compute-plain", "compute-needy"):
                plugins.until(name, "Ready", "ValidationFailed", within=60)
            plugins.until("storage-elsewhere", "Ready", "NotInstalled", within=60)

            eventually(lambda: leader.logged(BACK) and standby.logged(BACK), within=60)
            leader.stop()
            give_lease(cluster, plugins.namespace, "")
            plugins.merge("compute-plain", {"spec": {"config": {"word": "seven"}}})
            plugins.until("compute-plain", "Ready", "Ready")
            assert json.dumps(standby.lines()).count(BACK) == 1
