"""Upgrading from the manifests and the CRD of the previous commit, and going back."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.kind.commands import CommandError
from tests.kind.deployments import MANIFESTS, Deployed
from tests.kind.images import REPOSITORY, Images

CONFIG = {"size": 3}


def previous_manifests(folder: Path) -> Path:
    """Extract the manifests of the previous commit and return their folder."""
    command = ["git", "-C", str(REPOSITORY), "archive", "HEAD~1", "manifests", "crds"]
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"this test needs a clone that has the previous commit:\n{said}"
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "manifests"


def test_upgrading_and_going_back_keeps_every_object_and_its_config(
    operator: Deployed, images: Images, tmp_path: Path
) -> None:
    earlier = previous_manifests(tmp_path / "earlier")
    operator.cluster.kubectl("apply", "--server-side", "-k", earlier.parent / "crds")
    operator.apply(images.other, manifests=earlier)
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.secret("other", colour="blue")
    colour = {"secretKeyRef": {"name": "other", "key": "colour"}, "path": "colour"}
    floeplugins.apply("compute", "other", config=CONFIG, configFrom=[colour], probe={"periodSeconds": 1})
    floeplugins.apply("storage", "missing", config=CONFIG)
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    floeplugins.until("storage-missing", "Discovered", "NotInstalled")
    before = {name: kept(one) for name, one in floeplugins.all().items()}

    operator.cluster.install_crd()
    for manifests, overlay in ((MANIFESTS, "overlays/ha"), (earlier, "base"), (MANIFESTS, "base")):
        operator.apply(images.other, overlay=overlay, manifests=manifests)
        operator.rolled_out()
        floeplugins.until("compute-other", "Ready", "Ready", within=60)
        after = {name: kept(one) for name, one in floeplugins.all().items()}
        assert after == before

    floeplugins.secret("other", colour="")
    floeplugins.until("compute-other", "Ready", "ValidationFailed", within=60)


def test_after_an_undone_rollout_the_manifests_must_be_applied_by_force_once(
    operator: Deployed, images: Images
) -> None:
    """Follows docs/upgrade.md."""
    for image in (images.bare, images.other):
        operator.apply(image)
        operator.rolled_out()
    undo = ("rollout", "undo", "deployment/floe-operator", "-n", operator.namespace)
    operator.cluster.kubectl(*undo)
    operator.rolled_out()
    with pytest.raises(CommandError, match="conflict"):
        operator.apply(images.other)
    operator.apply(images.other, force=True)
    operator.rolled_out()
    operator.floeplugins.until("compute-other", "Ready", "Ready", within=60)
    operator.apply(images.bare)


def kept(found: dict[str, Any]) -> tuple[str, Any]:
    """Return what an upgrade must leave alone."""
    return found["metadata"]["uid"], found["spec"]
