"""Discovery: what a scan finds, and that damage neither hides nor stops anything else."""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution as InstalledMetadata
from importlib.metadata import DistributionFinder
from pathlib import Path

import pytest

import floe_core
from floe_core._finding.discovery import Scan, how_to_end, scan
from floe_core.plugin_types import PluginType, plugin_id
from tests.support.distributions import Distribution
from tests.unit.core.conftest import Site

VERSION = floe_core.__version__
GOOD = plugin_id(PluginType.COMPUTE, "good")
OTHER = plugin_id(PluginType.COMPUTE, "other")


def declaring(text: str | bytes, name: str = "floe-other") -> Distribution:
    content = text if isinstance(text, bytes) else text.encode()
    return Distribution(name, entry_points_txt=content)


@pytest.fixture
def good(site: Site) -> Site:
    """Return a site in which one good distribution is installed."""
    site.add(declaring("[floe.computes]\ngood = good_module:Good\n", "floe-good"))
    return site


def scanned(site: Site) -> Scan:
    return scan([str(site.folder)])


def test_a_scan_finds_all_eleven_groups_and_imports_nothing(site: Site) -> None:
    groups = PluginType.all_entry_point_groups()
    site.add(Distribution("floe-all", entry_points={group: {"one": "floe_nowhere:One"} for group in groups}))
    found = scanned(site)
    assert list(found.plugins) == [plugin_id(member, "one") for member in PluginType]
    assert found.complete
    assert "floe_nowhere" not in sys.modules


def test_a_claim_says_where_it_comes_from(good: Site) -> None:
    claim = scanned(good).plugins[GOOD]
    assert claim.text == "good = good_module:Good"
    assert (claim.distribution.name, claim.distribution.version) == ("floe-good", "0.1.0")
    assert claim.distribution.location == str(good.folder)


@pytest.mark.parametrize("raw", ["My_Plugin", "my.plugin", "my-_.plugin", "MY-PLUGIN"])
def test_names_are_compared_normalised_but_keep_their_spelling(site: Site, raw: str) -> None:
    site.add(declaring(f"[floe.computes]\n{raw} = m:C\n"))
    claim = scanned(site).plugins[plugin_id(PluginType.COMPUTE, "my-plugin")]
    assert claim.raw_name == raw


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff[floe.computes]\nother = m:C\n",
        "# floe\n; floe\n[floe.computes]\n\n  other = m:C  \n",
        "[console_scripts]\nx = y:z\n[floe.computes]\r\nother = m:C\r\n",
        "[floe.computes]\nother=m:C",
        "[floe.computes]\nother = m.n:C.D\n",
        "[floe.computes]\nother = m : C\n",
        "[other.computes]\nnot ours\n[floe.computes]\nother = m:C\n",
        "[floe.computes]\nother = m:C [fast]\n",
        "[floe.computes]\nother = m:C[fast]\n",
        "[floe.computes]\nother = m : C [ fast , large.er ]\n",
        "[floe.computes]\nother = m:C []\n",
        *(f"[floe.computes]{end}other = m:C{end}" for end in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"),
    ],
)
def test_every_form_that_importlib_metadata_reads_is_read(site: Site, text: str) -> None:
    site.add(declaring(text))
    found = scanned(site)
    assert list(found.plugins) == [OTHER]
    assert not found.unreadable


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("other = m", "names no class"),
        ("other = m:", "not an object reference"),
        ("other = :C", "not an object reference"),
        ("other = m:C D", "not an object reference"),
        ("other = m-n:C", "not an object reference"),
        ("other = m:C.", "not an object reference"),
        ("other = m:C [extra", "not an object reference"),
        ("other = m:C extra]", "not an object reference"),
        ("other = m:C [one] [two]", "not an object reference"),
        ("other = m [extra]:C", "not an object reference"),
        ("other =", "names no class"),
        ("other", "no '='"),
    ],
)
def test_an_entry_point_that_cannot_be_loaded_is_malformed(good: Site, line: str, said: str) -> None:
    good.add(declaring(f"[floe.computes]\n{line}\n"))
    found = scanned(good)
    assert list(found.plugins) == [GOOD]
    assert said in found.malformed[OTHER].detail
    assert found.malformed[OTHER].claim.distribution.name == "floe-other"
    assert found.complete


