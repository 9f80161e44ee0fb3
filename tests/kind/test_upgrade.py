"""Upgrading from the manifests and the CRD of the previous commit."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.kind.deployments import MANIFESTS, Deployed
from tests.kind.images import REPOSITORY, Images

CONFIG = {"size": 3}


def previous_manifests(folder: Path) -> Path:
    """The manifests of the previous commit; the present ones where it has none."""
    command = ["git", "-C", str(REPOSITORY), "archive", "HEAD~1", "manifests", "crds"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        return MANIFESTS
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "manifests"


def test_an_upgrade_keeps_every_object_and_its_config(
    operator: Deployed, images: Images, tmp_path: Path
) -> None:
    earlier = previous_manifests(tmp_path / "earlier")
    operator.cluster.kubectl("apply", "--server-side", "-k", earlier.parent / "crds")
    operator.apply(images.other, manifests=earlier)
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.secret("other", size="4")
    floeplugins.apply("compute", "other", config=CONFIG, probe={"periodSeconds": 1})
    floeplugins.apply("storage", "missing", config=CONFIG)
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    floeplugins.until("storage-missing", "Discovered", "NotInstalled")
    before = floeplugins.all()

    operator.cluster.install_crd()
    operator.apply(images.other, overlay="overlays/ha")
    operator.rolled_out()
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    after = floeplugins.all()
    assert {name: kept(one) for name, one in after.items() if name in before} == {
        name: kept(one) for name, one in before.items()
    }
    assert (floeplugins.get("compute-other") or {})["spec"]["config"] == CONFIG


def kept(found: dict[str, Any]) -> tuple[str, Any]:
    """What an upgrade must leave alone."""
    return found["metadata"]["uid"], found["spec"]
