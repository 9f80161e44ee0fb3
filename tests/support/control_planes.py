"""What tests do to a control plane: the CRD, namespaces, and users with just some rights."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster import LocalCluster
from tests.support.polling import eventually

CRD = Path(__file__).parents[2] / "crds" / "floeplugins.floe.dev.yaml"


def audited(folder: Path, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The options of a LocalCluster that writes its audit log, by these rules, into the folder."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules)}))
    return {"audit_log": folder / "audit.log", "audit_policy": policy}


def write_kubeconfig(path: Path, cluster: Mapping[str, str], user: Mapping[str, str] | None = None) -> Path:
    """A kubeconfig of one cluster and one user, nobody if there is none."""
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
    """Applies the CRD and waits until it is served."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRD))
    cluster.kubectl("wait", "--for=condition=Established", "crd/floeplugins.floe.dev", "--timeout=30s")
    eventually(
        lambda: "floeplugins" in cluster.kubectl("api-resources", "--api-group=floe.dev", "-o", "name")
    )


def remove_crd(cluster: LocalCluster) -> None:
    """Deletes the CRD, and with it every FloePlugin."""
    cluster.kubectl("delete", "crd", "floeplugins.floe.dev", "--timeout=60s")


def new_namespace(cluster: LocalCluster) -> str:
    """Creates a namespace of a new name."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    return name


def grant(
    cluster: LocalCluster, namespace: str, user: str, rules: Iterable[tuple[str, str, Iterable[str]]]
) -> Path:
    """The kubeconfig of a user with just these rights: API group, resource, verbs. Replaces earlier ones."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": user, "namespace": namespace},
        "rules": [
            {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
            for group, resource, verbs in rules
        ],
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
