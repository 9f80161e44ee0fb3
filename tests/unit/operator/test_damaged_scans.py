"""A thousand scans that fail, find nothing or are partial, in a random order: no mirror may be deleted."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from floe_core._finding import discovery
from floe_core.host.inventory import scan_result
from floe_core.host.protocol import ScanResult
from floe_operator.rules.mirror import Absences, deletions
from floe_operator.rules.resource import FloePlugin
from tests.support.distributions import Distribution

SCANS = 1_000
PROJECTS = ("floe-compute", "floe-compute-alpha", "floe-alpha", "floe", "odd.name")
Damage = Callable[[Path, random.Random], None]


def _unreadable(info: Path, chance: random.Random) -> None:
    del chance
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").mkdir()


def _not_text(info: Path, chance: random.Random) -> None:
    del chance
    (info / "entry_points.txt").write_bytes(b"\0[floe.computes]\n")


def _half_written(info: Path, chance: random.Random) -> None:
    del chance
    (info / "entry_points.txt").write_bytes(b"[floe.computes\n")


def _no_metadata(info: Path, chance: random.Random) -> None:
    (info / "METADATA").unlink()
    if chance.random() < 0.5:
        (info / "entry_points.txt").write_bytes(b"\0")


def _broken_link(info: Path, chance: random.Random) -> None:
    del chance
    shutil.rmtree(info)
    info.symlink_to("nowhere")


def _another_release(info: Path, chance: random.Random) -> None:
    """Leave a second release beside the first: with other plugins or none, under any spelling."""
    project = (info / "METADATA").read_text().partition("Name: ")[2].splitlines()[0]
    spelled = chance.choice([project, project.replace("-", "_"), project.title()])
    other = info.parent / f"{spelled}-{chance.choice(['0.0.1', '9.0'])}.dist-info"
    other.mkdir()
    (other / "METADATA").write_text(f"Name: {project}\nVersion: {chance.choice(['0.0.1', '9.0', '?'])}\n")
    if chance.random() < 0.5:
        (other / "entry_points.txt").write_text("[floe.dbt]\nother = m:C\n")


def _as_it_is(info: Path, chance: random.Random) -> None:
    del info, chance


DAMAGE: tuple[Damage, ...] = (
    _unreadable,
    _not_text,
    _half_written,
    _no_metadata,
    _broken_link,
    _another_release,
    _another_release,
    _as_it_is,
)


def _mirror(project: str) -> FloePlugin:
    """Return the bare mirror of the project's plugin, which was last seen in the project."""
    managed: list[dict[str, Any]] = [{"manager": "floe-operator", "operation": "Apply"}]
    metadata = {"name": f"compute-{project}", "uid": "u", "resourceVersion": "1", "managedFields": managed}
    status = {"distribution": {"name": project, "version": "1.0"}}
    spec = {"type": "compute", "name": project.replace(".", "-")}
    return FloePlugin.parse({"metadata": metadata, "spec": spec, "status": status})


@contextmanager
def _installed(folder: Path) -> Iterator[Path]:
    """Yield a site in which each project has a plugin of its name; some folders keep hyphens in the name."""
    site = folder / "site"
    for project in PROJECTS:
        Distribution(project, "1.0", {"floe.computes": {project: "m:C"}}).unpack(site)
    (site / "floe_compute_alpha-1.0.dist-info").rename(site / "floe-compute-alpha-1.0.dist-info")
    (site / "floe_compute-1.0.dist-info").rename(site / "floe-compute-1.0.dist-info")
    yield site
    shutil.rmtree(site)


def _scan(folder: Path, chance: random.Random) -> ScanResult | None:
    kind = chance.random()
    if kind < 0.1:
        return None
    if kind < 0.2:
        return scan_result(discovery.scan([str(folder / "nowhere")]))
    with _installed(folder) as site:
        infos = chance.sample(sorted(site.glob("*.dist-info")), k=chance.choice([1, 1, 2, 3]))
        for info in infos:
            chance.choice(DAMAGE)(info, chance)
        return scan_result(discovery.scan([str(site)]))


def test_a_thousand_bad_scans_in_a_random_order_delete_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("FLOE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"to repeat: FLOE_TEST_SEED={seed}")  # noqa: T201
    chance = random.Random(seed)
    mirrors = [_mirror(project) for project in PROJECTS]
    absences, partial = Absences(), 0
    for number in range(SCANS):
        scan = _scan(tmp_path, chance)
        partial += scan is not None and not scan.complete
        listed = chance.random() < 0.9
        absences = absences.after(scan, mirrors) if listed else absences.unless_found(scan)
        assert deletions(mirrors, absences) == (), (number, scan)
        thrice = absences.after(scan, mirrors).after(scan, mirrors).after(scan, mirrors)
        assert deletions(mirrors, thrice) == (), (number, scan)
    assert partial > SCANS / 3
