"""The pages' commands that install our distributions, run where the index has another project's floe-core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import floe_core
from tests.support import archives, locked
from tests.support.archives import REPOSITORY
from tests.support.distributions import Distribution
from tests.support.documents import Block, blocks
from tests.support.install_commands import by_path, commands

FOLLOWED_ELSEWHERE = REPOSITORY / "docs" / "writing-a-plugin.md"
"""The page that `test_docs_plugin` follows from its first block to its last."""
PAGES = [
    page
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "operator/*.md", "tools/*/*.md")
    for page in sorted(REPOSITORY.glob(pattern))
    if page != FOLLOWED_ELSEWHERE
]
LOCALCLUSTER = REPOSITORY / "tools" / "localcluster"
IN_AN_IMAGE = "Dockerfile"
"""The language of blocks that are not run here: they see an image, not the checkout."""

ANOTHER_PROJECT = Distribution("floe-core", "0.1.0a1", modules={"floe_core/__init__.py": ""})
# As published plugins require floe-core, which lets the other project's release in.
PLUGINS = [
    Distribution(name, version, requires=["floe-core>=0.1.0a1,<0.2.0"])
    for name, version in (("acme-floe-identity", "1.4.0"), ("acme-floe-storage", "2.0.1"))
]


@dataclass(frozen=True)
class Installing:
    """A block of a page that installs something of ours."""

    page: Path
    block: Block

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{commands(self.block.text)[-1]}"


def _installing() -> Iterator[Installing]:
    for page in PAGES:
        for block in blocks(page):
            if block.language != IN_AN_IMAGE and by_path(block.text):
                yield Installing(page, block)


INSTALLING = list(_installing())


def test_each_page_that_installs_ours_is_found() -> None:
    pages = {each.page.relative_to(REPOSITORY) for each in INSTALLING}
    assert pages == {Path("docs/gitops.md"), Path("docs/install.md"), Path("tools/localcluster/README.md")}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the variables with which pip finds third-party packages, plugins, and the other project."""
    folder = tmp_path_factory.mktemp("index")
    found = locked.download(folder, "dev")
    for distribution in (ANOTHER_PROJECT, *PLUGINS):
        distribution.build(folder)
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout, with the wheels of our distributions wherever the pages have them."""
    folder = tmp_path_factory.mktemp("work") / "floe"
    for name in (
        "floe_core",
        "operator",
        "crds",
        "tools/localcluster",
        "pyproject.toml",
        "LICENSE",
    ):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__")
            )
        else:
            shutil.copy(source, folder)
    for project in (folder, folder / "operator", folder / LOCALCLUSTER.relative_to(REPOSITORY)):
        wheel = archives.build_wheel(project, folder.parent / f"wheel-of-{project.name}")
        for place in (folder / "dist", folder / "wheels", project / "dist"):
            place.mkdir(exist_ok=True)
            shutil.copy(wheel, place)
    (folder / "plugins.txt").write_text("".join(f"{each.name}=={each.version}\n" for each in PLUGINS))
    return folder


@pytest.fixture
def work(checkout: Path, tmp_path: Path) -> Path:
    """Return the test's own copy of the checkout."""
    return shutil.copytree(checkout, tmp_path / "floe", symlinks=True)


def test_by_name_pip_takes_the_other_project(index: Mapping[str, str], tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "floe-core"], env=_variables(python, index), check=True
    )
    assert _installed(python)["floe-core"] == ANOTHER_PROJECT.version


@pytest.mark.parametrize("installing", INSTALLING, ids=str)
def test_the_commands_of_a_page_install_ours_into_empty_environments(
    installing: Installing, work: Path, index: Mapping[str, str]
) -> None:
    python = _environment(work.parent / "empty")
    script = "\n".join(commands(installing.block.text))
    page = installing.page.relative_to(REPOSITORY)
    folder = work / page.parent if page.name == "README.md" else work
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=folder,
        env=_variables(python, index),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"

    found = {python: _installed(python) for python in work.parent.glob("**/bin/python")}
    ours = [(python, name) for python, names in found.items() for name in names if name in RUNS]
    assert ours
    for python, name in ours:
        assert found[python][name] == VERSIONS[name]
        program, *arguments = RUNS[name]
        command = [str(python.with_name(program)), *arguments]
        subprocess.run(command, check=True, cwd=work.parent)


VERSIONS = {
    "floe-core": floe_core.__version__,
    "floe-operator": floe_core.__version__,
    "localcluster": tomllib.loads((LOCALCLUSTER / "pyproject.toml").read_text())["project"]["version"],
}
RUNS: Mapping[str, list[str]] = {
    "floe-core": ["python", "-c", "from floe_core import get_registry; get_registry().discover_all()"],
    "floe-operator": ["floe-operator", "list"],
    "localcluster": ["localcluster", "--help"],
}
"""For each of ours, a command that works if it is the right one."""


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


def _variables(python: Path, index: Mapping[str, str]) -> dict[str, str]:
    """Return what a shell has in which the environment of `python` is activated."""
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **index, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1"}


def _installed(python: Path) -> dict[str, str]:
    """Return the versions of the distributions in an environment."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {each["name"]: each["version"] for each in json.loads(done.stdout)}
