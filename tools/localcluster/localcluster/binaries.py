"""Finds the binaries in KUBEBUILDER_ASSETS, or builds them from pinned Go modules into the cache.

A binary in the cache is complete as soon as it exists, because it gets there by a rename. So only the
first call ever made has to build; later calls check a few files.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from localcluster.cache import cache_folder, locked
from localcluster.errors import BuildError, MissingBinary, UnknownVersion, VersionMismatch
from localcluster.processes import Process, last_lines
from localcluster.progress import Progress
from localcluster.toolchain import GoVersion, find_go, parse_go_version

CONTROL_PLANE = ("etcd", "kube-apiserver", "kubectl")
CONTROLLER_MANAGER = "kube-controller-manager"
DEFAULT_VERSION = "1.37"
MODULES = Path(__file__).parent / "modules"
_WORK = "build-work-"


@dataclass(frozen=True)
class GoModule:
    """A folder with our own go.mod and go.sum, and the main packages to build from it."""

    folder: Path
    packages: Mapping[str, str]  # import paths, by binary name
    linked_values: Mapping[str, str]  # values of string variables that the linker sets

    @cached_property
    def go_mod(self) -> str:
        return (self.folder / "go.mod").read_text()

    @property
    def minimum_go(self) -> GoVersion:
        match = re.search(r"^go (\S+)$", self.go_mod, re.MULTILINE)
        return parse_go_version(match[1]) if match else ()

    @property
    def ldflags(self) -> str:
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.linked_values.items())])


def available_versions() -> list[str]:
    """Return the minor versions of Kubernetes that this package has modules for, oldest first."""
    names = [folder.name.removeprefix("kubernetes-") for folder in MODULES.glob("kubernetes-*")]
    return sorted(names, key=parse_go_version)


def find_binaries(wanted: Iterable[str] = CONTROL_PLANE, version: str | None = None) -> Path:
    """Return a folder with these binaries; build missing ones first, and show progress on stderr.

    If KUBEBUILDER_ASSETS is set, it names the folder and nothing is built. `version` is a minor version of
    Kubernetes; it defaults to DEFAULT_VERSION, or to whatever KUBEBUILDER_ASSETS has.

    Raises:
        VersionMismatch: KUBEBUILDER_ASSETS has a different version than requested.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return _check_assets(Path(assets), list(wanted), version)
    version = version or DEFAULT_VERSION
    modules = _modules(version)
    folder = cache_folder() / f"{version}-{_digest(modules)}"
    if missing := _missing(folder, wanted):
        with locked(folder.with_name(f"{folder.name}.lock")):
            missing = _missing(folder, wanted)  # another process may have built them
            folder.mkdir(exist_ok=True)
            for module in modules:
                if names := [name for name in missing if name in module.packages]:
                    build(module, names, folder)
    return folder


def _check_assets(folder: Path, wanted: Iterable[str], version: str | None) -> Path:
    if missing := _missing(folder, wanted):
        raise MissingBinary(
            f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(missing)}: "
            "point it at a folder that has everything, or unset it to build everything"
        )
    if version is not None and (found := _kubernetes_version(folder / "kube-apiserver")) != version:
        raise VersionMismatch(
            f"KUBEBUILDER_ASSETS={folder} has Kubernetes {found}, but {version} was requested: "
            f"unset it to build {version}, or do not request a version"
        )
    return folder.absolute()


