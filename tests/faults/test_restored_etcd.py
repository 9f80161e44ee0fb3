"""The API server's data is restored from a backup: versions go back, and objects change without an event."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from floe_operator.api.leader import LEASE
from floe_operator.rules.leases import micro_time
from localcluster import LocalCluster
from localcluster.errors import KubectlError
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
    """Renew the Lease for a leader that does not exist, or release it."""
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 60 if holder else 1,
        "renewTime": micro_time(datetime.now(UTC)),
    }
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE, "namespace": namespace},
        "spec": spec,
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(lease))


@contextmanager
def somebody_leads(cluster: LocalCluster, namespace: str) -> Iterator[None]:
    """Keep the Lease for a leader that does not exist, so that an operator stands by; then release it."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(10):
            with suppress(KubectlError):  # the control plane may be down
                give_lease(cluster, namespace, "somebody")

    give_lease(cluster, namespace, "somebody")
    renewals = threading.Thread(target=renew, daemon=True)
    renewals.start()
    try:
        yield
    finally:
        ended.set()
        renewals.join()
        give_lease(cluster, namespace, "")


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
        log, python = tmp_path / "standby.log", standing.environment.python
        with ExitStack() as stack:
            with_lead = stack.enter_context(ExitStack())
            with_lead.enter_context(somebody_leads(cluster, plugins.namespace))
            copy_data(cluster, "etcd", "backup")
            standby = stack.enter_context(
                OperatorProcess(cluster.kubeconfig, plugins.namespace, python, log, *RARELY)
            )
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

            # The leader may not say so: if its watch has ended meanwhile, it lists everything anyway.
            eventually(lambda: standby.logged(BACK), within=60)
            leader.stop()
            with_lead.close()
            plugins.merge("compute-plain", {"spec": {"config": {"word": "seven"}}})
            plugins.until("compute-plain", "Ready", "Ready")
            assert json.dumps(standby.lines()).count(BACK) == 1
