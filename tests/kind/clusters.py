"""A whole cluster: one of the test run's own by kind, or the one of the present context."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kind.commands import CommandError, run
from tests.kind.images import REPOSITORY
from tests.kind.machine import Machine
from tests.support.polling import eventually

CREATE_SECONDS = 300.0


@dataclass(frozen=True)
class Cluster:
    """A cluster as tests see it; `name` is kind's, None where it is not kind's."""

    machine: Machine
    kubeconfig: Path
    name: str | None
    is_ours: bool

    def kubectl(self, *arguments: str | Path, input: str | None = None, timeout: float = 120.0) -> str:  # noqa: A002
        """What kubectl prints; CommandError where it fails."""
        command = [self.machine.kubectl, "--kubeconfig", self.kubeconfig, *arguments]
        return run(*command, input=input, timeout=timeout)

    def get(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl get` finds, as JSON."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def load(self, images: Sequence[str]) -> None:
        """Puts docker's images into the nodes; a cluster that is not kind's must share this docker's."""
        if self.name is not None:
            run(self.machine.kind, "load", "docker-image", "--name", self.name, *images, timeout=300)

    def kill_container(self, namespace: str, pod: str) -> None:
        """Kills a pod's main process, as the kernel does when memory runs out; for clusters by kind."""
        found = self.get("pod", pod, "-n", namespace)
        (container,) = found["status"]["containerStatuses"]
        identity = container["containerID"].removeprefix("containerd://")
        node = found["spec"]["nodeName"]
        inspect = f"crictl inspect --output go-template --template '{{{{.info.pid}}}}' {identity}"
        run(self.machine.docker, "exec", node, "sh", "-c", f"kill -KILL $({inspect})")

    def restart_node(self) -> None:
        """Restarts the only node, as a reboot does."""
        nodes = run(self.machine.kind, "get", "nodes", "--name", str(self.name)).split()
        run(self.machine.docker, "restart", *nodes)

    def install_crd(self) -> None:
        """Applies the CRD and waits until it is served."""
        self.kubectl("apply", "--server-side", "-k", REPOSITORY / "crds")
        self.kubectl("wait", "--for=condition=Established", "crd/floeplugins.floe.dev", "--timeout=60s")
        eventually(
            lambda: "floeplugins" in self.kubectl("api-resources", "--api-group=floe.dev", "-o", "name")
        )

    def remove_crd(self) -> None:
        """Deletes the CRD, and with it every FloePlugin of the cluster."""
        self.kubectl("delete", "-k", REPOSITORY / "crds", "--ignore-not-found", "--timeout=60s")


@contextmanager
def kind_cluster(machine: Machine, folder: Path) -> Iterator[Cluster]:
    """A cluster that lasts as long as the body."""
    name, kubeconfig = f"floe-test-{uuid.uuid4().hex[:6]}", folder / "kubeconfig"
    image = ["--image", machine.node_image] if machine.node_image else []
    try:
        options = ["--name", name, "--kubeconfig", str(kubeconfig), "--wait", "120s"]
        run(machine.kind, "create", "cluster", *options, *image, timeout=CREATE_SECONDS)
        yield Cluster(machine, kubeconfig, name, is_ours=True)
    finally:
        run(machine.kind, "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig)


def current_cluster(machine: Machine, folder: Path) -> Cluster:
    """The cluster of the present context; its namespaces `floe-test-…` are ours, and the CRD."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(run(machine.kubectl, "config", "view", "--raw", "--minify", "--flatten"))
    context = run(machine.kubectl, "config", "current-context").strip()
    prefix, _, name = context.partition("kind-")
    return Cluster(machine, kubeconfig, name if name and not prefix else None, is_ours=False)


def save_artifacts(cluster: Cluster, folder: Path) -> None:
    """Writes what tells why a test failed: pods and their logs, Events, FloePlugins, nodes."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = {
        "pods.txt": ("describe", "pods", "-A", "-l", "app.kubernetes.io/name=floe-operator"),
        "all-pods.txt": ("get", "pods", "-A", "-o", "wide"),
        "nodes.txt": ("describe", "nodes"),
        "events.txt": ("get", "events.events.k8s.io", "-A", "--sort-by=.metadata.creationTimestamp"),
        "leases.yaml": ("get", "leases", "-A", "-o", "yaml"),
        "floeplugins.txt": ("get", "floeplugins", "-A", "-o", "wide"),
        "floeplugins.yaml": ("get", "floeplugins", "-A", "-o", "yaml"),
    }
    for name, arguments in asked.items():
        (folder / name).write_text(_or_why_not(cluster, *arguments))
    with suppress(CommandError):
        for pod in cluster.get("pods", "-A", "-l", "app.kubernetes.io/name=floe-operator")["items"]:
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            for suffix, option in (("", "--previous=false"), ("-previous", "--previous=true")):
                log = _or_why_not(cluster, "logs", "-n", namespace, name, "--timestamps", option)
                (folder / f"log-{namespace}-{name}{suffix}.txt").write_text(log)


def _or_why_not(cluster: Cluster, *arguments: str) -> str:
    try:
        return cluster.kubectl(*arguments)
    except CommandError as error:
        return str(error)