def test_an_entry_without_a_name_is_reported_with_its_distribution(good: Site) -> None:
    good.add(declaring("[floe.computes]\n= m:C\nother = m:C\n"))
    found = scanned(good)
    assert list(found.plugins) == [GOOD, OTHER]
    assert "no name" in found.unreadable[0].detail
    assert "floe_other" in found.unreadable[0].where


@pytest.mark.parametrize("value", ["m:C", "n:D", "not a reference"])
def test_two_claims_are_a_conflict_that_names_both(good: Site, value: str) -> None:
    good.add(declaring(f"[floe.computes]\nGOOD = {value}\n"))
    found = scanned(good)
    assert not found.plugins
    assert not found.malformed
    assert [claim.distribution.name for claim in found.conflicts[GOOD]] == ["floe-good", "floe-other"]


def test_two_claims_inside_one_file_are_a_conflict(site: Site) -> None:
    site.add(declaring("[floe.computes]\nother = m:C\nOther = m:D\n"))
    assert [claim.value for claim in scanned(site).conflicts[OTHER]] == ["m:D", "m:C"]


@pytest.mark.parametrize("again", ["other = m:C", "other=m : C", "other = m:C [extra]"])
def test_a_line_that_one_file_repeats_is_one_claim(site: Site, again: str) -> None:
    site.add(declaring(f"[floe.computes]\nother = m:C\n[console_scripts]\n[floe.computes]\n{again}\n"))
    found = scanned(site)
    assert [claim.text for claim in found.plugins.values()] == ["other = m:C"]
    assert not found.conflicts


def test_a_malformed_line_that_one_file_repeats_is_malformed_once(site: Site) -> None:
    site.add(declaring("[floe.computes]\nother = m\nother = m\n"))
    assert list(scanned(site).malformed) == [OTHER]


@pytest.mark.parametrize(
    ("lines", "fix"),
    [
        ("duck_db = m:C\nduck-db = m:C\n", "install a release of floe-other that declares the name once"),
        ("duck-db = m:C\nduck-db = m:D\n", "install a release of floe-other that declares the name once"),
        ("good = m:C\n", "uninstall all but one of these distributions"),
    ],
)
def test_the_way_out_of_a_conflict_fits_who_is_in_it(good: Site, lines: str, fix: str) -> None:
    good.add(declaring(f"[floe.computes]\n{lines}"))
    (conflict,) = scanned(good).conflicts.values()
    assert how_to_end(conflict) == fix


@pytest.mark.parametrize(
    ("group", "nearest"),
    [
        ("floe.compute", "floe.computes"),
        ("floe.computers", "floe.computes"),
        ("floe.computes ", "floe.computes"),
        (" floe.computes", "floe.computes"),
        ("Floe.Computes", "floe.computes"),
        ("floe.lineage-backends", "floe.lineage_backends"),
        ("floe.secret", "floe.secrets"),
        ("floe.telemetry", "floe.telemetry_backends"),
        ("floe.plugins", ""),
        ("floe.caf\xe9", ""),
        ("floe.", ""),
    ],
)
def test_a_floe_group_that_is_none_of_the_eleven_is_a_finding(good: Site, group: str, nearest: str) -> None:
    good.add(declaring(f"[{group}]\none = m:C\ntwo = m:D\n[floe.dbt]\nother = m:C\n"))
    found = scanned(good)
    (unknown,) = found.unknown_groups
    assert (unknown.group, str(unknown.distribution)) == (group, "floe-other 0.1.0")
    assert unknown.nearest == nearest
    assert all(part in str(unknown) for part in ("floe-other 0.1.0", group, unknown.nearest))
    assert (len(found.plugins), found.complete, found.unreadable) == (2, True, ())


