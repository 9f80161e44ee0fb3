"""Environments whose floe-core is missing, another project's, another version, or there twice."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import floe_core
from tests.integration.conftest import StartOperator
from tests.support import archives
from tests.support.archives import REPOSITORY
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

VERSION = floe_core.__version__
FLOE_OPERATOR = Path(sys.executable).with_name("floe-operator")

# Like the project of that name on the public index: no plugin host, and its package imports much at once.
ANOTHER_PROJECT = Distribution(
    "floe-core", "0.1.0a1", modules={"floe_core/__init__.py": "print('hello')\nimport nothing_of_this_name\n"}
)
SPEAKS_ANOTHER_PROTOCOL = """
import json

def main():
    said = {"protocol": 99, "floe_core": "0.0.9", "python": "3", "platform_api_version": "1.0"}
    print(json.dumps({"jsonrpc": "2.0", "method": "ready", "params": said}))
"""
OLDER = Distribution(
    "floe-core",
    "0.0.9",
    modules={
        "floe_core/__init__.py": "",
        "floe_core/_version.py": '__version__ = "0.0.9"\n',
        "floe_core/host/__init__.py": "",
        "floe_core/host/__main__.py": SPEAKS_ANOTHER_PROTOCOL,
    },
)
METADATA_OF_AN_OLDER = Distribution("floe-core", "0.0.9")


@dataclass(frozen=True)
class Bare:
    """A virtual environment without pip and without any requirement."""

    python: Path
    site_packages: Path

    @classmethod
    def create(cls, folder: Path) -> Bare:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return cls(folder / "bin" / "python", folder / "lib" / version / "site-packages")


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare.create(tmp_path / "bare")


def ours_in(folder: Path) -> None:
    """Unpack this checkout's floe-core into a folder of the path, as an installer does."""
    wheel = archives.build_wheel(REPOSITORY, folder.parent / f"wheels-of-{folder.name}")
    archives.unpack(wheel, folder)


