"""What the operator believes is on the API server, whatever the order in which news arrives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.objects import Objects
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.resource import object_name

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
DBT_A = PluginId(PluginType.DBT, "a")
DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")


def raw(version: int, plugin: PluginId = KEYCLOAK, *, uid: str = "first", **spec: Any) -> dict[str, Any]:
    slug = plugin.plugin_type.slug
    return {
        "metadata": {"name": f"{slug}-{plugin.name}", "uid": uid, "resourceVersion": str(version)},
        "spec": {"type": slug, "name": plugin.name, **spec},
    }


def names(*plugins: PluginId) -> list[str]:
    return [object_name(plugin) for plugin in plugins]


def version_of(objects: Objects, plugin: PluginId = KEYCLOAK) -> str | None:
    seen = objects.get(plugin)
    return seen.metadata.resource_version if seen else None


def uses(*secrets: str) -> dict[str, Any]:
    return {"configFrom": [{"secretKeyRef": {"name": name, "key": "k"}} for name in secrets]}


@given(st.permutations([1, 2, 3, 9, 10, 11]))
def test_the_newest_state_wins_in_whatever_order_states_arrive(order: list[int]) -> None:
    objects = Objects()
    for version in order:
        objects.put(raw(version))
    assert version_of(objects) == "11"


def test_an_object_with_a_new_uid_replaces_the_earlier_object() -> None:
    objects = Objects()
    objects.put(raw(100, uid="first"))
    objects.put(raw(7, uid="second"))
    assert version_of(objects) == "7"


def test_a_late_answer_does_not_bring_a_deleted_object_back() -> None:
    objects = Objects()
    objects.put(raw(5))
    assert objects.remove(raw(6)) == KEYCLOAK
    objects.put(raw(5))
    assert objects.get(KEYCLOAK) is None
    objects.put(raw(9, uid="second"))
    assert version_of(objects) == "9"


def test_the_deletion_of_an_earlier_object_leaves_its_successor_alone() -> None:
    objects = Objects()
    objects.put(raw(9, uid="second"))
    objects.remove(raw(6, uid="first"))
    assert version_of(objects) == "9"


def test_an_object_missing_from_a_listing_is_gone_unless_it_arrived_during_the_listing() -> None:
    objects = Objects()
    objects.put(raw(1))
    objects.put(raw(2, DUCKDB))
    before = objects.moment
    late = PluginId(PluginType.DBT, "late")
    objects.put(raw(8, late))
    objects.put(raw(3), listing=before)
    assert objects.listed(names(KEYCLOAK), before) == {DUCKDB}
    assert set(objects) == {KEYCLOAK, late}
    assert version_of(objects) == "3"


def test_an_object_that_changed_during_a_listing_does_not_count_as_gone() -> None:
    objects = Objects()
    objects.put(raw(1))
    before = objects.moment
    objects.put(raw(4))
    assert objects.listed((), before) == set()
    assert version_of(objects) == "4"


def test_a_listing_replaces_what_came_before_it_even_if_versions_went_back() -> None:
    objects = Objects()
    objects.put(raw(500))
    objects.put(raw(501, DUCKDB))
    began = objects.moment
    objects.put(raw(502, DBT_A))
    objects.put(raw(70), listing=began)
    objects.put(raw(71, DBT_A), listing=began)
    assert objects.listed(names(KEYCLOAK, DBT_A), began) == {DUCKDB}
    assert (version_of(objects), version_of(objects, DBT_A)) == ("70", "502")


def test_a_listing_brings_back_what_was_deleted_before_it_and_nothing_else() -> None:
    objects = Objects()
    objects.put(raw(500))
    objects.remove(raw(501))
    began = objects.moment
    objects.remove(raw(502, DUCKDB, uid="second"))
    objects.put(raw(70), listing=began)
    objects.put(raw(71, DUCKDB, uid="second"), listing=began)
    assert (version_of(objects), version_of(objects, DUCKDB)) == ("70", None)


def test_once_versions_are_distrusted_any_state_replaces_what_is_known() -> None:
    objects = Objects()
    objects.put(raw(500))
    objects.remove(raw(501, DUCKDB, uid="second"))
    objects.distrust_versions()
    assert not objects.knows(raw(500))
    objects.put(raw(70))
    objects.put(raw(71, DUCKDB, uid="second"))
    assert (version_of(objects), version_of(objects, DUCKDB)) == ("70", "71")


MALFORMED: dict[str, Any] = {
    "no metadata": {},
    "metadata that is text": {"metadata": "x"},
    "a name that is a number": {"metadata": {"name": 5, "uid": "u", "resourceVersion": "1"}},
    "a uid that is a list": {"metadata": {"name": "dbt-a", "uid": ["u"], "resourceVersion": "1"}},
    "a version that is an object": {"metadata": {"name": "dbt-a", "uid": "u", "resourceVersion": {}}},
    "a version of 5,000 digits": {"metadata": {"name": "dbt-a", "uid": "u", "resourceVersion": "9" * 5_000}},
    "a spec that is text": {"metadata": {"name": "dbt-a", "uid": "u", "resourceVersion": "1"}, "spec": "x"},
    "labels that are a list": raw(1, DBT_A) | {"metadata": raw(1, DBT_A)["metadata"] | {"labels": [1]}},
}


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_object_is_ignored_and_the_others_are_stored(item: dict[str, Any]) -> None:
    objects = Objects()
    objects.put(raw(1))
    objects.put(item)
    objects.remove(item)
    objects.put(item)
    assert set(objects) == {KEYCLOAK}


def test_a_status_too_deep_for_python_spoils_neither_its_object_nor_others() -> None:
    schema: dict[str, Any] = {}
    for _ in range(900):
        schema = {"not": schema}
    objects = Objects()
    objects.put(raw(1) | {"status": {"configSchema": schema, "version": "1"}})
    objects.put(raw(2, DUCKDB))
    assert set(objects) == {KEYCLOAK, DUCKDB}


def test_the_users_of_a_source_follow_from_the_current_specs() -> None:
    objects = Objects()
    objects.put(raw(1, **uses("a", "b")))
    objects.put(raw(2, DUCKDB, **uses("b")))
    assert objects.users(SourceObject("Secret", "a")) == [KEYCLOAK]
    assert objects.users(SourceObject("Secret", "b")) == [KEYCLOAK, DUCKDB]
    assert objects.users(SourceObject("ConfigMap", "b")) == []
    assert objects.users_of_kind("Secret") == {KEYCLOAK, DUCKDB}
    assert objects.users_of_kind("ConfigMap") == set()
    objects.put(raw(3, **uses("c")))
    assert objects.users(SourceObject("Secret", "a")) == []
    objects.remove(raw(4, DUCKDB))
    assert objects.users(SourceObject("Secret", "b")) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "nothing-we-know", "name": "a"},
        {"type": "dbt", "name": "UPPER"},
        {"type": "dbt"},
        {"type": "dbt", "name": "a", "config": "canary-in-the-wrong-place"},
    ],
    ids=str,
)
def test_an_object_that_does_not_match_the_crd_is_ignored_and_its_values_are_not_logged(
    spec: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    objects = Objects()
    faulty = {"metadata": {"name": "dbt-a", "uid": "u", "resourceVersion": "1"}, "spec": spec}
    assert objects.put(faulty) == DBT_A
    assert (len(objects), objects.get(DBT_A), objects.is_unfit(DBT_A)) == (0, None, True)
    assert objects.remove(faulty) == DBT_A
    assert not objects.is_unfit(DBT_A)
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err


def unfit(version: int, plugin: PluginId = KEYCLOAK) -> dict[str, Any]:
    """Return an object that only a newer CRD allows."""
    return raw(version, plugin, **uses(*map(str, range(40))))


def test_an_object_that_becomes_unfit_does_not_keep_its_old_state_and_can_recover() -> None:
    objects = Objects()
    objects.put(raw(1, **uses("a")))
    assert objects.put(unfit(2)) == KEYCLOAK
    assert (objects.get(KEYCLOAK), objects.all(), objects.users(SourceObject("Secret", "a"))) == (
        None,
        [],
        [],
    )
    assert objects.is_unfit(KEYCLOAK)
    objects.put(raw(1))  # a late answer
    assert objects.is_unfit(KEYCLOAK)
    objects.put(raw(3))
    assert (version_of(objects), objects.is_unfit(KEYCLOAK)) == ("3", False)


def test_an_unfit_object_is_not_gone_while_it_is_listed() -> None:
    objects = Objects()
    objects.put(unfit(2))
    assert objects.listed(names(KEYCLOAK), objects.moment) == set()
    assert objects.is_unfit(KEYCLOAK)
    assert objects.listed((), objects.moment) == {KEYCLOAK}
    assert not objects.is_unfit(KEYCLOAK)


def test_the_number_of_objects_is_that_of_all_that_the_api_server_has() -> None:
    objects = Objects()
    objects.put(raw(1))
    objects.put(unfit(2, DUCKDB))
    assert objects.number == 2
    objects.listed([*names(KEYCLOAK, DUCKDB), "stranger", "newtype-a"], objects.moment)
    assert (objects.number, len(objects)) == (4, 1)
    objects.remove(raw(3))
    assert objects.number == 3
    objects.listed([*names(DUCKDB), "stranger"], objects.moment)
    assert objects.number == 2
    objects.clear()
    assert objects.number == 0


def test_a_version_that_comes_again_after_versions_went_back_is_not_known() -> None:
    objects = Objects()
    objects.put(raw(500))
    began = objects.moment
    objects.put(raw(70), listing=began)
    assert not objects.knows(raw(500))
    assert objects.put(raw(500, config={"threads": 1})) == KEYCLOAK


def test_an_object_that_belongs_to_no_plugin_is_ignored() -> None:
    objects = Objects()
    stranger = {**raw(1), "metadata": {"name": "stranger", "uid": "u", "resourceVersion": "1"}}
    assert objects.put(stranger) is None
    assert objects.remove(stranger) is None
    swapped = {**raw(1), "metadata": {"name": "compute-duckdb", "uid": "u", "resourceVersion": "1"}}
    assert objects.put(swapped) == DUCKDB
    assert objects.is_unfit(DUCKDB)


def test_only_an_echo_is_known() -> None:
    objects = Objects()
    objects.put(raw(3))
    objects.put(raw(5))
    assert objects.knows(raw(3))
    assert objects.knows(raw(5))
    for other in (raw(6), raw(4), raw(5, uid="second"), raw(5, DUCKDB)):
        assert not objects.knows(other)


ASKED_FOR = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
APPLIED = {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:name": {}}}}
READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
STATUS = {"conditions": [{**READY, "lastTransitionTime": "2030-01-01T00:00:00Z"}]}
# What changes, and whether anything reads it.
CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "an annotation that no rule asks for": ({"metadata": {"annotations": {"team": "data"}}}, False),
    "the time of a write": (
        {"metadata": {"managedFields": [APPLIED | {"time": "2030-01-02T00:00:00Z"}]}},
        False,
    ),
    "an annotation of kubectl": ({"metadata": {"annotations": ASKED_FOR}}, True),
    "another owner": ({"metadata": {"managedFields": [APPLIED | {"manager": "flux"}]}}, True),
    "a label": ({"metadata": {"labels": {"floe.dev/plugin-type": "identity"}}}, True),
    "the generation": ({"metadata": {"generation": 2}}, True),
    "a deletion that has begun": ({"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}}, True),
    "the spec": ({"spec": {"version": ">=1"}}, True),
    "a null in the spec, which asks for the plugin": ({"spec": {"probe": None}}, True),
    "the status": ({"status": STATUS}, True),
    "a spec that does not match the CRD": ({"spec": uses(*map(str, range(40)))}, True),
}


@pytest.mark.parametrize(("change", "is_new"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("listing", [-1, 0])
def test_a_new_version_is_new_only_if_something_that_is_read_has_changed(
    change: dict[str, Any], is_new: bool, listing: int
) -> None:
    def version(number: int, change: dict[str, Any]) -> dict[str, Any]:
        found = raw(number)
        found["metadata"] |= {"managedFields": [APPLIED | {"time": "2030-01-01T00:00:00Z"}]}
        return {
            part: {**found.get(part, {}), **change.get(part, {})} for part in ("metadata", "spec", "status")
        }

    objects = Objects()
    assert objects.put(version(1, {})) == KEYCLOAK
    assert objects.put(version(2, change), listing=listing) == (KEYCLOAK if is_new else None)
    if not objects.is_unfit(KEYCLOAK):
        assert version_of(objects) == "2", "it must be known to delete the object in just this version"


def test_nothing_is_known_once_the_crd_is_gone() -> None:
    objects = Objects()
    objects.put(raw(5, **uses("a")))
    objects.clear()
    assert (len(objects), objects.all(), objects.users(SourceObject("Secret", "a"))) == (0, [], [])
    objects.put(raw(2))
    assert version_of(objects) == "2"
