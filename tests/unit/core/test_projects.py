"""Which distribution stands for a project if several could: METADATA decides, and no order of a directory."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe_core._finding.discovery import Scan, scan
from floe_core.plugin_types import PluginType, normalize_name, plugin_id
from tests.support.distributions import Distribution
from tests.unit.core.conftest import Site

ORDERS = range(12)


@pytest.fixture(params=ORDERS, ids=lambda seed: f"order {seed}")
def any_order(request: pytest.FixtureRequest) -> Iterator[None]:
    with listed_in_order(request.param):
        yield


@contextmanager
def listed_in_order(seed: int) -> Iterator[None]:
    """List directories in a random order while the block runs: a file system may choose any."""
    scandir = os.scandir

    class Shuffled:
        def __init__(self, folder: str) -> None:
            with scandir(folder) as children:
                self.children = sorted(children, key=lambda child: child.name)
            random.Random(seed).shuffle(self.children)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self.children)

        def __exit__(self, *_: object) -> None: ...

        def __iter__(self) -> Iterator[os.DirEntry[str]]:  # pytest lists directories, too
            return iter(self.children)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", Shuffled)
        yield


def alpha(version: str, plugin: str = "alpha", name: str = "floe-alpha") -> Distribution:
    claims = {"floe.computes": {plugin: "floe_alpha:Plugin"}}
    return Distribution(name, version, claims, {"floe_alpha.py": f"VERSION = {version!r}\n"})


def installed(site: Site, distribution: Distribution, folder: str = "") -> Path:
    """Install it, and return its metadata directory, which gets the name `folder` if there is one."""
    before = set(site.folder.iterdir())
    site.add(distribution)
    (info,) = (path for path in {*site.folder.iterdir()} - before if path.name.endswith(".dist-info"))
    return info.rename(site.folder / folder) if folder else info


def found_in(found: Scan) -> dict[str, str]:
    """Return the version of each plugin by name."""
    return {plugin.name: claim.distribution.version for plugin, claim in found.plugins.items()}


def scanned(*sites: Site) -> Scan:
    return scan([str(site.folder) for site in sites])


def another(site: Site, name: str) -> Site:
    folder = site.folder.parent / name
    folder.mkdir()
    return Site(folder)


@pytest.mark.usefixtures("any_order")
def test_projects_whose_directories_begin_alike_are_told_apart_by_their_metadata(site: Site) -> None:
    for plugin in ("compute-alpha", "storage-beta", "compute"):
        installed(site, alpha("0.1.0", plugin, f"floe-{plugin}"), f"floe-{plugin}-0.1.0.dist-info")
    found = scanned(site)
    assert found_in(found) == {"compute": "0.1.0", "compute-alpha": "0.1.0", "storage-beta": "0.1.0"}
    assert (found.complete, found.unreadable, found.distributions) == (True, (), 3)
    assert {claim.distribution.name for claim in found.plugins.values()} == {
        "floe-compute",
        "floe-compute-alpha",
        "floe-storage-beta",
    }


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize(
    ("versions", "used"),
    [
        (("0.1.0", "0.2.0"), "0.2.0"),
        (("0.9.0", "0.10.0"), "0.10.0"),
        (("1.0.0", "1.0.0rc1"), "1.0.0"),
        (("1.0.0", "nonsense"), "1.0.0"),
        (("1.0.0", "1.0.0.post1", "1.0.0.dev3"), "1.0.0.post1"),
    ],
)
def test_of_several_releases_in_one_directory_the_newest_is_used_and_the_choice_is_damage(
    site: Site, versions: tuple[str, ...], used: str
) -> None:
    for version in versions:
        (installed(site, alpha(version)) / "RECORD").unlink()
    found = scanned(site)
    assert found_in(found) == {"alpha": used}
    assert not found.complete
    (damage,) = found.unreadable
    assert (damage.where, damage.project) == (str(site.folder), "floe-alpha")
    assert f"floe_alpha-{used}.dist-info is used, as the newest: uninstall floe-alpha until" in damage.detail
    assert all(f"floe_alpha-{version}.dist-info" in damage.detail for version in versions)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("last", ["0.1.0", "0.2.0"])
def test_of_several_releases_in_one_directory_the_one_whose_files_an_import_finds_is_used(
    site: Site, last: str
) -> None:
    for version in sorted(("0.1.0", "0.2.0"), key=lambda each: each == last):
        installed(site, alpha(version))
    found = scanned(site)
    assert found_in(found) == {"alpha": last}
    assert not found.complete
    assert f"{last}.dist-info is used, as its files are the installed ones:" in found.unreadable[0].detail


@pytest.mark.usefixtures("any_order")
def test_a_newer_release_that_declares_nothing_hides_the_plugin_and_is_named(site: Site) -> None:
    (installed(site, alpha("0.1.0")) / "RECORD").unlink()
    installed(site, Distribution("floe-alpha", "0.2.0"))
    found = scanned(site)
    assert found_in(found) == {}
    assert [(each.plugins_unknown, each.project) for each in found.unreadable] == [(True, "floe-alpha")]


@pytest.mark.usefixtures("any_order")
def test_two_directories_that_say_the_same_are_no_choice(site: Site) -> None:
    info = installed(site, alpha("0.1.0"))
    entries = info / "entry_points.txt"
    entries.write_text("[floe.computes]\nalpha = floe_alpha:Plugin\nbeta = floe_alpha:Plugin\n")
    other = shutil.copytree(info, site.folder / "floe.alpha-0.1.dist-info")
    (other / "METADATA").write_text("Name: Floe.Alpha\nVersion: 0.1\n")
    (other / "entry_points.txt").write_text(
        "[floe.computes]\nbeta=floe_alpha:Plugin\nalpha=floe_alpha:Plugin\n"
    )
    found = scanned(site)
    assert found_in(found) == {"alpha": "0.1.0", "beta": "0.1.0"}
    assert (found.complete, found.unreadable) == (True, ())


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize(
    "spelling", ["floe_alpha-{}.dist-info", "Floe.Alpha-{}.dist-info", "odd-{}.dist-info"]
)
def test_the_first_entry_of_the_path_that_has_the_project_counts_whatever_its_directory_is_called(
    site: Site, spelling: str
) -> None:
    second = another(site, "second")
    installed(site, alpha("0.1.0"), spelling.format("0.1.0"))
    installed(second, alpha("0.2.0", "beta"))
    assert found_in(scanned(site, second)) == {"alpha": "0.1.0"}
    assert found_in(scanned(second, site)) == {"beta": "0.2.0"}
    assert scanned(site, second).complete


@pytest.mark.usefixtures("any_order")
def test_a_leftover_without_metadata_does_not_stand_for_the_project(site: Site) -> None:
    installed(site, alpha("0.1.0"))
    for leftover in ("floe_alpha-0.2.0.dist-info", "~loe_alpha-0.3.0.dist-info", "floe_alpha.egg-info"):
        (site.folder / leftover).mkdir()
    found = scanned(site)
    assert found_in(found) == {"alpha": "0.1.0"}
    assert (found.complete, found.distributions) == (True, 1)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("folder", ["floe_alpha-0.1.0.dist-info", "floe-alpha-0.1.0.dist-info"])
@pytest.mark.parametrize("version", ["0.2.0", "0.0.1"])
def test_a_leftover_with_entry_points_alone_is_no_conflict_with_the_project(
    site: Site, folder: str, version: str
) -> None:
    leftover = installed(site, alpha("0.1.0"), folder)
    (leftover / "METADATA").unlink()
    installed(site, alpha(version))
    found = scanned(site)
    assert found_in(found) == {"alpha": version}
    assert not found.complete


@pytest.mark.parametrize("content", [None, b"", b"Name: floe-alpha\n"])
def test_metadata_that_cannot_be_read_hides_no_plugin_in_silence(site: Site, content: bytes | None) -> None:
    first = another(site, "first")
    info = installed(first, Distribution("floe-alpha", "0.2.0"))
    (info / "METADATA").unlink()
    if content is None:
        (info / "METADATA").mkdir()
    else:
        (info / "METADATA").write_bytes(content)
    installed(site, alpha("0.1.0"))
    found = scanned(first, site)
    assert found_in(found) == {}
    assert [(each.where, each.plugins_unknown, each.project) for each in found.unreadable] == [
        (str(info), True, "floe-alpha")
    ]


@pytest.mark.parametrize(
    ("folder", "project"),
    [("floe_alpha-0.1.0.dist-info", "floe-alpha"), ("floe-alpha-0.1.0.dist-info", "")],
)
def test_a_distribution_that_cannot_be_told_from_others_might_hide_any_plugin(
    site: Site, folder: str, project: str
) -> None:
    info = installed(site, alpha("0.1.0"), folder)
    (info / "METADATA").unlink()
    found = scanned(site)
    assert found_in(found) == {"alpha": "0.1.0"}
    assert [(each.where, each.detail, each.plugins_unknown, each.project) for each in found.unreadable] == [
        (str(info), "METADATA is missing", True, project)
    ]


@dataclass(frozen=True)
class Folder:
    """A metadata directory as the property test makes them: what it declares, and what has happened to it."""

    project: str
    version: str
    plugin: str | None
    name: str
    damage: str = "none"

    def write(self, site: Path) -> None:
        entries = f"[floe.computes]\n{self.plugin} = floe_x:Plugin\n" if self.plugin else "[other]\nx = y:z\n"
        info = site / self.name
        info.mkdir()
        if self.damage == "empty":
            return
        (info / "entry_points.txt").write_text(entries)
        if self.damage != "no metadata":
            (info / "METADATA").write_text(f"Name: {self.project}\nVersion: {self.version}\n")
        if self.damage == "unreadable":
            (info / "entry_points.txt").unlink()
            (info / "entry_points.txt").symlink_to("nowhere")


PROJECTS = ("floe-compute-alpha", "floe-compute", "floe")


@st.composite
def folders(draw: st.DrawFn) -> list[Folder]:
    """Draw metadata directories of a few projects, in all spellings, some of them damaged."""
    drawn: dict[str, Folder] = {}
    for _ in range(draw(st.integers(1, 6))):
        project, version = (
            draw(st.sampled_from(PROJECTS)),
            draw(st.sampled_from(["0.1.0", "0.2.0", "0.10.0"])),
        )
        plugin = draw(st.sampled_from([None, "one", "two", project]))
        spelled = draw(
            st.sampled_from([project, project.replace("-", "_"), project.replace("-", ".").title()])
        )
        prefix = draw(st.sampled_from(["", "", "", "", "", "~"]))
        damage = draw(st.sampled_from([*["none"] * 6, "no metadata", "empty", "unreadable", "egg-info"]))
        suffix = "egg-info" if damage == "egg-info" else "dist-info"  # without a PKG-INFO
        name = f"{prefix}{spelled}-{version}.{suffix}"
        drawn[name.lower()] = Folder(project, version, plugin, name, damage)
    return list(drawn.values())


@given(folders(), st.integers(), st.integers())
@settings(max_examples=200)
def test_no_plugin_is_lost_in_silence_and_no_order_changes_the_answer(
    made: list[Folder], one: int, other: int
) -> None:
    with tempfile.TemporaryDirectory() as site:
        for folder in made:
            folder.write(Path(site))
        with listed_in_order(one):
            found = scan([site])
        with listed_in_order(other):
            assert replace(scan([site]), plugins={}, conflicts={}, malformed={}) == replace(
                found, plugins={}, conflicts={}, malformed={}
            )
            assert dict(scan([site]).plugins) == dict(found.plugins)
    known = {*found.plugins, *found.conflicts, *found.malformed}
    hidden = {each.project for each in found.unreadable if each.plugins_unknown}
    assert found.complete is not bool(hidden)
    for folder in made:
        if folder.plugin is None or folder.damage == "empty" or folder.name.startswith("~"):
            continue
        plugin = plugin_id(PluginType.COMPUTE, folder.plugin)
        assert plugin in known or "" in hidden or normalize_name(folder.project) in hidden, folder
