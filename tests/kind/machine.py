"""What this machine has of docker, kind and kubectl, and which images to start from.

Where FLOE_KIND_NODE names the folder of the scripts `kind-node` and `python-base`, they make the node image
and the Dockerfile's base image, for machines that reach no container registry. Elsewhere kind pulls its own
node image, and the Dockerfile its default base.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kind.commands import CommandError, run

SCRIPTS_SECONDS = 1800.0
"""The first run builds Kubernetes."""


@dataclass(frozen=True)
class Machine:
    """The programs, and the images where they are not the defaults."""

    docker: str
    kind: str
    kubectl: str
    node_image: str | None = None
    base_image: str | None = None


def find_machine() -> Machine:
    """Ends the test run where something is missing: none of these tests can say anything then."""
    path, node_image, base_image = os.environ["PATH"], None, None
    if scripts := os.environ.get("FLOE_KIND_NODE"):
        node_image, folder = _made_by(scripts, "kind-node")
        base_image, _ = _made_by(scripts, "python-base")
        path = f"{folder}{os.pathsep}{path}"
    found = {name: shutil.which(name, path=path) for name in ("docker", "kind", "kubectl")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        pytest.exit(f"tests/kind needs {' and '.join(missing)} on PATH", returncode=1)
    machine = Machine(
        docker=str(found["docker"]),
        kind=str(found["kind"]),
        kubectl=str(found["kubectl"]),
        node_image=node_image,
        base_image=base_image,
    )
    try:
        run(machine.docker, "info")
    except CommandError as error:
        pytest.exit(f"tests/kind needs a docker daemon: {error}", returncode=1)
    return machine


def _made_by(scripts: str, name: str) -> tuple[str, str]:
    """Runs a script: the image that it made, and the folder where it put programs, if any."""
    try:
        # Their last words go to standard error: `kind-node: IMAGE is ready; kind and kubectl are in FOLDER`.
        said = run("sh", "-c", '"$0" 2>&1', Path(scripts) / name, timeout=SCRIPTS_SECONDS)
    except CommandError as error:
        pytest.exit(f"FLOE_KIND_NODE={scripts}: {error}", returncode=1)
    ready = re.search(rf"^{name}: (\S+) is ready(?:; kind and kubectl are in (\S+))?$", said, re.MULTILINE)
    if ready is None:
        pytest.exit(f"{name} did not say which image is ready:\n{said}", returncode=1)
    return ready[1], ready[2] or ""
