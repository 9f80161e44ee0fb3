"""One operator with the plugins of examples/plugins, installed before the CRD."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kind.clusters import ACCESS, Cluster
from tests.kind.commands import CommandError
from tests.kind.conftest import Note
from tests.kind.deployments import Deployed
from tests.kind.images import REPOSITORY, Images
from tests.support.operator import ready_reason
from tests.support.polling import eventually

REASONS = {
    "catalog-iceberg": "Ready",
    "compute-duckdb": "Ready",
    "compute-future": "IncompatibleApi",
    "identity-jwt": "Ready",
    "storage-local": "Ready",
    "storage-s3": "ValidationFailed",
    "telemetry-backend-broken": "ImportFailed",
}


@pytest.fixture(scope="module")
def running(cluster: Cluster, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Yield an operator that was installed before the CRD and waited for it."""
    cluster.remove_crd()
    deployed = Deployed(cluster, tmp_path_factory.mktemp("examples"))
    try:
        deployed.apply(images.examples)
        deployed.until_readyz_says("[-]watch failed", "the CRD floeplugins.floe.dev is not installed")
        cluster.install_crd()
        deployed.rolled_out()
        yield deployed
    finally:
        deployed.uninstall()


@pytest.fixture(scope="module")
def configured(running: Deployed, note: Note) -> Deployed:
    """Return the operator with examples/manifests applied and all objects assessed."""
    running.cluster.kubectl("apply", "-n", running.namespace, "-f", REPOSITORY / "examples" / "manifests")

    def look() -> bool:
        found = {name: ready_reason(one) for name, one in running.floeplugins.all().items()}
        assert found == REASONS
        return True

    eventually(look, within=60)
    note(running.table().rstrip())
    note(running.memory())
    return running


def test_an_operator_installed_before_the_crd_waits_without_a_restart(running: Deployed) -> None:
    assert running.restarts() == 0
    running.floeplugins.until_judged(len(REASONS), within=60)


def test_every_plugin_has_the_expected_reason_and_a_row_in_the_table(configured: Deployed) -> None:
    table = configured.table()
    assert table.split()[:7] == ["NAME", "TYPE", "PLUGIN", "VERSION", "API", "READY", "REASON"]
    assert {line.split()[0] for line in table.splitlines()[1:]} == set(REASONS)


def test_a_rotated_secret_takes_effect_and_is_never_shown(configured: Deployed) -> None:
    floeplugins, short = configured.floeplugins, "2short"
    floeplugins.secret("floe-identity-jwt", **{"signing-key": short})
    floeplugins.until("identity-jwt", "Ready", "ValidationFailed")
    floeplugins.secret("floe-identity-jwt", **{"signing-key": "rotated-" * 6})
    floeplugins.until("identity-jwt", "Ready", "Ready")
    told = configured.log() + json.dumps(floeplugins.all())
    told += configured.cluster.kubectl("get", "events", "-n", configured.namespace, "-o", "json")
    assert short not in told
    assert "rotated-" not in told


def test_events_show_why_a_plugin_is_not_ready(configured: Deployed) -> None:
    def look() -> bool:
        told = configured.cluster.kubectl("describe", "floeplugin", "storage-s3", "-n", configured.namespace)
        assert "ValidationFailed" in told.partition("Events:")[2], told
        return True

    eventually(look)


def test_the_service_serves_the_metrics(configured: Deployed) -> None:
    path = f"/api/v1/namespaces/{configured.namespace}/services/floe-operator:metrics/proxy/metrics"
    families = {
        family.name
        for family in text_string_to_metric_families(configured.cluster.kubectl("get", "--raw", path))
    }
    assert {"floe_operator_leader", "floe_operator_reconcile_duration_seconds"} <= families


def test_the_roles_view_and_edit_of_a_namespace_include_floeplugins(configured: Deployed) -> None:
    cluster, namespace = configured.cluster, configured.namespace
    cluster.kubectl("apply", "-k", ACCESS)
    may = {"view": {"get": "yes", "patch": "no"}, "edit": {"get": "yes", "patch": "yes"}}
    for role, verbs in may.items():
        user = f"{namespace}-{role}"
        cluster.kubectl(
            "create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", namespace
        )
        for verb, answer in verbs.items():

            def look(question: tuple[str, ...] = (verb, user), answer: str = answer) -> bool:
                assert may_i(cluster, namespace, *question) == answer, question
                return True

            eventually(look)


def may_i(cluster: Cluster, namespace: str, verb: str, user: str) -> str:
    """Return `yes` or `no`."""
    try:
        return cluster.kubectl("auth", "can-i", verb, "floeplugins", "-n", namespace, f"--as={user}").strip()
    except CommandError:
        return "no"


@pytest.mark.parametrize("place", ["/", "/opt/floe/plugins", "/var/tmp", "/home"])
def test_nothing_but_tmp_can_be_written(configured: Deployed, place: str) -> None:
    with pytest.raises(CommandError, match="Read-only file system"):
        configured.shell(f"echo > {place}/x")


def test_a_full_tmp_stops_nothing(configured: Deployed) -> None:
    with pytest.raises(CommandError, match="No space left on device"):
        configured.shell("cat /dev/zero > /tmp/full")
    floeplugins = configured.floeplugins
    floeplugins.merge("compute-duckdb", {"spec": {"config": {"threads": "many"}}})
    floeplugins.until("compute-duckdb", "Ready", "ValidationFailed")
    floeplugins.merge("compute-duckdb", {"spec": {"config": {"threads": 1}}})
    floeplugins.until("compute-duckdb", "Ready", "Ready")
    assert configured.restarts() == 0

    # The volume outlives the container.
    configured.shell(f"kill {configured.process()}")
    eventually(lambda: configured.restarts() == 1, within=60)
    configured.rolled_out()
    floeplugins.merge("compute-duckdb", {"spec": {"config": {"threads": "many"}}})
    floeplugins.until("compute-duckdb", "Ready", "ValidationFailed", within=60)
    assert "full" in configured.shell("ls /tmp")


def test_uninstalling_the_operator_leaves_the_objects_and_nothing_blocks_their_deletion(
    configured: Deployed,
) -> None:
    """Follows docs/install.md. This is the last test, because the operator is gone afterwards."""
    cluster, namespace = configured.cluster, configured.namespace
    options = ["-n", namespace, "-l", "app.kubernetes.io/name=floe-operator", "--timeout=60s"]
    cluster.kubectl("delete", "deployment", "--cascade=foreground", *options)
    lease = cluster.get("lease", "floe-operator", "-n", namespace)
    assert not lease["spec"].get("holderIdentity"), "the Lease was not released"
    kinds = "poddisruptionbudget,service,networkpolicy,rolebinding,role,serviceaccount"
    cluster.kubectl("delete", kinds, *options)
    assert not configured.pods()
    assert set(configured.floeplugins.all()) == set(REASONS)
    cluster.remove_crd()