@pytest.mark.parametrize("text", ["[floe.compute]\n", "[floe]\na = m:C\n", "[other.floe.compute]\na = m:C\n"])
def test_a_group_without_entries_or_of_others_is_no_finding(good: Site, text: str) -> None:
    good.add(declaring(text))
    found = scanned(good)
    assert (found.unknown_groups, found.complete, found.unreadable) == ((), True, ())


def test_the_same_name_under_two_types_is_not_a_conflict(good: Site) -> None:
    good.add(declaring("[floe.catalogs]\ngood = m:C\n"))
    assert len(scanned(good).plugins) == 2


@pytest.mark.parametrize(
    ("content", "complete"),
    [
        (b"[console_scripts]\nname = \xe9:x\n", True),
        (b"# caf\xe9\n[floe.computes]\nbad_value = m:\xe9\n", True),
        (b"[floe.computes]\n\xe9 = m:C\n", False),
        ("[floe.computes]\nother = m:C\n".encode("utf-16"), False),
        ("[floe.computes]\nother = m:C\n".encode("utf-16-le"), False),
        (b"\x00\x01\x02", False),
        (b"[floe.computes\nother = m:C\n", False),
    ],
)
def test_a_damaged_file_is_reported_and_hides_no_other(good: Site, content: bytes, complete: bool) -> None:
    good.add(declaring(content))
    found = scanned(good)
    assert GOOD in found.plugins
    assert found.complete is complete
    assert all("floe_other" in each.where for each in found.unreadable)
    assert found.unreadable


def test_a_damaged_line_affects_no_other_line(site: Site) -> None:
    site.add(declaring(b"[floe.computes]\nbad = m:\xe9\nother = m:C\n"))
    found = scanned(site)
    assert list(found.plugins) == [OTHER]
    assert "not UTF-8" in found.malformed[plugin_id(PluginType.COMPUTE, "bad")].detail


