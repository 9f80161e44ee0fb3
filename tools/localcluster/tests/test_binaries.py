"""Where the binaries come from: KUBEBUILDER_ASSETS, or a build with Go."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import BuildError, LocalCluster, MissingBinary, UnknownVersion, VersionMismatch
from localcluster.binaries import CONTROL_PLANE, GoModule, build, find_binaries
from localcluster.toolchain import go_version, parse_go_version
from process_table import processes_of


def test_binaries_come_from_kubebuilder_assets_and_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in CONTROL_PLANE:
        (assets / name).symlink_to(find_binaries(version=version) / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with LocalCluster() as cluster:
        assert any(line.startswith(str(assets / "etcd")) for line in processes_of(cluster.folder))
    assert not (tmp_path / "cache").exists()


def test_a_binary_that_kubebuilder_assets_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sys.executable, tmp_path / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(MissingBinary, match=f"{tmp_path} lacks kube-apiserver, kubectl:"):
        LocalCluster().start()


@pytest.fixture
def other_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set KUBEBUILDER_ASSETS to a folder with programs of Kubernetes 1.33, and return the folder."""
    for name in CONTROL_PLANE:
        (tmp_path / name).write_text("#!/bin/sh\necho Kubernetes v1.33.4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return tmp_path


def test_kubebuilder_assets_of_another_version_than_requested_are_refused(
    other_assets: Path,
) -> None:
    says = rf"KUBEBUILDER_ASSETS={other_assets} has Kubernetes 1\.33, but 1\.37 was requested: unset it"
    with pytest.raises(VersionMismatch, match=says):
        LocalCluster(version="1.37").start()


def test_any_version_in_kubebuilder_assets_is_used_if_none_is_requested(other_assets: Path) -> None:
    assert find_binaries() == find_binaries(version="1.33") == other_assets


@pytest.mark.parametrize(("flags", "code"), [(["--version", "1.37"], 1), ([], 0)])
def test_the_command_line_refuses_another_version_too(
    other_assets: Path, flags: list[str], code: int
) -> None:
    command = [sys.executable, "-m", "localcluster", "build", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("has Kubernetes 1.33, but 1.37 was requested" in done.stderr) == bool(code)


def test_an_api_server_in_kubebuilder_assets_that_does_not_run_is_named(other_assets: Path) -> None:
    (other_assets / "kube-apiserver").write_text("not a program")
    with pytest.raises(MissingBinary, match=r"kube-apiserver does not run"):
        find_binaries(version="1.37")


def test_a_second_search_for_binaries_builds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    folder = find_binaries(version=version)
    monkeypatch.setenv("PATH", str(tmp_path))  # no Go
    assert find_binaries(version=version) == folder


def test_an_unknown_version_of_kubernetes_is_an_error_that_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(UnknownVersion, match=r"'1\.9', only .*1\.37"):
        LocalCluster(version="1.9").start()


def test_what_go_says_is_in_the_error_of_a_failed_build(tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/module\n\ngo 1.26.0\n")
    (module / "go.sum").touch()
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(BuildError, match=r"no required module provides package example\.com/absent"):
        build(GoModule(module, {"absent": "example.com/absent"}, {}), ["absent"], output)
    assert not (output / "absent").exists()


def test_a_build_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/module\n\ngo 1.26.0\n")
    (tmp_path / "go.sum").touch()
    (tmp_path / "build-work-killed" / "bin").mkdir(parents=True)
    with pytest.raises(BuildError):
        build(GoModule(tmp_path, {"absent": "example.com/absent"}, {}), ["absent"], tmp_path)
    assert not list(tmp_path.glob("build-work-*"))


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.26.8", (1, 26, 8)), ("1.26", (1, 26)), ("1.27rc1", ()), ("devel +abc", ()), ("", ())],
)
def test_only_releases_of_go_have_a_version(text: str, version: tuple[int, ...]) -> None:
    assert parse_go_version(text) == version


def test_a_go_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "go"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert go_version(broken) == ()
