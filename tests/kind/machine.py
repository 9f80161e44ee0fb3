"""What this machine has of docker, kind and kubectl, and which images to start from.

Where FLOE_KIND_NODE names the folder of the scripts `kind-node` and `python-base`, they make the node image
and the Dockerfile's base image, for machines that reach no container registry. Elsewhere kind pulls its own
node image, and the Dockerfile its default base. The scripts get the Go that localcluster finds or installs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from localcluster.errors import ToolchainError
from localcluster.progress import Progress
from localcluster.toolchain import GoVersion, find_go
from tests.kind.commands import CommandError, run
from tests.support.go_programs import uncaptured

SCRIPTS_SECONDS = 1800.0
"""The first run builds Kubernetes."""
_GO: GoVersion = (1, 26, 2)


@dataclass(frozen=True)
class Machine:
    """The programs, and the images where they are not the defaults."""

    docker: str
    kind: str
    kubectl: str
    node_image: str | None = None
    base_image: str | None = None


def find_machine(config: pytest.Config) -> Machine:
    """Ends the test run where something is missing: none of these tests can say anything then."""
    path, node_image, base_image = os.environ["PATH"], None, None
    if scripts := os.environ.get("FLOE_KIND_NODE"):
        with uncaptured(config):
            node_image, folder = _made_by(Path(scripts), "kind-node")
            base_image, _ = _made_by(Path(scripts), "python-base")
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


def _made_by(scripts: Path, name: str) -> tuple[str, str]:
    """Runs a script: the image that it made, and the folder where it put programs, if any."""
    try:
        said = _output_of(scripts / name)
    except (OSError, CommandError, ToolchainError) as error:
        pytest.exit(f"FLOE_KIND_NODE={scripts}: {error}", returncode=1)
    # Its last words: `kind-node: IMAGE is ready; kind and kubectl are in FOLDER`.
    ready = re.search(rf"^{name}: (\S+) is ready(?:; kind and kubectl are in (\S+))?$", said, re.MULTILINE)
    if ready is None:
        pytest.exit(f"{name} did not say which image is ready:\n{said}", returncode=1)
    return ready[1], ready[2] or ""


def _output_of(script: Path) -> str:
    """All that a script says, with its latest line shown meanwhile; CommandError where it fails."""
    path = f"{find_go(_GO).parent}{os.pathsep}{os.environ['PATH']}"
    progress = Progress(f"running {script.name} (the first time up to 10 minutes)")
    deadline = time.monotonic() + SCRIPTS_SECONDS
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [script.resolve()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
        )
        try:
            while True:
                try:
                    code = process.wait(1.0)
                    break
                except subprocess.TimeoutExpired:
                    progress.update(_text(log).rpartition("\n")[0].rpartition("\n")[2])
                if time.monotonic() > deadline:
                    raise CommandError(f"{script} did not end in {SCRIPTS_SECONDS:.0f} s:\n{_text(log)}")
        finally:
            process.kill()
            process.wait()
        progress.done("done" if code == 0 else "failed")
        if code:
            raise CommandError(f"{script} ended with exit code {code}:\n{_text(log)}")
        return _text(log)


def _text(log: IO[str]) -> str:
    # By the descriptor's own position the script writes on; this must not move it.
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")
