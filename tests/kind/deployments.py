"""The operator as the manifests install it, in its own namespace."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.kind.clusters import Cluster
from tests.kind.images import REPOSITORY, Image
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

MANIFESTS = REPOSITORY / "manifests"
LABEL = "app.kubernetes.io/name=floe-operator"
READY_SECONDS = 90.0


@dataclass(frozen=True)
class Process:
    """A process of a pod, as seen from inside the pod."""

    pid: int
    parent: int
    state: str
    name: str
    command: str
    """Empty once it has ended."""


class Deployed:
    """One installation, which `apply` creates and changes."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = f"floe-test-{uuid.uuid4().hex[:6]}"
        self._folder = folder / self.namespace

    @property
    def floeplugins(self) -> FloePlugins:
        """The FloePlugins in its namespace."""
        return FloePlugins(self.cluster.kubeconfig, self.namespace)

    def kustomization(self, image: Image, overlay: str, manifests: Path) -> Path:
        """Write an overlay with a namespace, image and settings, as users do, and return its folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        name, _, tag = image.name.partition(":")
        target = {"kind": "Deployment", "name": "floe-operator"}
        (self._folder / "kustomization.yaml").write_text(
            json.dumps(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "namespace": self.namespace,
                    "resources": [os.path.relpath(manifests / overlay, self._folder.resolve())],
                    "images": [{"name": "floe-operator", "newName": name, "newTag": tag}],
                    "patches": [{"target": target, "patch": json.dumps(_QUICK_SCANS)}],
                }
            )
        )
        return self._folder

    def apply(
        self, image: Image, *, overlay: str = "base", manifests: Path = MANIFESTS, force: bool = False
    ) -> None:
        """Install the operator, or upgrade it."""
        folder = self.kustomization(image, overlay, manifests)
        forced = ["--force-conflicts"] if force else []
        self.cluster.kubectl("apply", "--server-side", *forced, "-k", folder)

    def rolled_out(self) -> None:
        """Wait until the Deployment is as it was applied, and no pod of an earlier one is left."""
        options = ["-n", self.namespace, f"--timeout={READY_SECONDS:.0f}s"]
        self.cluster.kubectl("rollout", "status", "deployment/floe-operator", *options)
        wanted = self.cluster.get("deployment", "floe-operator", "-n", self.namespace)["spec"]["replicas"]
        eventually(lambda: len(self.pods()) == wanted, within=READY_SECONDS)

    def uninstall(self) -> None:
        """Delete the operator with its namespace, without waiting."""
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def pods(self) -> list[dict[str, Any]]:
        """Return the operator's pods, including those that are ending."""
        found: list[dict[str, Any]] = self.cluster.get("pods", "-n", self.namespace, "-l", LABEL)["items"]
        return found

    def pod(self) -> str:
        """Return the name of the only pod."""
        (pod,) = self.pods()
        return str(pod["metadata"]["name"])

    def restarts(self) -> int:
        """Return how often containers of the current pods were restarted."""
        return sum(
            status["restartCount"]
            for pod in self.pods()
            for status in pod["status"].get("containerStatuses", ())
        )

    def leader(self) -> str:
        """Return the name of the pod that holds the Lease."""
        lease = self.cluster.get("lease", "floe-operator", "-n", self.namespace)
        holder = str(lease["spec"].get("holderIdentity", "")).partition("_")[0]
        assert holder in {pod["metadata"]["name"] for pod in self.pods()}, f"{holder!r} holds the Lease"
        return holder

    def shell(self, script: str) -> str:
        """Return what a shell script prints in the only pod."""
        return self.cluster.kubectl("exec", "-n", self.namespace, self.pod(), "--", "sh", "-c", script)

    def log(self) -> str:
        """Return what the pods have printed so far."""
        return self.cluster.kubectl("logs", "-n", self.namespace, "-l", LABEL, "--tail=-1", "--prefix")

    def page(self, path: str) -> str:
        """Return what the only pod answers to a request from itself, whatever the HTTP code."""
        url = f"http://127.0.0.1:8080/{path}"
        return self.cluster.kubectl("exec", "-n", self.namespace, self.pod(), "--", "python", "-c", _GET, url)

    def until_readyz_says(self, *words: str) -> None:
        """Wait until the only pod runs and its /readyz has these words."""

        def look() -> bool:
            page = self.page("readyz")
            assert all(word in page for word in words), page
            return True

        eventually(look, within=READY_SECONDS, every=0.5)

    def seconds_to_ready(self) -> float:
        """Return the whole seconds from the start of the only pod's container until the pod was Ready."""
        status = self.pods()[0]["status"]
        (container,) = status["containerStatuses"]
        ready = next(one for one in status["conditions"] if one["type"] == "Ready")
        started, ended = container["state"]["running"]["startedAt"], ready["lastTransitionTime"]
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()

    def processes(self) -> list[Process]:
        """Return all processes of the only pod."""
        rows = (line.split(maxsplit=4) for line in self.shell(_PROCESSES).splitlines())
        return [Process(int(row[0]), int(row[1]), row[2], row[3], "".join(row[4:]).strip()) for row in rows]

    def process(self) -> int:
        """Return the pid of the operator's own process in the only pod."""
        (found,) = [one.pid for one in self.processes() if one.command.endswith("floe-operator run")]
        return found

    def memory(self) -> str:
        """Return a table of the resident memory of the only pod's processes, in MB."""
        return self.shell(_MEMORY).rstrip()

    def table(self, *options: str) -> str:
        """Return what `kubectl get floeplugins` prints."""
        return self.cluster.kubectl("get", "floeplugins", "-n", self.namespace, *options)


_PROCESSES = """
exec 2>/dev/null # some processes end before they are read
read='/^Name:/ {n = $2} /^State:/ {s = $2} /^PPid:/ {p = $2} END {print p, s, n}'
for process in /proc/[0-9]*; do
  status=$(awk "$read" "$process/status") || continue
  printf '%s\\n' "${process#/proc/} $status $(tr '\\0\\n' '  ' <"$process/cmdline")"
done
"""
_MEMORY = """
for process in /proc/[0-9]*; do
  grep -q ^/opt/floe "$process/cmdline" || continue
  echo "$(awk '/VmRSS/ {print int($2 / 1024)}' "$process/status") MB $(tr '\\0' ' ' <"$process/cmdline")"
done
"""
_GET = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""
_QUICK_SCANS: Mapping[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "floe-operator"},
    "spec": {
        "template": {
            "spec": {
                "containers": [{"name": "operator", "env": [{"name": "FLOE_SCAN_INTERVAL", "value": "2s"}]}]
            }
        }
    },
}
