"""Clusters in a bad state: no CRD, no API server, no permissions, a namespace that is being deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floe_operator.api.floeplugins import RIGHTS
from floe_operator.rules.leases import Timing
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator, control_plane_options
from tests.support.audit import Audit, now
from tests.support.control_planes import grant, install_crd, remove_crd, write_kubeconfig
from tests.support.distributions import Environment, plugin_distribution
from tests.support.http_pages import page
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually
from tests.support.ports import free_port

PLUGINS = ("compute-one", "compute-two")
ALONE = "--no-leader-elect"
"""Restarts do not wait for the Lease of the previous operator; the Lease has its own tests."""


@pytest.fixture(scope="module")
def localcluster_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return control_plane_options(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def cluster(localcluster_options: dict[str, Any]) -> Iterator[LocalCluster]:
    """Yield a control plane that these tests may take apart; it has no CRD at first."""
    with LocalCluster(controller_manager=True, **localcluster_options) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def audit(localcluster_options: dict[str, Any]) -> Audit:
    return Audit(localcluster_options["audit_log"])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("plugins") / "plugins")
    environment.install(plugin_distribution("one"), plugin_distribution("two"))
    return environment


def are_ready(floeplugins: FloePlugins, *, within: float = 60) -> None:
    for name in PLUGINS:
        floeplugins.until(name, "Ready", "Ready", within=within)


def complaints(operator: OperatorProcess, *, skip: int = 0) -> list[str]:
    """Return what was logged as a warning or worse, or as an exception, after the first `skip` lines."""
    return [
        json.dumps(line)
        for line in operator.lines()[skip:]
        if line.get("level") not in ("debug", "info") or "Traceback" in json.dumps(line)
    ]


def has_no_traceback(operator: OperatorProcess) -> bool:
    return not operator.logged("Traceback") and not operator.logged('"exception"')


def test_a_missing_crd_is_reported_and_waited_for_at_the_start_and_after_its_deletion(
    cluster: LocalCluster, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    # A CRD that is installed late must be noticed before the next scan.
    port = free_port()
    operator = start_operator(ALONE, "--scan-interval", "1h", "--http-port", str(port))
    eventually(lambda: operator.logged("floeplugins.floe.dev is not installed", "kubectl apply"))
    install_crd(cluster)
    are_ready(floeplugins)
    eventually(lambda: operator.logged("watching FloePlugins"))
    eventually(lambda: page(port, "readyz")[0] == 200)

    said = len(operator.lines())
    remove_crd(cluster)
    eventually(lambda: any("is not installed" in line for line in complaints(operator, skip=said)))
    install_crd(cluster)
    are_ready(floeplugins)
    floeplugins.merge("compute-one", {"spec": {"version": "latest"}})
    floeplugins.until("compute-one", "Ready", "InvalidVersionRange")
    eventually(lambda: page(port, "readyz")[0] == 200)

    assert operator.process.poll() is None
    assert has_no_traceback(operator)
    assert len(complaints(operator)) < 15, complaints(operator)


def test_a_terminating_namespace_causes_no_complaints_and_a_new_one_with_its_name_is_served(
    cluster: LocalCluster, namespace: str, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    install_crd(cluster)
    operator = start_operator(ALONE)
    are_ready(floeplugins)
    holder = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "x", "finalizers": ["floe.dev/x"]},
    }
    cluster.kubectl("apply", "--namespace", namespace, "-f", "-", input=json.dumps(holder))
    said = len(operator.lines())
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    eventually(
        lambda: not floeplugins.all(), within=60, saying="the objects are deleted with their namespace"
    )
    phase = "jsonpath={.status.phase}"
    assert cluster.kubectl("get", "namespace", namespace, "-o", phase) == "Terminating"
    time_for_scans(operator)
    assert complaints(operator, skip=said) == []

    cluster.kubectl(
        "patch", "configmap", "x", "--namespace", namespace, "-p", '{"metadata": {"finalizers": null}}'
    )
    cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=60s")
    eventually(lambda: complaints(operator, skip=said))
    time_for_scans(operator)
    # One line for each kind of write.
    told = complaints(operator, skip=said)
    assert all(f"the namespace {namespace} does not exist" in line for line in told), told
    assert len(told) <= 3, told
    cluster.kubectl("create", "namespace", namespace)
    are_ready(floeplugins)


def time_for_scans(operator: OperatorProcess) -> None:
    """Give the operator, which scans every second, time for a few scans."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert operator.process.poll() is None
        time.sleep(0.1)


