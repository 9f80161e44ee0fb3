"""The manifests on a real API server: they render, are accepted, and their Role grants just enough."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import KubectlError, LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.control_planes import grant_rules
from tests.support.distributions import Environment, plugin_distribution
from tests.support.documents import blocks
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

MANIFESTS = Path(__file__).parents[2] / "manifests"
FOLDERS = sorted(str(one.parent.relative_to(MANIFESTS)) for one in MANIFESTS.rglob("kustomization.yaml"))
PODS = {"app.kubernetes.io/name": "floe-operator"}

Document = dict[str, Any]


def rendered(cluster: LocalCluster, folder: Path) -> list[Document]:
    """Return the documents that `kubectl kustomize` renders from a folder."""
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder))))


@pytest.fixture
def elsewhere(tmp_path: Path, namespace: str) -> Path:
    """Return the folder of a user's own overlay, with another namespace and image."""
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [os.path.relpath(MANIFESTS / "overlays" / "ha", tmp_path.resolve())],
        "images": [{"name": "floe-operator", "newName": "images.example/floe", "newTag": "2"}],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    return tmp_path


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_renders_and_selects_the_operators_pods_only(cluster: LocalCluster, folder: str) -> None:
    for document in rendered(cluster, MANIFESTS / folder):
        spec = document.get("spec", {})
        for field in ("selector", "podSelector"):
            if field in spec:
                assert spec[field].get("matchLabels", spec[field]).items() >= PODS.items(), document["kind"]


