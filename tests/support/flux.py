"""Flux's real kustomize-controller, built from the module that tools/gitops pins, and the sources it applies.

There is no source-controller: the content of a Git repository is served here, and its status written here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.support.go_programs import go_module, go_program
from tests.support.manifests import REPOSITORY
from tests.support.polling import eventually

_TOOLS = REPOSITORY / "tools" / "gitops"
_CONTROLLER = "github.com/fluxcd/kustomize-controller"
_CRDS = Path("config/crd/bases")
_SOURCES = ("buckets", "gitrepositories", "ocirepositories")
"""The kinds of sources that the controller watches."""
_LONG_AGO = "2020-01-01T00:00:00Z"
_WITHIN = 60.0


@dataclass
class Flux:
    """A running kustomize-controller, with one Git repository, in one namespace."""

    _cluster: LocalCluster
    _namespace: str
    _repository: Path
    """The folder of the archives, which are served at a port."""
    _port: int
    _process: subprocess.Popen[bytes]
    _log: Path
    _pushed: tuple[str, int] = ("", 0)
    """The revision of the last archive, and how many manifests it has."""

    def push(self, *manifests: Mapping[str, Any]) -> None:
        """Make these manifests the whole content of the repository."""
        archive = _archive({f"{number}.yaml": json.dumps(one) for number, one in enumerate(manifests)})
        digest = hashlib.sha256(archive).hexdigest()
        self._pushed = (f"main@sha256:{digest}", len(manifests))
        (self._repository / f"{digest}.tar.gz").write_bytes(archive)
        self._apply("source.toolkit.fluxcd.io/v1", "GitRepository", "repository", url="https://git.invalid/x")
        status = {
            "observedGeneration": 1,
            "artifact": {
                "digest": f"sha256:{digest}",
                "lastUpdateTime": _LONG_AGO,
                "path": f"{digest}.tar.gz",
                "revision": f"main@sha256:{digest}",
                "url": f"http://127.0.0.1:{self._port}/{digest}.tar.gz",
            },
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Succeeded",
                    "message": "",
                    "lastTransitionTime": _LONG_AGO,
                    "observedGeneration": 1,
                }
            ],
        }
        patch = json.dumps({"status": status})
        self._kubectl(
            *("patch", "gitrepository", "repository", "--subresource=status", "--type=merge", "-p", patch)
        )

    def kustomize(self, name: str, *, prune: bool) -> None:
        """Create a Kustomization of the repository."""
        spec = {
            "sourceRef": {"kind": "GitRepository", "name": "repository"},
            "path": "./",
            "targetNamespace": self._namespace,
            "prune": prune,
        }
        self._apply("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, **spec)

    def until_applied(self, name: str) -> None:
        """Wait until a Kustomization has applied what was pushed last."""

        def applied() -> bool:
            if self._process.poll() is not None:
                pytest.fail(f"kustomize-controller has ended:\n{self._log.read_text()[-4_000:]}")
            status = json.loads(self._kubectl("get", "kustomization", name, "-o", "json")).get("status", {})
            inventory = (status.get("inventory") or {}).get("entries") or ()
            assert (status.get("lastAppliedRevision"), len(inventory)) == self._pushed, json.dumps(status)
            return True

        eventually(applied, within=_WITHIN, every=0.2, saying=f"the Kustomization {name} is applied")

    def remove(self, name: str = "--all") -> None:
        """Delete a Kustomization, or all, and wait until the controller has pruned what it has to."""
        self._kubectl("delete", "kustomization", name, f"--timeout={_WITHIN:g}s")

    def _apply(self, version: str, kind: str, name: str, **spec: Any) -> None:
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
        document["spec"] = {"interval": "1h", **spec}
        self._kubectl("apply", "--server-side", "-f", "-", input=json.dumps(document))

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002
        return self._cluster.kubectl("-n", self._namespace, *arguments, input=input)


@contextmanager
def running_flux(
    cluster: LocalCluster, namespace: str, config: pytest.Config, folder: Path
) -> Iterator[Flux]:
    """Install the CRDs and run the controller, which logs into `folder`; remove both at the end."""
    program = go_program(_TOOLS, config, _CONTROLLER)
    repository = folder / "repository"
    repository.mkdir()
    with _crds(cluster), _served(repository) as port:
        command = [str(program), "--watch-all-namespaces=false", "--concurrent=1"]
        command += ["--health-addr=0", "--metrics-addr=0"]
        variables = {"KUBECONFIG": str(cluster.kubeconfig), "RUNTIME_NAMESPACE": namespace}
        said = folder / "kustomize-controller.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **variables, "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        flux = Flux(cluster, namespace, repository, port, process, said)
        try:
            yield flux
            flux.remove()
        finally:
            process.terminate()
            try:
                process.wait(_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    """Serve the files of a folder; yield the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


@contextmanager
def _crds(cluster: LocalCluster) -> Iterator[None]:
    kustomize = go_module(_TOOLS, _CONTROLLER)
    source = go_module(REPOSITORY / "tools" / "flux-source-crds", "github.com/fluxcd/source-controller")
    files = [kustomize / _CRDS / "kustomize.toolkit.fluxcd.io_kustomizations.yaml"]
    files += [source / _CRDS / f"source.toolkit.fluxcd.io_{name}.yaml" for name in _SOURCES]
    given = [part for file in files for part in ("-f", str(file))]
    cluster.kubectl("apply", "--server-side", *given)
    try:
        eventually(lambda: _are_served(cluster), within=_WITHIN, every=0.2, saying="Flux's kinds are served")
        yield
    finally:
        cluster.kubectl("delete", *given, f"--timeout={_WITHIN:g}s")


def _are_served(cluster: LocalCluster) -> bool:
    served = cluster.kubectl("api-resources", "-o", "name")
    return all(kind in served for kind in ("kustomizations.", *(f"{name}." for name in _SOURCES)))
