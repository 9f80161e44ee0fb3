"""What the operator believes to be on the API server, whatever order the news come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.objects import Objects
from floe_operator.rules.config_merge import SourceObject

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
DBT_A = PluginId(PluginType.DBT, "a")
DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")


def raw(version: int, plugin: PluginId = KEYCLOAK, *, uid: str = "first", **spec: Any) -> dict[str, Any]:
    slug = plugin.plugin_type.slug
    return {
        "metadata": {"name": f"{slug}-{plugin.name}", "uid": uid, "resourceVersion": str(version)},
        "spec": {"type": slug, "name": plugin.name, **spec},
    }


def version_of(objects: Objects, plugin: PluginId = KEYCLOAK) -> str | None:
    seen = objects.get(plugin)
    return seen.metadata.resource_version if seen else None


def uses(*secrets: str) -> dict[str, Any]:
    return {"configFrom": [{"secretKeyRef": {"name": name, "key": "k"}} for name in secrets]}


@given(st.permutations([1, 2, 3, 9, 10, 11]))
def test_the_newest_state_wins_in_whatever_order_states_arrive(order: list[int]) -> None:
    objects = Objects()
    for version in order:
        assert objects.put(raw(version)) == KEYCLOAK
    assert version_of(objects) == "11"


def test_an_object_of_another_uid_takes_the_place_of_the_one_before() -> None:
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


def test_what_a_listing_lacks_is_gone_unless_it_came_while_the_listing_was_read() -> None:
    objects = Objects()
    objects.put(raw(1))
    objects.put(raw(2, DUCKDB))
    before = objects.versions()
    late = PluginId(PluginType.DBT, "late")
    objects.put(raw(8, late))
    assert objects.listed({objects.put(raw(3))}, before) == {DUCKDB}
    assert set(objects) == {KEYCLOAK, late}
    assert version_of(objects) == "3"


def test_an_object_that_changed_while_a_listing_was_read_is_not_taken_for_gone() -> None:
    objects = Objects()
    objects.put(raw(1))
    before = objects.versions()
    objects.put(raw(4))
    assert objects.listed((), before) == set()
    assert version_of(objects) == "4"


def test_the_users_of_a_source_are_those_of_the_present_specs() -> None:
    objects = Objects()
    objects.put(raw(1, **uses("a", "b")))
    objects.put(raw(2, DUCKDB, **uses("b")))
    assert objects.users(SourceObject("Secret", "a")) == [KEYCLOAK]
    assert objects.users(SourceObject("Secret", "b")) == [KEYCLOAK, DUCKDB]
    assert objects.users(SourceObject("ConfigMap", "b")) == []
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
def test_an_object_that_fits_no_crd_of_ours_is_left_alone_without_a_word_of_its_values(
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
    """What a newer CRD allows."""
    return raw(version, plugin, **uses(*map(str, range(40))))


def test_an_object_that_becomes_unfit_is_not_taken_for_what_it_was_and_heals() -> None:
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
    assert objects.listed({objects.put(unfit(2))}, objects.versions()) == set()
    assert objects.is_unfit(KEYCLOAK)
    assert objects.listed((), objects.versions()) == {KEYCLOAK}
    assert not objects.is_unfit(KEYCLOAK)


def test_an_object_that_no_plugin_has_is_left_alone() -> None:
    objects = Objects()
    stranger = {**raw(1), "metadata": {"name": "stranger", "uid": "u", "resourceVersion": "1"}}
    assert objects.put(stranger) is None
    assert objects.remove(stranger) is None
    swapped = {**raw(1), "metadata": {"name": "compute-duckdb", "uid": "u", "resourceVersion": "1"}}
    assert objects.put(swapped) == DUCKDB
    assert objects.is_unfit(DUCKDB)


def test_an_echo_is_known_as_it_is_and_nothing_else() -> None:
    objects = Objects()
    objects.put(raw(5))
    assert objects.known_as_it_is(raw(5)) == KEYCLOAK
    for other in (raw(6), raw(4), raw(5, uid="second"), raw(5, DUCKDB)):
        assert objects.known_as_it_is(other) is None


def test_nothing_is_known_any_more_when_the_kind_is_gone() -> None:
    objects = Objects()
    objects.put(raw(5, **uses("a")))
    objects.clear()
    assert (len(objects), objects.all(), objects.users(SourceObject("Secret", "a"))) == (0, [], [])
    objects.put(raw(2))
    assert version_of(objects) == "2"
