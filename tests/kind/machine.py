"""The docker, kind and kubectl of this machine, and the images to start from.

If FLOE_KIND_NODE names the folder of the scripts `kind-node` and `python-base`, they make the node image and
the Dockerfile's base image, for machines that cannot reach a container registry. Otherwise kind pulls its own
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
"""The time limit of a script; its first run builds Kubernetes."""
_GO: GoVersion = (1, 26, 2)


@dataclass(frozen=True)
class Machine:
    """The programs, and the images that replace the defaults."""

    docker: str
    kind: str
    kubectl: str
    node_image: str | None = None
    base_image: str | None = None


def find_machine(config: pytest.Config) -> Machine:
    """Return this machine; end the test run if something is missing, because no test could work then."""
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
    """Run a script and return the image that it made and the folder where it put programs, if any."""
    try:
        said = _output_of(scripts / name)
    except (OSError, CommandError, ToolchainError) as error:
        pytest.exit(f"FLOE_KIND_NODE={scripts}: {error}", returncode=1)
    # It ends with `kind-node: IMAGE is ready; kind and kubectl are in FOLDER`.
    ready = re.search(rf"^{name}: (\S+) is ready(?:; kind and kubectl are in (\S+))?$", said, re.MULTILINE)
    if ready is None:
        pytest.exit(f"{name} did not say which image is ready:\n{said}", returncode=1)
    return ready[1], ready[2] or ""


def _output_of(script: Path) -> str:
    """Return everything that a script prints, and show its latest line while it runs.

    Raises:
        CommandError: The script failed or did not end in time.
    """
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
    # The script writes at the position of this descriptor, so reading must not move it.
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")
