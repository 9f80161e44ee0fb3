"""The real Helm, built from the module that tools/gitops pins, and a chart for it to install."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.go_programs import go_program
from tests.support.manifests import REPOSITORY

_WITHIN = 60.0


def helm_program(config: pytest.Config) -> Path:
    """Return helm."""
    return go_program(REPOSITORY / "tools" / "gitops", config, "helm.sh/helm/v4/cmd/helm")


@dataclass(frozen=True)
class Helm:
    """Helm with its files in `folder` and its releases in one namespace."""

    program: Path
    kubeconfig: Path
    namespace: str
    folder: Path

    def install(self, release: str, *manifests: Mapping[str, Any], flags: tuple[str, ...] = ()) -> None:
        """Install a chart with these manifests, which exist already."""
        chart = self.folder / release
        (chart / "templates").mkdir(parents=True)
        about = {"apiVersion": "v2", "name": release, "version": "0.1.0"}
        (chart / "Chart.yaml").write_text(json.dumps(about))
        for number, manifest in enumerate(manifests):
            (chart / "templates" / f"{number}.yaml").write_text(json.dumps(manifest))
        self._run("install", release, str(chart), "--take-ownership", *flags)

    def uninstall(self, release: str) -> None:
        """Uninstall a release, which deletes its objects."""
        self._run("uninstall", release)

    def _run(self, *arguments: str) -> None:
        homes = {f"HELM_{kind}_HOME": str(self.folder / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [self.program, *arguments, "--namespace", self.namespace],
            env={**os.environ, **homes, "KUBECONFIG": str(self.kubeconfig)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        assert done.returncode == 0, f"helm {arguments} failed:\n{done.stdout}{done.stderr}"
