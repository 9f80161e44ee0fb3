"""Builds this repository's Go programs into the user's cache folder, once for each state of their sources.

Go is taken from PATH or, if it is missing there or too old, from the wheel that localcluster installs.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster.cache import cache_folder, locked
from localcluster.progress import Progress
from localcluster.toolchain import GoVersion, find_go, go_version, parse_go_version

_SOURCES = ("*.go", "go.mod", "go.sum")


def go_program(folder: Path, config: pytest.Config | None, package: str = ".", *, tags: str = "") -> Path:
    """Return the program of a main package (by default the folder's own) that the folder's go.mod pins.

    The first build takes minutes and shows its progress. `config` is None outside pytest; `tags` are build
    constraints, separated by commas.
    """
    name = _name(folder) if package == "." else package.rpartition("/")[2]
    binary = cache_folder().with_name("floe") / f"{name}-{_digest(folder, package, tags)}"
    if not binary.exists():
        with uncaptured(config), locked(binary.with_suffix(".lock")):
            if not binary.exists():
                _build(folder, binary, name, package, tags)
    return binary


def go_module(folder: Path, module: str) -> Path:
    """Return the folder, in Go's own cache, of a module that `folder`'s go.mod pins."""
    done = subprocess.run(
        [find_go(_minimum_go(folder)), "mod", "download", "-json", module],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"go mod download {module} failed:\n{done.stdout}{done.stderr}"
    return Path(json.loads(done.stdout)["Dir"])


def _build(folder: Path, binary: Path, name: str, package: str, tags: str) -> None:
    go = find_go(_minimum_go(folder))
    progress = Progress(f"building {name} with Go {_version(go)} (once, up to 3 minutes)")
    with tempfile.TemporaryDirectory(dir=binary.parent, prefix="build-") as temporary:
        output = Path(temporary) / binary.name
        done = subprocess.run(
            [go, "build", "-tags", tags, "-o", output, package],
            cwd=folder,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        progress.done("done" if done.returncode == 0 else "failed")
        assert done.returncode == 0, f"go build in {folder} failed:\n{done.stdout}"
        output.rename(binary)


_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-trimpath -buildvcs=false -ldflags=-s -mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
"""Overrides the caller's environment, which can set proxies and caches, so that pinned versions are built."""


def _digest(folder: Path, package: str, tags: str) -> str:
    what = (sys.platform, platform.machine(), package.removeprefix("."), tags)
    digest = hashlib.sha256(" ".join(filter(None, what)).encode())
    for file in sorted(file for pattern in _SOURCES for file in folder.glob(pattern)):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _name(folder: Path) -> str:
    return _directive(folder, "module").rpartition("/")[2]


def _minimum_go(folder: Path) -> GoVersion:
    return parse_go_version(_directive(folder, "go"))


def _directive(folder: Path, name: str) -> str:
    found = re.search(rf"^{name} (\S+)$", (folder / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"{folder}/go.mod has no line {name}"
    return found[1]


def _version(go: Path) -> str:
    return ".".join(map(str, go_version(go)))


@contextmanager
def uncaptured(config: pytest.Config | None) -> Iterator[None]:
    """Show what the body prints while it runs."""
    capture = config and config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
    else:
        with capture.global_and_fixture_disabled():
            yield