def _entry_points_is_a_folder(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").mkdir()


def _entry_points_is_a_broken_link(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("nowhere")


def _entry_points_is_a_link_to_itself(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("entry_points.txt")


def _entry_points_is_a_pipe(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    os.mkfifo(info / "entry_points.txt")


def _entry_points_is_a_device(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("/dev/zero")


def _metadata_folder_is_a_broken_link(info: Path) -> None:
    shutil.rmtree(info)
    info.symlink_to("nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        _entry_points_is_a_folder,
        _entry_points_is_a_broken_link,
        _entry_points_is_a_link_to_itself,
        _entry_points_is_a_pipe,
        _entry_points_is_a_device,
        _metadata_folder_is_a_broken_link,
    ],
)
def test_an_unreadable_distribution_makes_the_scan_partial(good: Site, damage: object) -> None:
    good.add(declaring("[floe.computes]\nother = m:C\n"))
    assert callable(damage)
    damage(good.folder / "floe_other-0.1.0.dist-info")
    found = scanned(good)
    assert list(found.plugins) == [GOOD]
    assert not found.complete
    assert ["floe_other-0.1.0.dist-info" in each.where for each in found.unreadable] == [True]


def test_a_link_to_a_good_file_is_followed(site: Site) -> None:
    site.add(declaring("[floe.computes]\nother = m:C\n"))
    file = site.folder / "floe_other-0.1.0.dist-info" / "entry_points.txt"
    file.rename(site.folder / "elsewhere.txt")
    file.symlink_to(site.folder / "elsewhere.txt")
    assert list(scanned(site).plugins) == [OTHER]


def test_files_and_directories_without_read_permission_are_reported(good: Site) -> None:
    good.add(declaring("[floe.computes]\nother = m:C\n"))
    locked = good.folder.parent / "locked"
    locked.mkdir()
    file = good.folder / "floe_other-0.1.0.dist-info" / "entry_points.txt"
    file.chmod(0)
    locked.chmod(0)
    code = (
        "import os, sys\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "from floe_core._finding.discovery import scan\n"
        f"found = scan({[str(good.folder), str(locked)]!r})\n"
        "print(sorted(each.name for each in found.plugins), found.complete)\n"
        "print(*[each.where + ': ' + each.detail for each in found.unreadable], sep='\\n')\n"
    )
    for folder in (good.folder, *good.folder.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path(folder.anchor):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", _as_anyone(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "['good'] False"
    assert "entry_points.txt cannot be read: Permission denied" in done.stdout
    assert "locked: the directory cannot be listed: Permission denied" in done.stdout


def _as_anyone(code: str) -> str:
    """Return the code, preceded by an import of floe_core while its files can still be read."""
    return f"import floe_core._finding.discovery\n{code}"


@pytest.mark.parametrize("entry", ["nowhere", "a\0b"])
def test_a_path_entry_that_does_not_exist_is_fine(good: Site, entry: str) -> None:
    found = scan([str(good.folder), str(good.folder / entry)])
    assert found.complete
    assert not found.unreadable


def test_the_first_copy_of_a_distribution_found_twice_counts(good: Site, tmp_path: Path) -> None:
    second = Site(tmp_path / "second")
    second.folder.mkdir()
    second.add(declaring("[floe.computes]\ngood = second:C\nextra = second:C\n", "Floe_Good"))
    found = scan([str(good.folder), str(second.folder), str(good.folder)])
    assert [claim.value for claim in found.plugins.values()] == ["good_module:Good"]
    assert found.distributions == 1
    assert not found.conflicts


@pytest.mark.parametrize("versions", [[], [VERSION], [VERSION, VERSION]])
def test_a_floe_core_in_the_version_that_runs_is_no_fault(tmp_path: Path, versions: list[str]) -> None:
    assert scan(_with_floe_cores(tmp_path, versions)).core_fault == ""


@pytest.mark.parametrize("versions", [["0.1.0a1"], ["9.0"], [VERSION, "0.1.0a1"], ["0.1.0a1", VERSION]])
def test_a_floe_core_in_another_version_is_named_with_its_place_and_hides_nothing(
    good: Site, tmp_path: Path, versions: list[str]
) -> None:
    path = _with_floe_cores(tmp_path, versions)
    found = scan([str(good.folder), *path])
    assert f"the code in {Path(floe_core.__file__).parent} is floe-core {VERSION}, but" in found.core_fault
    places = " and ".join(f"{version} in {entry}" for version, entry in zip(versions, path, strict=True))
    assert f"but the metadata on the path says {places}: " in found.core_fault
    assert (list(found.plugins), found.complete, found.unreadable) == ([GOOD], True, ())
    assert found.fingerprint != scan([str(good.folder)]).fingerprint


def test_what_a_failed_uninstall_left_of_a_floe_core_is_no_fault(tmp_path: Path) -> None:
    first, second = _with_floe_cores(tmp_path, [VERSION, "0.0.9"])
    for file in Path(second, "floe_core-0.0.9.dist-info").iterdir():
        file.unlink()
    assert scan([first, second]).core_fault == scan([second, first]).core_fault == ""


def _with_floe_cores(folder: Path, versions: list[str]) -> list[str]:
    """Install a floe-core of each version into an entry of the path of its own; return the entries."""
    entries = [folder / str(number) for number in range(len(versions))]
    for version, entry in zip(versions, entries, strict=True):
        Distribution("floe-core", version).unpack(entry)
    return [str(entry) for entry in entries]


def test_leftovers_of_a_failed_uninstall_do_not_count(good: Site, tmp_path: Path) -> None:
    (tmp_path / "first" / "floe_good-0.0.9.dist-info").mkdir(parents=True)
    (good.folder / "~loe_good-0.0.9.dist-info").mkdir()
    (good.folder / "~loe_good-0.0.9.dist-info" / "entry_points.txt").write_text(
        "[floe.computes]\nold = m:C\n"
    )
    found = scan([str(tmp_path / "first"), str(good.folder)])
    assert list(found.plugins) == [GOOD]


@pytest.mark.parametrize(
    ("metadata", "version", "said"),
    [
        (None, "0.1.0", "METADATA is missing"),
        (b"", "0.1.0", "no Name and no Version"),
        (b"\xff\xfe\x00garbage", "0.1.0", "no Name and no Version"),
        (b"Name: Floe.Other\n\nVersion: 9.9\n", "0.1.0", "no Version"),
        (b"Name: Floe.Other\nSummary: caf\xe9\nVersion: 2.0\n\nName: no\n", "2.0", ""),
        (b"Name: Floe.Other\r\nVersion: 2.0\r\n\r\nName: no\r\nVersion: 3.0\r\n", "2.0", ""),
        (b"Name: Floe.Other\r\n\r\nVersion: 3.0\r\n", "0.1.0", "no Version"),
        (b"Name: Floe.Other\r\n" + b"Classifier: x\r\n" * 10_000, "0.1.0", "no Version"),
        (b"Name: Floe.Other\n" + b"Classifier: x\n" * 10_000, "0.1.0", "no Version"),
    ],
)
def test_damaged_metadata_falls_back_to_the_folders_name(
    site: Site, metadata: bytes | None, version: str, said: str
) -> None:
    site.add(declaring("[floe.computes]\nother = m:C\n"))
    file = site.folder / "floe_other-0.1.0.dist-info" / "METADATA"
    file.unlink()
    if metadata is not None:
        file.write_bytes(metadata)
    found = scanned(site)
    assert found.plugins[OTHER].distribution.version == version
    assert found.complete is not bool(said)
    assert {each.project for each in found.unreadable} <= {"floe-other"}
    assert [each.detail for each in found.unreadable if said not in each.detail] == []
    assert bool(found.unreadable) is bool(said)


def test_zip_files_and_egg_infos_on_the_path_are_read(site: Site, tmp_path: Path) -> None:
    wheel = declaring("[floe.computes]\nzipped = m:C\n").build(tmp_path)
    develop = tmp_path / "project" / "floe_develop.egg-info"
    develop.mkdir(parents=True)
    (develop / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: floe-develop\nVersion: 1.2\n")
    (develop / "entry_points.txt").write_text("[floe.computes]\ndevelop = m:C\n")
    egg = tmp_path / "floe_egg-2.0-py3.11.egg" / "EGG-INFO"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: floe-egg\nVersion: 2.0\n")
    (egg / "entry_points.txt").write_text("[floe.computes]\negg = m:C\n")
    found = scan([str(wheel), str(develop.parent), str(egg.parent)])
    assert {claim.name: claim.distribution.version for claim in found.plugins.values()} == {
        "zipped": "0.1.0",
        "develop": "1.2",
        "egg": "2.0",
    }
    assert found.complete


def _no_zip(wheel: Path) -> bytes:
    del wheel
    return b"no zip"


def _half_a_zip(wheel: Path) -> bytes:
    return wheel.read_bytes()[: wheel.stat().st_size // 2]


def _zip_whose_directory_is_damaged(wheel: Path) -> bytes:
    content = bytearray(wheel.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start : start + 4] = b"XXXX"
    return bytes(content)


@pytest.mark.parametrize("damage", [_no_zip, _half_a_zip, _zip_whose_directory_is_damaged])
def test_a_damaged_zip_file_is_reported(good: Site, tmp_path: Path, damage: Callable[[Path], bytes]) -> None:
    wheel = declaring("[floe.computes]\nzipped = m:C\n").build(tmp_path)
    damaged = tmp_path / "floe.zip"
    damaged.write_bytes(damage(wheel))
    found = scan([str(damaged), str(good.folder)])
    assert list(found.plugins) == [GOOD]
    assert not found.complete
    assert found.unreadable[0].where == str(damaged)


class _Elsewhere(InstalledMetadata):
    def read_text(self, filename: str) -> str | None:
        return {
            "METADATA": "Metadata-Version: 2.1\nName: floe-elsewhere\nVersion: 3.0\n",
            "entry_points.txt": "[floe.computes]\nother = m:C\n",
        }.get(filename)

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


class _Finder(DistributionFinder):
    fails = False
    then_fails = False

    def find_spec(self, *_: object) -> importlib.machinery.ModuleSpec | None:
        return None

    def find_distributions(self, context: object = None) -> Iterator[InstalledMetadata]:
        if self.fails:
            raise RuntimeError("no")
        yield _Elsewhere()
        if self.then_fails:
            raise RuntimeError("no more")


def test_what_a_finder_returned_before_it_raised_is_found(
    good: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = _Finder()
    failing.then_fails = True
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, failing])
    found = scanned(good)
    assert list(found.plugins) == [GOOD, OTHER]
    assert not found.complete


def test_distributions_of_a_finder_that_have_no_name_are_not_taken_for_one(
    good: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nameless(_Elsewhere):
        def __init__(self, plugin: str) -> None:
            self.plugin = plugin

        def read_text(self, filename: str) -> str | None:
            entry_points = f"[floe.computes]\n{self.plugin} = m:C\n"
            return entry_points if filename == "entry_points.txt" else "Metadata-Version: 2.1\n"

    class Finder(_Finder):
        def find_distributions(self, context: object = None) -> Iterator[InstalledMetadata]:
            yield from (Nameless("one"), Nameless("other"))

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    found = scanned(good)
    assert [plugin.name for plugin in found.plugins] == ["good", "one", "other"]
    assert not found.complete


def test_other_finders_work_and_a_finder_that_raises_hides_nothing(
    good: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = _Finder()
    failing.fails = True
    monkeypatch.setattr(sys, "meta_path", [failing, *sys.meta_path, _Finder()])
    found = scanned(good)
    assert list(found.plugins) == [GOOD, OTHER]
    assert str(found.plugins[OTHER].distribution) == "floe-elsewhere 3.0"
    assert not found.complete
    assert "RuntimeError" in found.unreadable[0].detail


def test_entry_points_that_a_foreign_finder_cannot_read_are_reported_once(
    good: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: _Elsewhere, filename: str) -> str | None:
        if filename == "entry_points.txt":
            raise RuntimeError("no")
        return read_text(self, filename)

    read_text = _Elsewhere.read_text
    monkeypatch.setattr(_Elsewhere, "read_text", unreadable)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, _Finder()])
    found = scanned(good)
    assert [each.detail for each in found.unreadable] == ["entry_points.txt cannot be read: RuntimeError"]


def test_the_fingerprint_changes_with_every_change_and_only_then(good: Site) -> None:
    prints = [scanned(good).fingerprint]
    assert scanned(good).fingerprint == prints[0]
    good.add(Distribution("foreign"))
    prints.append(scanned(good).fingerprint)
    (good.folder / "foreign-0.1.0.dist-info").rename(good.folder / "foreign-0.2.0.dist-info")
    prints.append(scanned(good).fingerprint)
    os.utime(good.folder / "foreign-0.2.0.dist-info", (1, 1))  # a reinstall of the same version
    prints.append(scanned(good).fingerprint)
    file = good.folder / "floe_good-0.1.0.dist-info" / "entry_points.txt"
    file.write_text("[floe.computes]\ngood = good_module:Bad\n")
    prints.append(scanned(good).fingerprint)
    shutil.rmtree(good.folder / "foreign-0.2.0.dist-info")
    prints.append(scanned(good).fingerprint)
    assert len(set(prints)) == len(prints)


def test_a_reinstalled_distribution_has_a_different_fingerprint(good: Site) -> None:
    before = scanned(good).plugins[GOOD].distribution.fingerprint
    assert scanned(good).plugins[GOOD].distribution.fingerprint == before
    os.utime(good.folder / "floe_good-0.1.0.dist-info", (1, 1))
    assert scanned(good).plugins[GOOD].distribution.fingerprint != before


def test_a_file_name_that_is_not_utf8_can_be_printed(good: Site) -> None:
    (good.folder / os.fsdecode(b"caf\xe9-1.0.dist-info")).symlink_to("nowhere")
    found = scanned(good)
    assert found.unreadable[0].where.encode().endswith(b"caf\\udce9-1.0.dist-info")


def test_a_scan_sees_as_many_distributions_as_importlib_metadata() -> None:
    from importlib.metadata import distributions

    names = {each.metadata["Name"].lower().replace("_", "-").replace(".", "-") for each in distributions()}
    assert scan().distributions == len(names)