def _kubernetes_version(api_server: Path) -> str:
    """Return the minor version, such as "1.37", that a kube-apiserver reports.

    Raises:
        MissingBinary: The kube-apiserver does not run or does not report its version.
    """
    try:
        done = subprocess.run(
            [api_server, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingBinary(f"{api_server} does not run: {error}") from error
    found = re.match(r"Kubernetes v(\d+\.\d+)\.", done.stdout)
    if found is None:
        raise MissingBinary(f"{api_server} does not report its Kubernetes version: {done.stdout[:100]!r}")
    return found[1]


def _missing(folder: Path, wanted: Iterable[str]) -> list[str]:
    return [name for name in wanted if not os.access(folder / name, os.X_OK)]


def _modules(version: str) -> list[GoModule]:
    folder = MODULES / f"kubernetes-{version}"
    if not folder.is_dir():
        raise UnknownVersion(f"no modules for Kubernetes {version!r}, only {', '.join(available_versions())}")
    return [
        GoModule(MODULES / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, {}),
        _kubernetes(folder),
    ]


def _kubernetes(folder: Path) -> GoModule:
    go_mod = (folder / "go.mod").read_text()
    pinned = re.search(r"^(?:require )?\s*k8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)\b", go_mod, re.MULTILINE)
    assert pinned is not None, folder
    # As Kubernetes' own build sets them (hack/lib/version.sh); `kubectl version` shows them.
    values = {
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in {
            "gitVersion": f"v{pinned[1]}",
            "gitTreeState": "clean",
            "gitMajor": pinned[2],
            "gitMinor": pinned[3],
        }.items()
    }
    names = ("kube-apiserver", "kubectl", CONTROLLER_MANAGER)
    return GoModule(folder, {name: f"k8s.io/kubernetes/cmd/{name}" for name in names}, values)


def _digest(modules: Iterable[GoModule]) -> str:
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()}".encode())
    for module in modules:
        digest.update(f"{sorted(module.packages.items())} {module.ldflags}".encode())
        digest.update(module.go_mod.encode())
        digest.update((module.folder / "go.sum").read_bytes())
    return digest.hexdigest()[:16]


def build(module: GoModule, names: Sequence[str], folder: Path) -> None:
    """Build a module's binaries into a folder that is already locked.

    Raises:
        BuildError: The Go build failed.
    """
    go = find_go(module.minimum_go)
    for left in folder.glob(f"{_WORK}*"):  # left by a build killed together with its supervisor
        shutil.rmtree(left, ignore_errors=True)
    progress = Progress(f"building {', '.join(names)} (once, takes a few minutes)")
    with tempfile.TemporaryDirectory(dir=folder, prefix=_WORK) as temporary:
        work = Path(temporary)
        for name in ("go.mod", "go.sum"):  # this package's folder may not be writable
            shutil.copyfile(module.folder / name, work / name)
        output = work / "bin"
        output.mkdir()
        packages = [module.packages[name] for name in names]
        command = [str(go), "build", "-v", "-o", f"{output}/", "-ldflags", module.ldflags, *packages]
        log = folder / f"build-{module.folder.name}.log"
        log.unlink(missing_ok=True)
        process = Process(command, log=log, cwd=work, env=_go_environment(), remove_when_abandoned=work)
        try:
            status = _watch(process, progress)
        finally:
            process.kill()
        if status != 0:
            progress.done("failed")
            raise BuildError(f"{go} build failed; the end of {log}:\n{last_lines(log)}")
        for name in names:
            built = output / _executable(module.packages[name])
            with built.open("rb") as file:
                os.fsync(file.fileno())  # or it might exist but be empty after a power failure
            built.rename(folder / name)
    progress.done()


def _executable(package: str) -> str:
    """Return the name `go build` gives a binary: the last path element that is not a major version."""
    *_, parent, last = package.split("/")
    return parent if re.fullmatch(r"v\d+", last) else last


def _watch(process: Process, progress: Progress) -> int:
    """Show how many modules and packages the log lists until the build ends; return its exit status."""
    downloaded = compiled = 0
    with process.log.open(errors="replace") as log:
        while True:
            status = process.poll()
            for line in log:
                if line.startswith("go: downloading"):
                    downloaded += 1
                else:
                    compiled += 1
            if status is not None:
                return status
            progress.update(f"{downloaded} modules downloaded, {compiled} packages compiled")
            time.sleep(0.2)


def _go_environment() -> dict[str, str]:
    """Return the caller's environment (proxies, caches) without what would change the pinned build."""
    unwanted = ("GOOS", "GOARCH", "GOBIN", "GOEXPERIMENT")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {
        **kept,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
