"""The distributions floe-core and floe-operator: what their archives hold, and what runs once installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import floe_core
from tests.support import archives, locked
from tests.support.archives import REPOSITORY, Archives
from tests.support.distributions import Environment, plugin_distribution

VERSION = floe_core.__version__
CORE, OPERATOR = REPOSITORY / "floe_core", REPOSITORY / "operator" / "floe_operator"
OF_THE_OPERATOR = ("floe_operator", "kopf", "kubernetes", "aiohttp", "prometheus_client", "pydantic_settings")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return archives.build(REPOSITORY, tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return archives.build(REPOSITORY / "operator", tmp_path_factory.mktemp("operator"))


def contents(wheel: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    (text,) = (text for name, text in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(text.decode())


def sources(package: Path) -> dict[str, bytes]:
    """Return the contents of a package in the checkout, as a wheel must hold them."""
    left_out = {"__pycache__", "README.md"}
    files = (each for each in package.rglob("*") if each.is_file() and not left_out & {*each.parts})
    return {str(each.relative_to(package.parent)): each.read_bytes() for each in files}


def test_the_wheel_of_floe_core_holds_floe_core_and_nothing_else(core: Archives) -> None:
    files = contents(core.wheel)
    info = f"floe_core-{VERSION}.dist-info"
    assert {name: text for name, text in files.items() if not name.startswith(info)} == sources(CORE)
    assert sorted(name for name in files if name.startswith(info)) == [
        f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")
    ]


def test_the_wheel_of_floe_operator_holds_the_operator_and_the_crd_and_nothing_else(
    operator: Archives,
) -> None:
    files = contents(operator.wheel)
    info = f"floe_operator-{VERSION}.dist-info"
    assert {name: text for name, text in files.items() if not name.startswith(info)} == sources(OPERATOR)
    assert files["floe_operator/crd.yaml"] == (REPOSITORY / "crds/floeplugins.floe.dev.yaml").read_bytes()
    assert sorted(name for name in files if name.startswith(info)) == [
        f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    ]


@pytest.mark.parametrize("project", [REPOSITORY, REPOSITORY / "operator"], ids=["core", "operator"])
def test_a_wheel_is_the_same_from_the_checkout_and_from_the_sdist(
    project: Path, core: Archives, operator: Archives, tmp_path: Path
) -> None:
    wheels = (archives.build_wheel(project, tmp_path), (core if project == REPOSITORY else operator).wheel)
    # The order of files in RECORD, and so its content, can differ.
    from_checkout, from_sdist = (
        {name: text for name, text in contents(wheel).items() if not name.endswith("/RECORD")}
        for wheel in wheels
    )
    assert from_checkout == from_sdist


def test_an_sdist_holds_no_links(core: Archives, operator: Archives) -> None:
    for sdist in (core.sdist, operator.sdist):
        with tarfile.open(sdist) as archive:
            assert [member.name for member in archive if not member.isfile()] == []


def test_both_have_the_one_version_and_the_operator_requires_floe_core_of_it(
    core: Archives, operator: Archives
) -> None:
    assert str(Version(VERSION)) == VERSION
    assert [metadata(each.wheel)["Version"] for each in (core, operator)] == [VERSION, VERSION]
    requires = [Requirement(each) for each in metadata(operator.wheel).get_all("Requires-Dist", [])]
    assert [str(each) for each in requires if each.name == "floe-core"] == [f"floe-core=={VERSION}"]


def test_requirements_have_no_extras_and_those_of_floe_core_are_the_promised_ones(
    core: Archives, operator: Archives
) -> None:
    assert [metadata(each.wheel).get_all("Provides-Extra") for each in (core, operator)] == [None, None]
    names = {Requirement(each).name for each in metadata(core.wheel).get_all("Requires-Dist", [])}
    assert names == {"packaging", "pydantic", "pydantic-core", "structlog", "typing-extensions"}


def test_what_both_require_has_the_same_bounds(core: Archives, operator: Archives) -> None:
    bounds = [
        {each.name: each.specifier for each in map(Requirement, metadata(wheel).get_all("Requires-Dist", []))}
        for wheel in (core.wheel, operator.wheel)
    ]
    both = bounds[0].keys() & bounds[1].keys()
    assert both
    assert {name: bounds[0][name] for name in both} == {name: bounds[1][name] for name in both}


def test_the_readme_of_each_is_in_its_metadata(core: Archives, operator: Archives) -> None:
    for each, readme in ((core, CORE / "README.md"), (operator, REPOSITORY / "operator" / "README.md")):
        assert metadata(each.wheel).get_payload() == readme.read_text()


@pytest.fixture(scope="module")
def with_core(core: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment into which pip installed floe-core alone."""
    folder = tmp_path_factory.mktemp("with-core")
    return _installed(folder, locked.offline_index(folder / "index", "floe-core"), core.wheel)