def test_an_unreachable_api_server_is_reported_and_waited_for_at_the_start_and_later(
    cluster: LocalCluster, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    install_crd(cluster)
    cluster.stop_api_server()
    try:
        operator = start_operator(ALONE)
        eventually(lambda: operator.logged("cannot be reached", cluster.url))
    finally:
        cluster.start_api_server()
    are_ready(floeplugins)

    said = len(operator.lines())
    cluster.stop_api_server(kill=True)
    try:
        eventually(lambda: any("cannot be reached" in line for line in complaints(operator, skip=said)))
        time_for_scans(operator)
    finally:
        cluster.start_api_server()
    floeplugins.merge("compute-two", {"spec": {"config": {"a": 1}}})
    floeplugins.until("compute-two", "Ready", "ConfigNotAccepted", within=60)

    assert has_no_traceback(operator)
    assert len(complaints(operator)) < 30, complaints(operator)


WATCHED = 'floe_operator_watch_established{resource="floeplugins"}'


def test_an_outage_shows_in_readiness_and_metrics_while_the_process_stays_healthy(
    cluster: LocalCluster, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    install_crd(cluster)
    port = free_port()
    # With this interval only the watch sends requests to the API server during the outage.
    start_operator(ALONE, "--scan-interval", "1h", "--http-port", str(port))
    are_ready(floeplugins)
    eventually(lambda: page(port, "readyz")[0] == 200)
    assert f"{WATCHED} 1.0" in page(port, "metrics")[1]
    cluster.stop_api_server(kill=True)
    try:

        def told() -> bool:
            status, text = page(port, "readyz")
            assert status == 503, text
            assert "[-]watch failed" in text
            assert "cannot be reached" in text
            return True

        eventually(told, within=60)
        assert f"{WATCHED} 0.0" in page(port, "metrics")[1]
        assert page(port, "healthz")[0] == 200
    finally:
        cluster.start_api_server()
    eventually(lambda: page(port, "readyz")[0] == 200, within=60)
    assert f"{WATCHED} 1.0" in page(port, "metrics")[1]


def test_after_an_outage_that_outlasts_the_lease_one_operator_leads(
    cluster: LocalCluster, floeplugins: FloePlugins, start_operator: StartOperator
) -> None:
    install_crd(cluster)
    leading, standing_by = free_port(), free_port()
    leader = start_operator("--http-port", str(leading))
    are_ready(floeplugins)
    standby = start_operator("--http-port", str(standing_by))
    eventually(lambda: page(standing_by, "readyz")[0] == 200)

    cluster.stop_api_server(kill=True)
    stopped = time.monotonic()
    try:
        assert leader.process.wait(60) == 1
        assert leader.logged("leadership lost")
        leader.start()  # as the kubelet does
        eventually(lambda: page(leading, "readyz")[0] == 503)
        eventually(lambda: time.monotonic() - stopped > Timing().duration + 1)
        assert page(standing_by, "readyz")[0] == 503
    finally:
        cluster.start_api_server()

    eventually(lambda: page(leading, "readyz")[0] == 200, within=60)
    eventually(lambda: page(standing_by, "readyz")[0] == 200, within=60)
    floeplugins.merge("compute-two", {"spec": {"config": {"a": 1}}})
    floeplugins.until("compute-two", "Ready", "ConfigNotAccepted", within=60)
    leads = [page(port, "metrics")[1].count("floe_operator_leader 1.0") for port in (leading, standing_by)]
    assert sorted(leads) == [0, 1]
    assert leader.process.poll() is None
    assert standby.process.poll() is None
    assert has_no_traceback(standby)


KUBECONFIGS = {
    "missing": None,
    "empty": b"",
    "not YAML": b"{ [",
    "not text": b"\xff\xfe\x00\x01",
    "a list": b"- a\n- b\n",
    "no current context": b"apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n",
    "a context that names an unknown cluster": b"""
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: nowhere, user: nobody}}]
clusters: []
users: []
""",
}


@pytest.mark.parametrize("content", KUBECONFIGS.values(), ids=KUBECONFIGS)
def test_an_unusable_kubeconfig_ends_the_start_with_one_log_line(
    tmp_path: Path, content: bytes | None
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if content is not None:
        kubeconfig.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "floe_operator", "run", "--namespace", "default", "--log-format", "json"],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    said = json.loads(line)
    assert said["level"] == "error"
    assert "KUBECONFIG" in said["reason"]


def test_rejected_credentials_are_reported_and_the_token_is_not_logged(
    cluster: LocalCluster, namespace: str, start_operator: StartOperator, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    where = {"server": cluster.url, "certificate-authority": str(cluster.certificate_authority)}
    write_kubeconfig(kubeconfig, where, {"token": "not-a-token"})
    operator = start_operator(ALONE, kubeconfig=kubeconfig)
    eventually(lambda: operator.logged("does not accept the credentials"))
    assert has_no_traceback(operator)
    assert "not-a-token" not in operator.log.read_text()


OTHER_RIGHTS = (
    ("", "secrets", ("get", "list", "watch")),
    ("", "configmaps", ("get", "list", "watch")),
    ("events.k8s.io", "events", ("create", "patch")),
)


@pytest.mark.parametrize("missing", RIGHTS, ids="-".join)
def test_a_missing_permission_is_named_and_plugins_are_ready_once_it_is_granted(
    cluster: LocalCluster,
    namespace: str,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    missing: tuple[str, str],
) -> None:
    install_crd(cluster)
    user = f"user-{namespace}"
    rights = [("floe.dev", resource, (verb,)) for verb, resource in RIGHTS]
    kubeconfig = grant(
        cluster,
        namespace,
        user,
        [each for each in rights if each != ("floe.dev", missing[1], (missing[0],))] + [*OTHER_RIGHTS],
    )
    operator = start_operator(ALONE, kubeconfig=kubeconfig)
    eventually(lambda: any(f"{missing[0]} {missing[1]}" in line for line in complaints(operator)))
    grant(cluster, namespace, user, [*rights, *OTHER_RIGHTS])
    are_ready(floeplugins)
    assert operator.process.poll() is None
    assert has_no_traceback(operator)


SOURCES = {
    "secrets": {"secretKeyRef": {"name": "words", "key": "settings"}},
    "configmaps": {"configMapKeyRef": {"name": "words", "key": "settings"}},
}


@pytest.mark.parametrize("resource", SOURCES)
def test_a_source_that_cannot_be_watched_affects_only_the_objects_that_use_it(
    cluster: LocalCluster,
    namespace: str,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    audit: Audit,
    resource: str,
) -> None:
    install_crd(cluster)
    rights = [("floe.dev", each, (verb,)) for verb, each in RIGHTS]
    others = [each for each in OTHER_RIGHTS if each[1] != resource]
    user = f"user-{namespace}"
    operator = start_operator(ALONE, kubeconfig=grant(cluster, namespace, user, [*rights, *others]))
    are_ready(floeplugins)
    time_for_scans(operator)
    assert not operator.logged("missing permission")
    assert audit.requests(namespace=namespace, resource=resource) == []

    floeplugins.apply("compute", "one", configFrom=[SOURCES[resource]])
    floeplugins.until("compute-one", "ConfigValid", "Forbidden")
    eventually(lambda: operator.logged("missing permission", "list", resource))
    floeplugins.until("compute-two", "Ready", "Ready")

    # Provide what is missing: the permission, and then the object.
    grant(cluster, namespace, user, [*rights, *OTHER_RIGHTS])
    missing = "SecretNotFound" if resource == "secrets" else "ConfigMapNotFound"
    floeplugins.until("compute-one", "ConfigValid", missing, within=60)
    (floeplugins.secret if resource == "secrets" else floeplugins.config_map)("words", settings="{}")
    are_ready(floeplugins)


def test_a_restart_after_a_kill_continues_the_work_and_writes_only_what_changed(
    cluster: LocalCluster,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    audit: Audit,
) -> None:
    install_crd(cluster)
    operator = start_operator(ALONE)
    floeplugins.apply("compute", "two", config={"a": 1})
    floeplugins.until("compute-one", "Ready", "Ready", within=60)
    floeplugins.until("compute-two", "Ready", "ConfigNotAccepted")
    floeplugins.until_labelled("compute-two")
    operator.kill()
    before = floeplugins.all()
    floeplugins.delete("compute-one")
    floeplugins.merge("compute-two", {"spec": {"config": None}})

    killed = now()
    start_operator(ALONE)
    are_ready(floeplugins)
    kinds = sorted({name for _, name in audit.writes(namespace=floeplugins.namespace, since=killed)})
    assert kinds == ["compute-one", "compute-one/status", "compute-two/status"]
    assert before.keys() == floeplugins.all().keys()


def test_a_restart_in_a_settled_namespace_writes_nothing(
    cluster: LocalCluster, floeplugins: FloePlugins, start_operator: StartOperator, audit: Audit
) -> None:
    install_crd(cluster)
    first = start_operator(ALONE)
    are_ready(floeplugins)
    first.kill()
    before = now()
    second = start_operator(ALONE)

    def scans() -> bool:
        assert second.process.poll() is None
        return len(audit.requests(namespace=floeplugins.namespace, since=before, verb="list")) >= 4

    eventually(scans, within=60)
    assert audit.writes(namespace=floeplugins.namespace, since=before) == []
