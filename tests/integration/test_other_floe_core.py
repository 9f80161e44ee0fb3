"""Environments whose floe-core is missing, another project's, another version, or there twice."""

from __future__ import annotations

import os
import shutil
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


def listed(python: Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `floe-operator list` on an environment, in this working directory."""
    command = [str(FLOE_OPERATOR), "list", "--plugin-python", str(python)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=60)


def way_out(python: Path) -> str:
    return f"run `{python} -m pip install PATH`, where PATH is the wheel of floe-core {VERSION} or"


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
    assert f"{finds.format(site=bare.site_packages)}: " in said.stderr
    assert way_out(bare.python) in said.stderr
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
    assert (
        f"{both}: repeat `{bare.python} -m pip uninstall floe-core` until none is left, taking" in said.stderr
    )


def test_list_names_both_projects_when_their_files_lie_in_one_folder(bare: Bare) -> None:
    ours_in(bare.site_packages)
    ANOTHER_PROJECT.unpack(bare.site_packages)  # as `pip install --target` or a broken upgrade leaves them
    said = listed(bare.python)
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (2, "", 1)
    assert f"needs floe-core {VERSION} and no other, but `import floe_core` finds" in said.stderr
    for version in (VERSION, ANOTHER_PROJECT.version):
        assert f"floe-core {version} in {bare.site_packages}" in said.stderr
    assert "uninstall floe-core` until none is left, taking" in said.stderr


def test_nothing_in_the_working_directory_is_run(bare: Bare, tmp_path: Path) -> None:
    for module in ("json", "dataclasses", "floe_core"):
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\n")
    said = listed(bare.python, tmp_path)
    assert "but floe-core is not installed" in said.stderr
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "survey", ["sleep 600", "sleep 600 & exit 1", "yes", "printf '\\377\\n'", "echo '{}'", "exit 1"]
)
def test_an_interpreter_that_cannot_be_asked_is_reported_as_a_host_that_did_not_start(
    tmp_path: Path, survey: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *faulthandler*) exit 3 ;; esac\n{survey}\n')
    python.chmod(0o755)
    said = listed(python)
    ended = "did not become ready; it exited with status 3"
    assert (said.returncode, said.stderr) == (2, f"floe-operator list: {python} -m floe_core.host {ended}\n")


def test_what_an_interpreter_leaves_running_delays_no_answer_and_is_ended(bare: Bare, tmp_path: Path) -> None:
    wrapper, left = tmp_path / "python", tmp_path / "left"
    wrapper.write_text(f'#!/bin/sh\nsleep 600 &\necho $! >>{left}\nexec {bare.python} "$@"\n')
    wrapper.chmod(0o755)
    assert "but floe-core is not installed" in listed(wrapper).stderr
    pids = [int(line) for line in left.read_text().split()]
    assert len(pids) >= 2  # the host's and the survey's
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), saying="no child is left")


def test_a_floe_core_that_never_ends_its_import_is_named(bare: Bare) -> None:
    Distribution(
        "floe-core", "0.1.0a1", modules={"floe_core/__init__.py": "import time\ntime.sleep(600)\n"}
    ).unpack(bare.site_packages)
    assert f"floe-core 0.1.0a1 in {bare.site_packages}" in listed(bare.python).stderr


def test_an_older_floe_core_of_ours_that_no_distribution_brought_is_to_be_taken_off_the_path(
    bare: Bare, tmp_path: Path
) -> None:
    ours_in(bare.site_packages)
    elsewhere = tmp_path / "elsewhere"
    OLDER.unpack(elsewhere)
    shutil.rmtree(elsewhere / "floe_core-0.0.9.dist-info")
    (bare.site_packages / "first.pth").write_text(f"import sys; sys.path.insert(0, {str(elsewhere)!r})\n")
    assert f": take {elsewhere} off the path" in listed(bare.python).stderr


@pytest.fixture
def with_two_versions(environment: Environment) -> Environment:
    """Return an environment for plugins that runs this floe-core, and has metadata of another, too."""
    METADATA_OF_AN_OLDER.unpack(environment.site_packages)
    return environment


def inconsistent(environment: Environment) -> str:
    """Return what is said of the environment."""
    return (
        f"the code in {environment.folder}/shared/floe_core is floe-core {VERSION}, "
        f"but the metadata on the path says 0.0.9 in {environment.site_packages}: "
        "uninstall floe-core until none is left, or take those folders off the path, "
        f"then install floe-core {VERSION} from its checkout or its wheel, not by name"
    )


def test_list_warns_of_a_floe_core_of_another_release_than_the_operator(tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(REPOSITORY / "floe_core", release / "floe_core")
    (release / "floe_core" / "_version.py").write_text('__version__ = "0.1.99"\n')
    environment = Environment.create(tmp_path / "plugins")
    core = environment.folder / "shared" / "floe_core"
    core.unlink()
    core.symlink_to(release / "floe_core")
    said = listed(environment.python)
    warning = f"{environment.python} has floe-core 0.1.99, but this is floe-operator {VERSION}: run"
    assert said.returncode == 0
    assert said.stderr.startswith(f"warning: floe-core: {warning}")


def test_list_warns_of_a_floe_core_that_is_not_the_one_that_runs(with_two_versions: Environment) -> None:
    said = listed(with_two_versions.python)
    assert said.returncode == 0
    assert said.stderr.splitlines()[0] == f"warning: floe-core: {inconsistent(with_two_versions)}"


def test_list_names_every_place_of_two_versions_of_floe_core(with_two_versions: Environment) -> None:
    shared = with_two_versions.folder / "shared"
    Distribution("floe-core", VERSION).unpack(shared)
    said = listed(with_two_versions.python)
    places = [f"{VERSION} in {shared}", f"0.0.9 in {with_two_versions.site_packages}"]
    assert said.returncode == 0
    assert all(place in said.stderr for place in places)


def test_the_same_version_in_two_places_is_no_fault(environment: Environment) -> None:
    for folder in (environment.site_packages, environment.folder / "shared"):
        Distribution("floe-core", VERSION).unpack(folder)
    assert "floe-core" not in listed(environment.python).stderr


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
        lambda: operator.logged("floe-core 0.1.0a1 in", str(environment.site_packages), "pip install PATH"),
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


def started(bare: Bare, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(bare.python), "-m", "floe_operator", command],
        env={**os.environ, **variables},
        cwd=bare.site_packages.parent,
        capture_output=True,
        text=True,
        check=False,
    )


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


@pytest.mark.parametrize(
    ("files", "finds"),
    [
        ({"floe_core/__pycache__/x.pyc": b""}, "a folder without __init__.py in {site}/floe_core"),
        ({"floe_core.py": b""}, "a single module in {site}/floe_core.py"),
        (
            {"floe_core/__init__.py": b"", "floe_core/_version.py/x": b""},
            "code that cannot be read (Is a directory) in {site}/floe_core",
        ),
        (
            {"floe_core/__init__.py": b"", "floe_core/_version.py": b'__version__ = "\xff"\r\n'},
            "floe-core \N{REPLACEMENT CHARACTER} in {site}/floe_core",
        ),
        (
            {"floe_core-0.0.9.dist-info/METADATA": b"Name: floe-core\nVersion: \xff\n"},
            "(installed: floe-core of an unknown version in {site})",
        ),
        ({"floe_core-0.0.9.dist-info/x": b""}, "floe-core is not installed"),
    ],
    ids=["leftover cache", "module", "unreadable", "odd version", "damaged metadata", "leftover metadata"],
)
def test_the_operator_says_what_is_there_whatever_it_is(
    bare: Bare, files: dict[str, bytes], finds: str
) -> None:
    operator_in(bare)
    for name, content in files.items():
        file = bare.site_packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    said = started(bare, "list")
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    assert finds.format(site=bare.site_packages) in said.stderr


def test_a_floe_core_from_a_checkout_with_windows_line_ends_is_ours(bare: Bare) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    version = bare.site_packages / "floe_core" / "_version.py"
    version.write_bytes(version.read_bytes().replace(b"\n", b"\r\n"))
    assert started(bare, "list").stderr.startswith("floe-operator needs ")


def test_code_that_no_distribution_brought_is_to_be_taken_off_the_path(bare: Bare, tmp_path: Path) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "floe_core").mkdir(parents=True)
    (elsewhere / "floe_core" / "__init__.py").touch()
    said = started(bare, "list", PYTHONPATH=str(elsewhere))
    assert f"another project's code in {elsewhere}/floe_core" in said.stderr
    assert f": take {elsewhere} off the path" in said.stderr


def test_the_operator_names_both_projects_when_their_files_lie_in_one_folder(bare: Bare) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    ANOTHER_PROJECT.unpack(bare.site_packages)
    said = started(bare, "list")
    assert (said.returncode, said.stdout.replace("hello\n", ""), said.stderr.count("\n")) == (1, "", 1)
    for version in (VERSION, ANOTHER_PROJECT.version):
        assert f"floe-core {version} in {bare.site_packages}" in said.stderr


def test_a_path_that_does_not_fit_into_a_line_is_escaped(tmp_path: Path) -> None:
    bare = Bare.create(tmp_path / "a\nb")
    said = listed(bare.python)
    assert f"run `'{tmp_path}/a\\nb/bin/python' -m pip install" in said.stderr
    assert said.stderr.count("\n") == 1


def test_the_operator_names_a_requirement_that_is_missing(bare: Bare) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    said = started(bare, "list")
    assert said.returncode == 1
    assert said.stderr.startswith("floe-operator needs ")
    assert said.stderr.count("\n") == 1
    assert f"{bare.python} -m pip check" in said.stderr


def test_the_operator_names_a_requirement_that_does_not_fit(bare: Bare) -> None:
    operator_in(bare)
    ours_in(bare.site_packages)
    Distribution("pydantic", "0.1", modules={"pydantic/__init__.py": ""}).unpack(bare.site_packages)
    said = started(bare, "list")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "floe-operator needs pydantic, which cannot be imported (cannot import name" in said.stderr
