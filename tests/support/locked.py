"""What tests install with pip: the requirements of a lock, and distributions of this repository.

With FLOE_NEWEST=1 (`make test-newest`) the newest releases replace the locks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NEWEST = os.environ.get("FLOE_NEWEST") == "1"


def install(python: Path, lock: str, *projects: Path) -> None:
    """Install the requirements of `requirements/<lock>.txt`, and the projects that need them."""
    with tempfile.TemporaryDirectory() as folder:
        # Build with the hatchling of the environment that runs the tests; pip would fetch another version.
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, *map(str, projects))
        wheels = list(map(str, Path(folder).glob("*.whl")))
        into = ("--python", str(python), "install", "--no-compile")
        if NEWEST:
            pip(*into, *wheels)
        else:
            pip(*into, "--require-hashes", "--requirement", str(_file(lock)))
            pip(*into, "--no-deps", *wheels)


def offline_index(folder: Path, *locks: str) -> dict[str, str]:
    """Download what these locks name to `folder`; return variables with which pip finds nothing else."""
    return {} if NEWEST else download(folder, *locks)


def download(folder: Path, *locks: str) -> dict[str, str]:
    """Do the same as `offline_index`, even with FLOE_NEWEST=1."""
    requirements = [word for lock in locks for word in ("--requirement", str(_file(lock)))]
    pip("download", "--require-hashes", "--dest", str(folder), *requirements)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def pip(*arguments: str) -> None:
    """Run pip.

    Raises:
        AssertionError: pip failed; the message has its output.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"pip {' '.join(arguments)}\n{done.stdout}{done.stderr}"


def _file(lock: str) -> Path:
    return REPOSITORY / "requirements" / f"{lock}.txt"
