"""The operator as in its image: with only its own requirements, compiled, and with the image's settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import locked

IMAGE_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What the image sets; see the Dockerfile."""


def operator_python(folder: Path) -> Path:
    """Create an environment with only what the operator needs, and return its Python.

    Whatever else is installed can cost time and memory: kopf imports the client libraries that it finds.
    """
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    locked.install(python, "operator", locked.REPOSITORY, locked.REPOSITORY / "operator")
    subprocess.run([str(python), "-m", "compileall", "-q", "-j", "0", str(folder / "lib")], check=True)
    return python
