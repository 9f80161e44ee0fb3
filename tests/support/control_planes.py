"""Set-up of a control plane for tests: the CRD, namespaces, and users with limited permissions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster import LocalCluster
from tests.support.polling import eventually

CRD = Path(__file__).parents[2] / "crds" / "floeplugins.floe.dev.yaml"


def audited(folder: Path, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of a LocalCluster that writes its audit log, by these rules, into the folder."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules)}))
    return {"audit_log": folder / "audit.log", "audit_policy": policy}


def write_kubeconfig(path: Path, cluster: Mapping[str, str], user: Mapping[str, str] | None = None) -> Path:
    """Write a kubeconfig with one cluster and one user (without credentials by default); return its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": dict(cluster)}],
        "users": [{"name": "u", "user": dict(user or {})}],
    }
    path.write_text(json.dumps(content))
    return path


def install_crd(cluster: LocalCluster) -> None:
    """Apply the CRD and wait until the API server serves it."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRD))
    crd_is_served(cluster.kubectl)


def crd_is_served(kubectl: Callable[..., str]) -> None:
    """Wait until the API server serves the CRD that has just been applied.

    `kubectl wait` would fail on a CRD whose conditions are still null.
    """

    def established() -> bool:
        found = json.loads(kubectl("get", "crd", "floeplugins.floe.dev", "-o", "json"))
        conditions = found.get("status", {}).get("conditions") or []
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    eventually(established, within=60, every=0.2, saying="the CRD is established")
    eventually(lambda: "floeplugins" in kubectl("api-resources", "--api-group=floe.dev", "-o", "name"))


def remove_crd(cluster: LocalCluster) -> None:
    """Delete the CRD, and with it every FloePlugin."""
    cluster.kubectl("delete", "crd", "floeplugins.floe.dev", "--timeout=60s")


def new_namespace(cluster: LocalCluster) -> str:
    """Create a namespace with a new name, and return the name."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    return name


def grant(
    cluster: LocalCluster, namespace: str, user: str, rules: Iterable[tuple[str, str, Iterable[str]]]
) -> Path:
    """Replace a user's permissions with (API group, resource, verbs) rules; return the user's kubeconfig."""
    listed = [
        {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
        for group, resource, verbs in rules
    ]
    return grant_rules(cluster, namespace, user, listed)


def grant_rules(cluster: LocalCluster, namespace: str, user: str, rules: Sequence[Mapping[str, Any]]) -> Path:
    """Replace a user's permissions with the rules of a Role; return the user's kubeconfig."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": user, "namespace": namespace},
        "rules": rules,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    for each in (role, binding):
        cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    return cluster.kubeconfig_for(user, namespace=namespace)
