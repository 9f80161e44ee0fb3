"""Which objects the operator creates, completes and deletes, and which it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import BrokenClaim, FoundPlugin, ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType, plugin_id
from floe_operator.rules.mirror import (
    SCANS_UNTIL_GONE,
    Absences,
    Deletion,
    deletions,
    hidden_by,
    hidden_plugins,
    is_bare,
    known_plugins,
    mirror_labels,
    missing_labels,
    must_exist,
    stored_labels,
)
from floe_operator.rules.resource import FloePlugin
from tests.unit.operator.rules.facts_builder import FOUND

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")
MIRROR = {"manager": "floe-operator", "operation": "Apply"}
STATUS = {"manager": "floe-operator-status", "operation": "Apply", "subresource": "status"}
BARE = (MIRROR, STATUS)


def found(plugin: PluginId) -> FoundPlugin:
    return FOUND.model_copy(update={"type": plugin.plugin_type.slug, "name": plugin.name})


def scan(*plugins: PluginId, damaged: str | None = None, complete: bool | None = None) -> ScanResult:
    """Return a scan that found these plugins, with damage to a project, or to any if `damaged` is empty."""
    damage = Unreadable(where="/site", detail="damaged", plugins_unknown=True, project=damaged or "")
    hidden = () if damaged is None else (damage,)
    return ScanResult(
        complete=not hidden if complete is None else complete,
        fingerprint="",
        distributions=len(plugins),
        plugins=tuple(found(plugin) for plugin in plugins),
        unreadable=hidden,
    )


def an_object(
    plugin: PluginId = KEYCLOAK,
    *,
    managers: tuple[dict[str, Any], ...] = BARE,
    seen_in: str | None = "floe-identity-keycloak",
    labels: dict[str, str] | None = None,
    discovered: str | None = None,
    **metadata: Any,
) -> FloePlugin:
    raw: dict[str, Any] = {
        "metadata": {
            "name": f"{plugin.plugin_type.slug}-{plugin.name}",
            "uid": "u1",
            "resourceVersion": "42",
            "labels": {"floe.dev/plugin-type": plugin.plugin_type.slug} if labels is None else labels,
            "managedFields": list(managers),
            **metadata,
        },
        "spec": {"type": plugin.plugin_type.slug, "name": plugin.name},
        "status": {"distribution": {"name": seen_in, "version": "1"}} if seen_in else {},
    }
    if discovered is not None:
        condition = {
            "type": "Discovered",
            "status": str(discovered == "Installed"),
            "reason": discovered,
            "message": "",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        raw["status"]["conditions"] = [condition]
    return FloePlugin.parse(raw)


def after(*scans: ScanResult | None, of: FloePlugin) -> tuple[PluginId, ...]:
    """Return the plugins whose objects are deleted after these scans."""
    absences = Absences()
    for one in scans:
        absences = absences.after(one, [of])
    return tuple(one.plugin for one in deletions([of], absences))


GONE = scan(DUCKDB)
THREE = (GONE, GONE, GONE)


def test_every_plugin_of_the_scan_gets_an_object_even_if_it_is_broken() -> None:
    claim = BrokenClaim(
        type="dbt", name="core", reason="DuplicateEntryPoint", detail="", claims=(found(DUCKDB),) * 2
    )
    known = known_plugins(scan(KEYCLOAK, DUCKDB).model_copy(update={"broken": (claim,)}))
    assert all(must_exist(plugin, known) for plugin in (KEYCLOAK, DUCKDB, PluginId(PluginType.DBT, "core")))
    assert not must_exist(PluginId(PluginType.DBT, "other"), known)


def test_a_plugin_that_a_partial_scan_finds_gets_an_object() -> None:
    assert must_exist(KEYCLOAK, known_plugins(scan(KEYCLOAK, damaged="x")))


@pytest.mark.parametrize("name", ["a b", "x" * 64, "ä", "-a"])
def test_a_plugin_whose_name_cannot_be_part_of_an_object_name_gets_no_object(name: str) -> None:
    plugin = plugin_id(PluginType.COMPUTE, name)
    assert not must_exist(plugin, known_plugins(scan(plugin)))


TYPE = {"floe.dev/plugin-type": "identity"}
TEAM = {"team": "data"}


def owning(*labels: str) -> tuple[dict[str, Any], ...]:
    """Return the field managers of a mirror whose operator owns these labels."""
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}, **{f"f:{name}": {} for name in labels}}}}
    return ({**MIRROR, "fieldsV1": fields}, STATUS)


@pytest.mark.parametrize(
    ("present", "own", "more", "applied"),
    [
        ({}, (), {}, TYPE),
        ({"team": "a"}, (), {}, TYPE),
        (TYPE, (), {}, None),
        (TYPE, TYPE, {}, None),
        ({"floe.dev/plugin-type": "mine"}, (), {}, None),
        (TYPE, TYPE, TEAM, {**TYPE, **TEAM}),
        ({**TYPE, **TEAM}, (*TYPE, *TEAM), TEAM, None),
        ({**TYPE, "team": "old"}, (*TYPE, *TEAM), TEAM, {**TYPE, **TEAM}),
        ({**TYPE, **TEAM}, (*TYPE, *TEAM), {}, TYPE),
        ({**TYPE, "team": "theirs"}, TYPE, TEAM, None),
        ({**TYPE, "team": "theirs"}, TYPE, {**TEAM, "env": "prod"}, {**TYPE, "env": "prod"}),
        ({**TYPE, "theirs": "x"}, TYPE, {}, None),
    ],
)
def test_labels_of_ours_are_added_changed_and_removed_and_those_of_others_kept(
    present: dict[str, str], own: tuple[str, ...], more: dict[str, str], applied: dict[str, str] | None
) -> None:
    assert missing_labels(an_object(labels=present, managers=owning(*own)), more) == applied


def test_what_is_stored_of_labels_is_compared_with_what_was_applied_and_not_with_other_labels() -> None:
    assert stored_labels({**TYPE, "theirs": "x"}, TYPE) == TYPE
    assert stored_labels({"team": "infra"}, {**TYPE, **TEAM}) == {"team": "infra"}


def test_a_new_mirror_has_its_type_and_the_labels_that_were_asked_for() -> None:
    assert mirror_labels(KEYCLOAK, TEAM) == {**TYPE, **TEAM}


def test_scans_that_do_not_count_never_advance_a_deletion_but_can_prevent_it() -> None:
    seen, absences = an_object(), Absences()
    for _ in range(9):
        absences = absences.after(GONE, [seen], counts=False)
    for one in THREE[1:]:
        absences = absences.after(one, [seen])
    assert not absences.is_gone(KEYCLOAK)
    assert absences.after(GONE, [seen]).is_gone(KEYCLOAK)
    back = absences.after(scan(KEYCLOAK, DUCKDB), [seen], counts=False)
    assert not back.after(GONE, [seen]).is_gone(KEYCLOAK)


def test_an_object_that_is_being_deleted_is_not_deleted_again() -> None:
    assert after(*THREE, of=an_object(deletionTimestamp="2030-01-01T00:00:00Z")) == ()


def test_a_bare_mirror_is_deleted_by_uid_and_version_after_three_scans_in_a_row() -> None:
    absences = Absences()
    for _ in range(SCANS_UNTIL_GONE):
        assert deletions([an_object()], absences) == ()
        absences = absences.after(GONE, [an_object()])
    assert deletions([an_object()], absences) == (Deletion(KEYCLOAK, "u1", "42"),)


BACK = scan(KEYCLOAK, DUCKDB)
EMPTY = scan()
ITS_OWN = scan(DUCKDB, damaged="floe-identity-keycloak")
ANOTHERS = scan(DUCKDB, damaged="foreign")
DIRECTORY = scan(DUCKDB, damaged="")
UNSAID = scan(DUCKDB, complete=False)


@pytest.mark.parametrize(
    "scans",
    [
        (GONE, GONE),
        (GONE, GONE, BACK),
        (GONE, GONE, BACK, GONE),
        (GONE, GONE, None, GONE),
        (GONE, GONE, EMPTY, GONE),
        (EMPTY, EMPTY, EMPTY),
        (GONE, GONE, ITS_OWN, GONE),
        (ITS_OWN, ITS_OWN, ITS_OWN),
        (DIRECTORY, DIRECTORY, DIRECTORY),
        (UNSAID, UNSAID, UNSAID),
        (GONE, GONE, GONE, None),
        (GONE, GONE, GONE, DIRECTORY),
    ],
)
def test_a_scan_that_failed_found_nothing_or_was_partial_deletes_nothing(
    scans: tuple[ScanResult | None, ...],
) -> None:
    assert after(*scans, of=an_object()) == ()


def test_a_damaged_distribution_keeps_only_the_plugins_last_seen_in_it() -> None:
    assert after(ANOTHERS, ANOTHERS, ANOTHERS, of=an_object()) == (KEYCLOAK,)
    assert after(ANOTHERS, ANOTHERS, ANOTHERS, of=an_object(seen_in=None)) == ()


@pytest.mark.parametrize("unlisted", [BACK, None, EMPTY, ITS_OWN, DIRECTORY, UNSAID], ids=str)
def test_a_scan_without_a_listing_of_the_objects_can_end_a_row(
    unlisted: ScanResult | None,
) -> None:
    seen = an_object()
    two = Absences().after(GONE, [seen]).after(GONE, [seen])
    assert not two.unless_found(unlisted).after(GONE, [seen]).is_gone(KEYCLOAK)


def test_a_scan_without_a_listing_of_the_objects_makes_no_row_longer() -> None:
    seen = an_object()
    two = Absences().after(GONE, [seen]).after(GONE, [seen])
    assert not two.unless_found(GONE).is_gone(KEYCLOAK)
    assert two.unless_found(GONE).after(GONE, [seen]).is_gone(KEYCLOAK)


@pytest.mark.parametrize(
    ("discovered", "result", "hidden"),
    [
        ("Installed", ITS_OWN, True),
        ("Installed", DIRECTORY, True),
        ("Installed", ANOTHERS, False),
        ("Installed", GONE, False),
        ("Installed", BACK, False),
        ("DuplicateEntryPoint", ITS_OWN, True),
        ("NotInstalled", ITS_OWN, False),
        (None, ITS_OWN, False),
    ],
)
def test_a_partial_scan_hides_only_plugins_whose_objects_say_they_were_found(
    discovered: str | None, result: ScanResult, hidden: bool
) -> None:
    seen = an_object(discovered=discovered)
    assert hidden_plugins(result, [seen]) == ({KEYCLOAK} if hidden else set())


@pytest.mark.parametrize(
    ("managers", "bare"),
    [
        (BARE, True),
        ((MIRROR,), True),
        ((), False),
        ((STATUS,), False),
        ((*BARE, {"manager": "kustomize-controller", "operation": "Apply"}), False),
        ((*BARE, {"manager": "kubectl-edit", "operation": "Update"}), False),
        ((*BARE, {"manager": "kubectl-edit", "operation": "Update", "subresource": "status"}), False),
        ((*BARE, {"manager": "floe-operator", "operation": "Update"}), False),
        (({**MIRROR, "subresource": "status"}, STATUS), False),
    ],
)
def test_an_object_is_deleted_only_if_nobody_else_owns_a_field_of_it(
    managers: tuple[dict[str, str], ...], bare: bool
) -> None:
    seen = an_object(managers=managers)
    assert is_bare(seen) is bare
    assert after(*THREE, of=seen) == ((KEYCLOAK,) if bare else ())


@pytest.mark.parametrize(
    ("project", "last", "hidden"),
    [
        ("floe-identity-keycloak", "floe-identity-keycloak", True),
        ("floe-identity-keycloak", "Floe.Identity_Keycloak", True),
        ("floe", "floe-identity-keycloak", False),
        ("floe-identity", None, True),
        ("", "floe-identity-keycloak", True),
    ],
)
def test_damage_hides_a_plugin_where_it_was_last_seen_or_where_any_plugin_could_be(
    project: str, last: str | None, hidden: bool
) -> None:
    told = hidden_by(scan(DUCKDB, damaged=project), an_object(seen_in=last))
    assert told == ("/site: damaged" if hidden else None)


def test_a_scan_with_damage_that_hides_no_plugin_counts_as_complete() -> None:
    harmless = Unreadable(where="/site/x-1.dist-info", detail="no METADATA", plugins_unknown=False)
    whole = GONE.model_copy(update={"unreadable": (harmless,)})
    assert after(whole, whole, whole, of=an_object(seen_in=None)) == (KEYCLOAK,)