def test_an_overlay_can_change_the_namespace_and_the_image(
    cluster: LocalCluster, elsewhere: Path, namespace: str
) -> None:
    documents = rendered(cluster, elsewhere)
    (own,) = [one for one in documents if one["kind"] == "Namespace"]
    assert own["metadata"]["name"] == namespace
    assert {one["metadata"]["namespace"] for one in documents if one is not own} == {namespace}
    (binding,) = [one for one in documents if one["kind"] == "RoleBinding"]
    assert binding["subjects"][0]["namespace"] == namespace
    (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "images.example/floe:2"


INSTALL = MANIFESTS.parent / "docs" / "install.md"


@pytest.fixture
def as_documented(tmp_path: Path) -> Path:
    """Return the overlay of docs/install.md beside a clone, with all additions that the page describes."""
    shown = {block.title: yaml.safe_load(block.text) for block in blocks(INSTALL) if block.title}
    overlay = shown["../data-platform/kustomization.yaml"]
    for name in ("existing-namespace.yaml", "monitoring.yaml"):
        overlay |= shown[name]
    (tmp_path / "to-postgres.yaml").write_text(json.dumps(shown["to-postgres.yaml"]))
    there = os.path.relpath(MANIFESTS, tmp_path.resolve())
    folders = [folder.replace("../floe/manifests", there) for folder in overlay["resources"]]
    overlay["resources"] = [*folders, "to-postgres.yaml"]
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    return tmp_path


def test_the_documented_overlay_puts_everything_into_its_namespace(
    cluster: LocalCluster, as_documented: Path
) -> None:
    documents = rendered(cluster, as_documented)
    kinds = {one["kind"] for one in documents}
    assert kinds >= {"Deployment", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"}
    assert "Namespace" not in kinds
    assert {one["metadata"]["namespace"] for one in documents} == {"data-platform"}


def test_the_documented_overlay_adds_a_host_to_every_runbook_url(
    cluster: LocalCluster, as_documented: Path
) -> None:
    (rules,) = [one for one in rendered(cluster, as_documented) if one["kind"] == "PrometheusRule"]
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert {alert["annotations"]["runbook_url"] for alert in alerts} == {
        f"https://git.example/floe/docs/operations.md#{alert['alert'].lower()}" for alert in alerts
    }


def test_the_documented_settings_change_the_pod(cluster: LocalCluster, tmp_path: Path) -> None:
    (settings,) = [
        block.text for block in blocks(INSTALL) if "FLOE_HOST_MEMORY" in block.text and not block.title
    ]
    overlay = {"resources": [os.path.relpath(MANIFESTS / "base", tmp_path.resolve())]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay | yaml.safe_load(settings)))
    (container,) = pod_of(cluster, tmp_path)["spec"]["containers"]
    assert {"name": "FLOE_HOST_MEMORY", "value": "1Gi"} in container["env"]
    assert container["resources"]["limits"] == {"memory": "2304Mi"}


def pod_of(cluster: LocalCluster, overlay: Path) -> Document:
    """Return the pod that the Deployment would create."""
    (deployment,) = [one for one in rendered(cluster, overlay) if one["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "operator"}}


def test_the_pod_passes_pod_security_restricted(
    cluster: LocalCluster, elsewhere: Path, namespace: str
) -> None:
    cluster.kubectl("apply", "--server-side", "-k", str(elsewhere))
    pod = pod_of(cluster, elsewhere)
    cluster.kubectl("create", "--namespace", namespace, "-f", "-", input=json.dumps(pod))
    del pod["spec"]["securityContext"]
    pod["metadata"]["name"] = "another"
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
        cluster.kubectl("create", "--namespace", namespace, "-f", "-", input=json.dumps(pod))


Rules = list[Document]


def rules_of_the_role() -> Rules:
    documents = yaml.safe_load_all((MANIFESTS / "base" / "role.yaml").read_text())
    rules: Rules = next(one for one in documents if one["kind"] == "Role")["rules"]
    return rules


Grant = Callable[[Rules], Path]


@pytest.fixture
def user(cluster: LocalCluster, namespace: str) -> Grant:
    """Return a function that grants a user just some rules in the test's namespace and returns a kubeconfig.

    The rules replace earlier ones.
    """

    def bind(rules: Rules) -> Path:
        return grant_rules(cluster, namespace, f"operator-{namespace}", rules)

    return bind


CONFIG = "size: int\nword: str"
PLUGINS = [
    plugin_distribution("alpha", config=CONFIG),
    plugin_distribution("beta"),
]


SOURCES = [
    {"secretKeyRef": {"name": "words", "key": "word"}, "path": "word"},
    {"configMapKeyRef": {"name": "sizes", "key": "size"}},
]


def use_everything(floeplugins: FloePlugins, environment: Environment) -> None:
    """Configure a plugin from a Secret and a ConfigMap that change, and uninstall another plugin."""
    floeplugins.secret("words", word="one")
    floeplugins.config_map("sizes", size="size: 1")
    floeplugins.apply("compute", "alpha", configFrom=SOURCES)
    floeplugins.until("compute-alpha", "Ready", "Ready")
    # The same change twice turns an Event into a series, which is written by a patch.
    for size, reason in (("[]", "ValidationFailed"), ("1", "Ready")) * 2:
        floeplugins.config_map("sizes", size=f"size: {size}")
        floeplugins.until("compute-alpha", "Ready", reason)
    floeplugins.until("compute-beta", "Ready", "Ready")
    environment.uninstall(PLUGINS[1].name)

    def gone() -> bool:
        assert floeplugins.get("compute-beta") is None
        return True

    eventually(gone)


def test_the_role_is_enough_for_all_that_the_operator_does(
    cluster: LocalCluster,
    user: Grant,
    floeplugins: FloePlugins,
    environment: Environment,
    start_operator: StartOperator,
) -> None:
    environment.install(*PLUGINS)
    operator = start_operator(kubeconfig=user(rules_of_the_role()))
    use_everything(floeplugins, environment)

    def counted() -> bool:
        listed = cluster.kubectl("get", "events.events.k8s.io", "-n", floeplugins.namespace, "-o", "json")
        assert any(one.get("series") for one in json.loads(listed)["items"])
        return True

    eventually(counted)
    assert operator.stop() == 0
    lease = json.loads(
        cluster.kubectl("get", "lease", "floe-operator", "-n", floeplugins.namespace, "-o", "json")
    )
    assert not lease["spec"].get("holderIdentity")
    assert not operator.logged("missing permission")
    assert not operator.logged("forbidden")


Right = tuple[str, str, str]


def lacking(rules: Rules, missing: Collection[Right]) -> Rules:
    """Return the rules without some permissions, each a group, a resource and a verb."""
    single = [
        (rule, group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    return [
        {**rule, "apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for rule, group, resource, verb in single
        if (group, resource, verb) not in missing
    ]


@pytest.mark.parametrize(
    "missing",
    [
        [("", "secrets", "get"), ("", "configmaps", "list"), ("events.k8s.io", "events", "create")],
        [("", "configmaps", "get"), ("", "secrets", "list")],
        [("", "secrets", "watch"), ("", "configmaps", "watch"), ("events.k8s.io", "events", "patch")],
        [("coordination.k8s.io", "leases", "get")],
        [("coordination.k8s.io", "leases", "create")],
        [("coordination.k8s.io", "leases", "update")],
    ],
    ids=lambda rights: "-".join(f"{verb}-{resource}" for _, resource, verb in rights),
)
def test_missing_permissions_are_named(
    user: Grant,
    floeplugins: FloePlugins,
    environment: Environment,
    start_operator: StartOperator,
    missing: list[Right],
) -> None:
    """The permissions for FloePlugins are tested in test_bad_cluster."""
    environment.install(*PLUGINS)
    rules = rules_of_the_role()
    less = lacking(rules, missing)
    assert len(less) == len(lacking(rules, ())) - len(missing)
    operator = start_operator(kubeconfig=user(less))
    floeplugins.secret("words", word="one")
    floeplugins.apply("compute", "alpha", configFrom=SOURCES)
    turns = itertools.cycle([("[]", "==0.1.0"), ("1", ">0.1.0")])

    def look() -> bool:
        # A new reason to use each permission: one plugin repeatedly gets and loses a valid configuration,
        # another a matching version, which is noticed even if no Secret or ConfigMap can be watched.
        size, version = next(turns)
        floeplugins.config_map("sizes", size=f"size: {size}")
        floeplugins.apply("compute", "beta", version=version)
        conditions = [
            one for found in floeplugins.all().values() for one in found["status"].get("conditions", ())
        ]
        told = [*operator.lines(), *conditions]
        texts = [str(value) for one in told for value in one.values()]
        for group, resource, verb in missing:
            wanted = f'verb "{verb}" on resource "{resource}" of API group "{group}"'
            assert any(wanted in text for text in texts), f"nothing names {verb} {resource}: {texts}"
        return True

    eventually(look, every=0.5)
