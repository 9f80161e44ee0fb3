"""A hundred plugins on a real API server; half are broken, in every way that the contract names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from floe_operator.rules.conditions import MESSAGE_BYTES, TABLE, Outcome
from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.broken_plugins import BROKEN, HUNDRED, UNNAMEABLE, Broken, good_plugins
from tests.support.control_planes import new_namespace
from tests.support.distributions import Distribution, Environment
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually

FOREIGN = tuple(
    Distribution(f"foreign-{damage}", entry_points={"console_scripts": {damage: "json:tool"}})
    for damage in ("entry-points", "metadata")
)


@dataclass
class Mirror:
    """An operator with the hundred plugins, and the objects that it wrote."""

    operator: OperatorProcess
    floeplugins: FloePlugins
    environment: Environment
    objects: dict[str, dict[str, Any]]
    """All objects, after each was assessed."""


@pytest.fixture(scope="module")
def mirror(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    folder = tmp_path_factory.mktemp("hundred")
    environment = Environment.create(folder / "plugins")
    broken = [distribution for each in BROKEN for distribution in each.distributions]
    environment.install(*broken, *good_plugins(), *UNNAMEABLE, *FOREIGN)
    damage(environment)
    floeplugins = FloePlugins(cluster.kubeconfig, new_namespace(cluster))
    log = folder / "operator.log"
    flags = ("--scan-interval", "1s", "--log-level", "debug")
    late = {each.object_name for each in BROKEN if each.ends_or_hangs}
    with OperatorProcess(
        cluster.kubeconfig, floeplugins.namespace, environment.python, log, *flags
    ) as operator:
        floeplugins.until_judged(HUNDRED - len(late), apart_from=late, within=120)
        floeplugins.until_judged(HUNDRED, within=120)
        yield Mirror(operator, floeplugins, environment, floeplugins.all())


def damage(environment: Environment) -> None:
    """Add what pip would not install: files that are not text, an entry_points.txt that is a folder."""
    (entry_points,) = environment.site_packages.glob("foreign_entry_points*/entry_points.txt")
    entry_points.write_bytes(b"[console_scripts]\n\xff\xfe = \x80broken:main\n[floe.comp")
    (metadata,) = environment.site_packages.glob("foreign_metadata*/METADATA")
    metadata.write_bytes(b"\xff\xfe\x00Name\x00: \x80\x81\nVersion\n")
    (environment.site_packages / "foreign_folder-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
    (environment.site_packages / "foreign_empty-1.0.dist-info").mkdir()


def conditions_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["type"]: each for each in found["status"]["conditions"]}


def test_there_are_a_hundred_plugins_and_half_of_them_are_broken() -> None:
    assert len(BROKEN) == HUNDRED // 2
    assert len(good_plugins()) == HUNDRED // 2
    assert len({each.name for each in BROKEN}) == len(BROKEN)


def test_each_plugin_has_a_mirror_and_nothing_else_has(mirror: Mirror) -> None:
    names = {each.object_name for each in BROKEN}
    assert names < mirror.objects.keys()
    assert len(mirror.objects) == HUNDRED


def test_no_plugin_waits_for_those_that_hang(mirror: Mirror) -> None:
    loaded = {name: conditions_of(found)["Loaded"] for name, found in mirror.objects.items()}
    given_up = {name: each for name, each in loaded.items() if each["reason"] == "LoadTimedOut"}
    assert given_up.keys() == {"compute-hangs", "compute-hangs-with-the-gil"}
    others = max(each["lastTransitionTime"] for name, each in loaded.items() if name not in given_up)
    assert others <= min(each["lastTransitionTime"] for each in given_up.values())


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.name)
def test_a_broken_plugin_has_the_reason_that_the_design_names(mirror: Mirror, broken: Broken) -> None:
    conditions = conditions_of(mirror.objects[broken.object_name])
    found = conditions[broken.condition]
    assert (found["status"], found["reason"]) == ("False", broken.reason), found
    assert broken.says in found["message"]
    assert conditions["Ready"]["status"] == "False"
    assert conditions["Ready"]["reason"] == broken.reason
    (reason,) = (each for each in TABLE[broken.condition] if each.text == broken.reason)
    stalls = reason.stalls(has_sources=False)
    waits = not stalls and reason.outcome is not Outcome.IDLE
    assert ("Reconciling" in conditions, "Stalled" in conditions) == (waits, stalls)


def test_the_good_plugins_beside_the_broken_ones_are_ready(mirror: Mirror) -> None:
    broken = {each.object_name for each in BROKEN}
    verdicts = {
        name: conditions_of(found)["Ready"] for name, found in mirror.objects.items() if name not in broken
    }
    assert len(verdicts) == HUNDRED // 2
    assert {name: each for name, each in verdicts.items() if each["status"] != "True"} == {}


def test_a_plugin_can_declare_a_name_that_differs_from_its_entry_point(mirror: Mirror) -> None:
    loaded = conditions_of(mirror.objects["compute-declares-another-name"])["Loaded"]
    assert "quite-different" in loaded["message"]


def test_messages_are_bounded_and_on_one_line_whatever_a_plugin_says(mirror: Mirror) -> None:
    for name, found in mirror.objects.items():
        for condition in found["status"]["conditions"]:
            message = condition["message"]
            assert message, (name, condition)
            assert len(message.encode()) <= MESSAGE_BYTES, (name, condition)
            assert message == " ".join(message.split()), (name, condition)
            assert condition["observedGeneration"] == found["metadata"]["generation"], (name, condition)


def test_a_plugin_that_no_object_can_be_named_after_is_logged_once(mirror: Mirror) -> None:
    said = [
        line for line in mirror.operator.lines() if line.get("message") == "plugin cannot have a FloePlugin"
    ]
    assert sorted(line["about"] for line in said) == ["compute/" + "a" * 64, "compute/größe"]


def test_the_list_command_shows_every_plugin_without_a_cluster(mirror: Mirror) -> None:
    command = [sys.executable, "-m", "floe_operator", "list", "--output", "json", "--load-timeout", "2s"]
    command += ["--plugin-python", str(mirror.environment.python)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = {f"{row['type']}-{row['name']}": row for row in json.loads(done.stdout)}
    assert len(rows) == HUNDRED + len(UNNAMEABLE)
    assert rows["compute-größe"]["status"] == "Unnameable"
    at_once = [each for each in BROKEN if each.condition in ("Discovered", "Loaded", "VersionCompatible")]
    assert {each.name: rows[each.object_name]["status"] for each in at_once} == {
        each.name: each.reason for each in at_once
    }


def test_damaged_foreign_distributions_hide_nothing_and_are_named(mirror: Mirror) -> None:
    said = [line for line in mirror.operator.lines() if line.get("message") == "cannot read a distribution"]
    assert any("foreign_entry_points" in line["about"] for line in said), said
    assert any("foreign_folder" in line["about"] for line in said), said
    assert len(said) == len({line["about"] for line in said}), "said more than once"


def test_the_log_keeps_one_json_object_per_line_whatever_plugins_print(mirror: Mirror) -> None:
    lines = mirror.operator.lines()
    assert [line for line in lines if "raw" in line] == []
    ours = [line for line in lines if line["message"] != "plugin output"]
    assert [line for line in ours if "Traceback" in json.dumps(line) or "exception" in line] == []
    assert mirror.operator.log.stat().st_size < 20_000_000


def test_a_scan_that_finds_nothing_new_writes_nothing(mirror: Mirror, audit: Audit) -> None:
    namespace = mirror.floeplugins.namespace
    before = now()

    def three_scans() -> bool:
        listed = audit.requests(namespace=namespace, since=before, verb="list")
        assert len(listed) >= 3, f"{len(listed)} scans"
        return True

    eventually(three_scans, within=30)
    assert audit.writes(namespace=namespace, since=before) == []


def test_each_object_was_created_once_and_never_written_twice_for_one_change(
    mirror: Mirror, audit: Audit
) -> None:
    writes = audit.writes(namespace=mirror.floeplugins.namespace)
    created = [name for verb, name in writes if "/" not in name]
    assert sorted(created) == sorted(mirror.objects)
    statuses = [name for verb, name in writes if name.endswith("/status")]
    # Loading, then the assessment; a dependent once more after its dependency was assessed.
    assert max(statuses.count(name) for name in set(statuses)) <= 3
