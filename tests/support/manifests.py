"""This repository's manifests as kustomize renders them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
FOLDERS = sorted(
    file.parent
    for folder in ("crds", "manifests")
    for file in (REPOSITORY / folder).rglob("kustomization.yaml")
)
"""Every folder that `kubectl apply -k` accepts."""


def rendered(folder: Path, kubectl: Path) -> list[dict[str, Any]]:
    """Return the objects of a folder."""
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"kubectl kustomize {folder} failed:\n{done.stderr}"
    return [dict(each) for each in yaml.safe_load_all(done.stdout)]


def one_of(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found
