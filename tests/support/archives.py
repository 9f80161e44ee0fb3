"""The archives of this repository's distributions, built as for a release."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Archives:
    """The sdist and the wheel of one distribution."""

    sdist: Path
    wheel: Path


def build(project: Path, folder: Path) -> Archives:
    """Build the sdist from the project, and the wheel from the unpacked sdist alone, into `folder`."""
    sdist = _built(project, folder, "sdist")
    unpacked = folder / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return Archives(sdist, _built(unpacked / sdist.name.removesuffix(".tar.gz"), folder, "wheel"))


def build_wheel(project: Path, folder: Path) -> Path:
    """Build the wheel from the project itself into `folder`."""
    return _built(project, folder, "wheel")


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files into a folder of the path, as an installer does, without its scripts."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def _built(project: Path, folder: Path, target: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{project}: {done.stdout}{done.stderr}"
    (built,) = set(folder.iterdir()) - before
    return built