@pytest.fixture(scope="module")
def with_both(core: Archives, operator: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment into which one command of pip installed both wheels."""
    folder = tmp_path_factory.mktemp("with-both")
    return _installed(folder, locked.offline_index(folder / "index", "operator"), core.wheel, operator.wheel)


def _installed(folder: Path, index: Mapping[str, str], *wheels: Path) -> Path:
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    run(python, "-m", "pip", "install", "--no-compile", *map(str, wheels), **index)
    run(python, "-m", "pip", "check")
    return python


def run(program: Path, *arguments: str, **variables: str) -> str:
    """Run a program with no variables but PATH and these, away from the checkout; return what it prints."""
    environment = {"PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(
        [program, *arguments],
        cwd=program.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


IMPORT_ALL = """
import importlib, pkgutil, sys
import floe_core
for module in pkgutil.walk_packages(floe_core.__path__, "floe_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if "." not in name))
"""


def test_floe_core_alone_imports_nothing_of_the_operator_and_brings_no_command(with_core: Path) -> None:
    imported = run(with_core, "-c", IMPORT_ALL).split()
    assert "floe_core" in imported
    assert not set(imported) & set(OF_THE_OPERATOR)
    assert not (with_core.parent / "floe-operator").exists()


def test_floe_core_alone_is_all_that_a_plugin_host_needs(with_core: Path, with_both: Path) -> None:
    command = with_both.with_name("floe-operator")
    said = run(command, "list", "--output", "json", "--plugin-python", str(with_core))
    assert json.loads(said) == []


@pytest.mark.parametrize("command", [["floe-operator"], ["python", "-m", "floe_operator"]], ids=len)
def test_the_operator_runs_where_both_are_installed(with_both: Path, command: list[str]) -> None:
    program, *arguments = command
    said = run(with_both.with_name(program), *arguments, "--version")
    assert said == f"floe-operator {VERSION}\n"


def test_every_command_of_the_installed_operator_starts(with_both: Path, tmp_path: Path) -> None:
    command = with_both.with_name("floe-operator")
    assert "run" in run(command, "run", "--help")
    assert run(command, "list", "--output", "json") == "[]\n"
    plugins = Environment.create(tmp_path / "plugins")
    plugins.add(plugin_distribution("duckdb"))
    run(command, "schema", "--all", "--dir", str(tmp_path), "--plugin-python", str(plugins.python))
    assert (tmp_path / "floe.dev" / "floeplugin_v1alpha1.json").is_file()
    manifest = REPOSITORY / "examples" / "manifests" / "compute-duckdb.yaml"
    run(command, "validate", "--allow-missing-plugins", "-f", str(manifest))


def test_the_classifiers_promise_the_pythons_that_are_required() -> None:
    for project in (REPOSITORY, REPOSITORY / "operator"):
        table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        pythons = [each.rpartition(" :: ")[2] for each in table["classifiers"] if "Python :: 3." in each]
        assert table["requires-python"] == f">={pythons[0]}"
