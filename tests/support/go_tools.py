"""promtool and kubeconform, built from the modules that tools/gotools pins, and CRDs to check against."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.go_programs import go_module, go_program
from tests.support.manifests import REPOSITORY

_TOOLS = REPOSITORY / "tools" / "gotools"
_PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator"


def promtool(config: pytest.Config) -> Path:
    """Return promtool, built without service discovery, which is half of the build and not needed here."""
    package = "github.com/prometheus/prometheus/cmd/promtool"
    return go_program(_TOOLS, config, package, tags="remove_all_sd")


def kubeconform(config: pytest.Config) -> Path:
    """Return kubeconform, which checks manifests against JSON schemas."""
    return go_program(_TOOLS, config, "github.com/yannh/kubeconform/cmd/kubeconform")


def conforming(config: pytest.Config, folder: Path, manifests: str) -> tuple[dict[str, bool], str]:
    """Check manifests below `folder` against its `schemas`, as docs/gitops.md does it.

    Returns, by the stem of each file, whether its object conforms, and kubeconform's whole output.
    """
    location = "schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
    options = ("-strict", "-output", "json", "-verbose", "-schema-location", location)
    _, said = output_of(kubeconform(config), *options, manifests, cwd=folder)
    found = json.loads(said)["resources"]
    return {Path(each["filename"]).stem: each["status"] == "statusValid" for each in found}, said


def prometheus_operator_crds() -> list[Path]:
    """Return the files of the CRDs that manifests/overlays/monitoring uses."""
    module = go_module(REPOSITORY / "tools" / "prometheus-operator-crds", _PROMETHEUS_OPERATOR)
    folder = module / "example" / "prometheus-operator-crd"
    return [folder / f"monitoring.coreos.com_{name}.yaml" for name in ("servicemonitors", "prometheusrules")]


def output_of(program: Path, *arguments: str | Path, cwd: Path) -> tuple[int, str]:
    """Run a program and return its exit code and its output."""
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