def listed(python: Path) -> subprocess.CompletedProcess[str]:
    command = [str(FLOE_OPERATOR), "list", "--plugin-python", str(python)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def way_out(python: Path) -> str:
    return f"install floe-core {VERSION} with {python} -m pip, from the release or the checkout"


@pytest.mark.parametrize(
    ("installed", "finds"),
    [
        (None, "floe-core is not installed"),
        (
            ANOTHER_PROJECT,
            "another project's code in {site}/floe_core (installed: floe-core 0.1.0a1 in {site})",
        ),
        (
            METADATA_OF_AN_OLDER,
            "there is no package floe_core (installed: floe-core 0.0.9 in {site})",
        ),
    ],
    ids=["none", "another project's", "metadata alone"],
)
def test_list_says_which_floe_core_a_plugin_environment_has_instead(
    bare: Bare, installed: Distribution | None, finds: str
) -> None:
    if installed:
        installed.unpack(bare.site_packages)
    said = listed(bare.python)
    assert (said.returncode, said.stdout) == (2, "")
    needs = f"floe-operator list: The plugin host of {bare.python} needs floe-core {VERSION}, but "
    assert said.stderr.startswith(needs)
    assert f"{finds.format(site=bare.site_packages)}: {way_out(bare.python)}" in said.stderr
    assert said.stderr.count("\n") == 1


def test_list_says_where_the_floe_core_with_another_protocol_is(bare: Bare) -> None:
    OLDER.unpack(bare.site_packages)
    said = listed(bare.python)
    assert (said.returncode, said.stdout) == (2, "")
    assert f"floe-core 0.0.9 of {bare.python} speaks protocol 99" in said.stderr
    assert f"finds floe-core 0.0.9 in {bare.site_packages}/floe_core" in said.stderr
    assert way_out(bare.python) in said.stderr


def test_list_names_each_of_two_versions_when_the_first_does_not_fit(bare: Bare, tmp_path: Path) -> None:
    OLDER.unpack(bare.site_packages)
    second = tmp_path / "second"
    ours_in(second)
    (bare.site_packages / "second.pth").write_text(f"{second}\n")
    said = listed(bare.python)
    assert said.returncode == 2
    both = f"(installed: floe-core 0.0.9 in {bare.site_packages} and floe-core {VERSION} in {second})"
    assert f"{both}: uninstall floe-core until none is left, then install" in said.stderr


@pytest.fixture
def with_two_versions(environment: Environment) -> Environment:
    """Return an environment for plugins that runs this floe-core, and has metadata of another, too."""
    METADATA_OF_AN_OLDER.unpack(environment.site_packages)
    return environment


def inconsistent(environment: Environment) -> str:
    """Return what is said of the environment."""
    return (
        f"version {VERSION} runs, from {environment.folder}/shared/floe_core, "
        f"but installed is 0.0.9 in {environment.site_packages}: "
        f"uninstall floe-core until none is left, then install {VERSION}"
    )


def test_list_warns_of_a_floe_core_that_is_not_the_one_that_runs(with_two_versions: Environment) -> None:
    said = listed(with_two_versions.python)
    assert said.returncode == 0
    assert said.stderr == f"warning: floe-core: {inconsistent(with_two_versions)}\n"


def test_list_names_every_place_of_two_versions_of_floe_core(with_two_versions: Environment) -> None:
    shared = with_two_versions.folder / "shared"
    Distribution("floe-core", VERSION).unpack(shared)
    said = listed(with_two_versions.python)
    places = sorted([f"{VERSION} in {shared}", f"0.0.9 in {with_two_versions.site_packages}"])
    assert said.returncode == 0
    assert all(place in said.stderr for place in places)


def test_the_same_version_in_two_places_is_no_fault(environment: Environment) -> None:
    for folder in (environment.site_packages, environment.folder / "shared"):
        Distribution("floe-core", VERSION).unpack(folder)
    assert listed(environment.python).stderr == ""


def test_a_registry_in_any_process_logs_it_once(with_two_versions: Environment) -> None:
    code = "from floe_core import get_registry; r = get_registry(); r.discover_all(); r.discover_all()"
    said = with_two_versions.run(code)
    assert said.returncode == 0
    said_once = said.stdout + said.stderr
    assert said_once.count("The installation of floe-core is inconsistent") == 1
    assert said_once.count(f"0.0.9 in {with_two_versions.site_packages}") == 1


def test_run_warns_of_it_once_and_goes_on(
    with_two_versions: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    with_two_versions.add(plugin_distribution("one"))
    operator = start_operator()
    floeplugins.until("compute-one", "Ready", "Ready")
    with_two_versions.add(plugin_distribution("two"))  # found by a later scan
    floeplugins.until("compute-two", "Ready", "Ready")
    warnings = [line for line in operator.lines() if "floe-core" in str(line.get("message"))]
    assert [(line["level"], line["reason"]) for line in warnings] == [
        ("warning", inconsistent(with_two_versions))
    ]


def test_run_says_which_floe_core_it_found_and_takes_up_the_right_one_once_it_is_installed(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.add(plugin_distribution("one"))
    ours = environment.folder / "shared" / "floe_core"
    right = ours.readlink()
    ours.unlink()
    ANOTHER_PROJECT.unpack(environment.site_packages)
    operator = start_operator()
    eventually(
        lambda: operator.logged("floe-core 0.1.0a1 in", str(environment.site_packages), "install floe-core"),
        saying="the log names the distribution, where it is and what to do",
    )
    assert floeplugins.all() == {}

    environment.uninstall("floe-core")
    ours.symlink_to(right)
    floeplugins.until("compute-one", "Ready", "Ready")


def operator_in(bare: Bare) -> None:
    """Unpack this checkout's floe-operator into the environment, without what it requires."""
    wheel = archives.build_wheel(REPOSITORY / "operator", bare.site_packages.parent / "wheels")
    archives.unpack(wheel, bare.site_packages)


def started(bare: Bare, command: str) -> subprocess.CompletedProcess[str]:
    program = [str(bare.python), "-m", "floe_operator", command]
    return subprocess.run(program, capture_output=True, text=True, check=False, cwd=bare.site_packages.parent)


@pytest.mark.parametrize("command", ["run", "list"])
@pytest.mark.parametrize(
    ("installed", "finds"),
    [
        (None, "floe-core is not installed"),
        (
            ANOTHER_PROJECT,
            "finds another project's code in {site}/floe_core (installed: floe-core 0.1.0a1 in {site})",
        ),
        (OLDER, "finds floe-core 0.0.9 in {site}/floe_core (installed: floe-core 0.0.9 in {site})"),
    ],
    ids=["none", "another project's", "another version"],
)
def test_the_operator_names_the_floe_core_it_has_instead_of_its_own(
    bare: Bare, installed: Distribution | None, finds: str, command: str
) -> None:
    operator_in(bare)
    if installed:
        installed.unpack(bare.site_packages)
    said = started(bare, command)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith(f"floe-operator {VERSION} needs floe-core {VERSION}, but ")
    assert finds.format(site=bare.site_packages) in said.stderr
    assert way_out(bare.python) in said.stderr
    assert said.stderr.count("\n") == 1


def test_the_operator_names_a_requirement_that_is_missing(bare: Bare) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    said = started(bare, "list")
    assert said.returncode == 1
    assert said.stderr.startswith("floe-operator needs ")
    assert said.stderr.count("\n") == 1
    assert f"{bare.python} -m pip check" in said.stderr
