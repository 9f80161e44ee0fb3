"""A whole cluster: one that kind creates for the test run, or the one of the current context."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kind.commands import CommandError, run
from tests.kind.images import REPOSITORY
from tests.kind.machine import Machine
from tests.support.control_planes import crd_is_served

CREATE_SECONDS = 300.0
ACCESS = REPOSITORY / "manifests" / "access"
_ARTIFACT_SECONDS = 30.0
_CLUSTER_WIDE = (
    "crd/floeplugins.floe.dev",
    "clusterrole/floe-plugin-viewer",
    "clusterrole/floe-plugin-editor",
)
"""What the tests install outside namespaces."""


@dataclass(frozen=True)
class Cluster:
    """A cluster as tests see it; `name` is its name in kind, or None if it is not a kind cluster."""

    machine: Machine
    kubeconfig: Path
    name: str | None
    is_ours: bool

    def kubectl(self, *arguments: str | Path, input: str | None = None, timeout: float = 120.0) -> str:  # noqa: A002
        """Return what kubectl prints.

        Raises:
            CommandError: kubectl failed or did not end in time.
        """
        command = [self.machine.kubectl, "--kubeconfig", self.kubeconfig, *arguments]
        return run(*command, input=input, timeout=timeout)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what `kubectl get` finds, as parsed JSON."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def load(self, images: Sequence[str]) -> None:
        """Load docker's images into the nodes; a cluster that is not kind's must share docker's images."""
        if self.name is not None:
            run(self.machine.kind, "load", "docker-image", "--name", self.name, *images, timeout=300)

    @contextmanager
    def following(self, *arguments: str, output: Path) -> Iterator[Path]:
        """Run kubectl with `--watch` or `--follow` while the body runs; yield the file with its output."""
        with output.open("w") as file:
            command = [self.machine.kubectl, "--kubeconfig", str(self.kubeconfig), *arguments]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
            try:
                yield output
            finally:
                process.terminate()
                process.wait()

    def kill_container(self, namespace: str, pod: str) -> None:
        """Kill a pod's main process, as the kernel does when memory runs out; only for kind clusters."""
        found = self.get("pod", pod, "-n", namespace)
        (container,) = found["status"]["containerStatuses"]
        identity = container["containerID"].removeprefix("containerd://")
        node = found["spec"]["nodeName"]
        inspect = f"crictl inspect --output go-template --template '{{{{.info.pid}}}}' {identity}"
        run(self.machine.docker, "exec", node, "sh", "-c", f"kill -KILL $({inspect})")

    def restart_node(self) -> None:
        """Restart the only node, as a reboot does."""
        nodes = run(self.machine.kind, "get", "nodes", "--name", str(self.name)).split()
        run(self.machine.docker, "restart", *nodes)

    def install_crd(self) -> None:
        """Apply the CRD and wait until it is served."""
        self.kubectl("apply", "--server-side", "-k", REPOSITORY / "crds")
        crd_is_served(self.kubectl)

    def remove_crd(self) -> None:
        """Delete the CRD, and with it every FloePlugin of the cluster."""
        self.kubectl("delete", "-k", REPOSITORY / "crds", "--ignore-not-found", "--timeout=60s")

    def must_be_ours(self, what: str) -> None:
        """Fail a test that does what no test may do to another person's cluster."""
        if not self.is_ours:
            pytest.fail(f"--cluster current: {what}; deselect this test", pytrace=False)


@contextmanager
def kind_cluster(machine: Machine, folder: Path) -> Iterator[Cluster]:
    """Create a cluster that lasts as long as the body."""
    name, kubeconfig = f"floe-test-{uuid.uuid4().hex[:6]}", folder / "kubeconfig"
    image = ["--image", machine.node_image] if machine.node_image else []
    try:
        options = ["--name", name, "--kubeconfig", str(kubeconfig), "--wait", "120s"]
        run(machine.kind, "create", "cluster", *options, *image, timeout=CREATE_SECONDS)
        yield Cluster(machine, kubeconfig, name, is_ours=True)
    finally:
        run(machine.kind, "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig)


@contextmanager
def current_cluster(machine: Machine, folder: Path) -> Iterator[Cluster]:
    """Yield the cluster of the current context; its namespaces `floe-test-…` and the CRD are ours.

    End the test run if the CRD already exists: tests delete it, and with it every FloePlugin.
    """
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(run(machine.kubectl, "config", "view", "--raw", "--minify", "--flatten"))
    context = run(machine.kubectl, "config", "current-context").strip()
    prefix, _, name = context.partition("kind-")
    cluster = Cluster(machine, kubeconfig, name if name and not prefix else None, is_ours=False)
    if there := cluster.kubectl("get", *_CLUSTER_WIDE, "--ignore-not-found", "-o", "name").split():
        pytest.exit(
            f"--cluster current: {context} already has {', '.join(there)}, which these tests delete with"
            " everything that depends on it; use another cluster, or delete it yourself",
            returncode=1,
        )
    try:
        yield cluster
    finally:
        cluster.kubectl("delete", "-k", ACCESS, "--ignore-not-found")
        cluster.remove_crd()


def save_artifacts(cluster: Cluster, folder: Path) -> None:
    """Write what shows why a test failed: pods and their logs, Events, Leases, FloePlugins, nodes."""
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
    operators = ("get", "pods", "-A", "-l", "app.kubernetes.io/name=floe-operator", "-o", "json")
    with suppress(CommandError):
        listed = cluster.kubectl(*operators, timeout=_ARTIFACT_SECONDS)
        for pod in json.loads(listed)["items"]:
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            for suffix, option in (("", "--previous=false"), ("-previous", "--previous=true")):
                log = _or_why_not(cluster, "logs", "-n", namespace, name, "--timestamps", option)
                (folder / f"log-{namespace}-{name}{suffix}.txt").write_text(log)


def _or_why_not(cluster: Cluster, *arguments: str) -> str:
    try:
        return cluster.kubectl(*arguments, timeout=_ARTIFACT_SECONDS)
    except CommandError as error:
        return str(error)
