"""What a plugin waits for, what waits for it, and cycles, given the dependencies that plugins declare."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.dependency_graph import Dependents, Graph
from floe_operator.rules.facts import Dependency, Readiness

Declared = Mapping[PluginId, Sequence[str]]


def compute(name: str) -> PluginId:
    return PluginId(PluginType.COMPUTE, name)


A, B, C, D = (compute(name) for name in "abcd")
DBT_B = PluginId(PluginType.DBT, "b")


def graph(declared: Declared, known: Collection[PluginId] | None = None) -> Graph:
    plugins = frozenset(declared if known is None else known)
    return Graph(lambda plugin: declared.get(plugin, ()), lambda: plugins)


def _all_ready(plugin: PluginId) -> Readiness:
    del plugin
    return Readiness.READY


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((), ()),
        (("b",), (Dependency("b", (B,), Readiness.READY),)),
        (("c",), (Dependency("c", (C,)),)),
        (("compute/b", "C"), (Dependency("compute/b", (B,), Readiness.READY), Dependency("C", (C,)))),
        (("nothing",), (Dependency("nothing", ()),)),
        (("a",), (Dependency("a", (A,)),)),
    ],
    ids=str,
)
def test_a_dependency_is_ready_if_the_only_plugin_that_it_can_mean_is_ready(
    texts: Sequence[str], found: tuple[Dependency, ...]
) -> None:
    known = graph({A: texts, B: (), C: ()})
    readiness = {A: Readiness.NOT_READY, B: Readiness.READY, C: Readiness.NOT_READY}
    assert known.dependencies_of(A, readiness.__getitem__).declared == found


def test_an_ambiguous_dependency_is_not_ready_even_if_all_its_candidates_are() -> None:
    found = graph({A: ("b",), B: (), DBT_B: ()}).dependencies_of(A, _all_ready)
    assert found.declared == (Dependency("b", (B, DBT_B)),)


@pytest.mark.parametrize(
    ("declared", "cycles"),
    [
        ({A: ("b",), B: ("c",), C: ()}, {}),
        ({A: ("compute/a",)}, {A: (A, A)}),
        ({A: ("a",), B: ()}, {A: (A, A)}),
        ({A: ("b",), B: ("a",), C: ("a",)}, {A: (A, B, A), B: (B, A, B)}),
        ({A: ("b",), B: ("c",), C: ("a", "b")}, {A: (A, B, C, A), B: (B, C, B), C: (C, B, C)}),
        # An ambiguous dependency is not followed: nobody knows where it leads.
        ({A: ("b",), B: ("a",), DBT_B: ()}, {}),
    ],
    ids=["chain", "itself", "itself by a bare name", "two and a dependent", "the shortest", "ambiguous"],
)
def test_a_cycle_is_named_in_full_on_each_member_and_on_no_other_plugin(
    declared: Declared, cycles: Mapping[PluginId, tuple[PluginId, ...]]
) -> None:
    known = graph(declared)
    found = {plugin: known.dependencies_of(plugin, _all_ready).cycle for plugin in declared}
    assert {plugin: cycle for plugin, cycle in found.items() if cycle} == cycles


def test_a_chain_of_any_length_is_followed() -> None:
    names = [f"p{number}" for number in range(5_000)]
    declared = {compute(name): (needed,) for name, needed in zip(names, [*names[1:], names[0]], strict=True)}
    assert len(graph(declared).dependencies_of(compute("p0"), _all_ready).cycle) == 5_001


def test_a_change_in_declared_dependencies_or_known_plugins_counts_immediately() -> None:
    declared: dict[PluginId, tuple[str, ...]] = {A: ("b",), B: ()}
    known: Collection[PluginId] = frozenset({A})
    present = Graph(lambda plugin: declared.get(plugin, ()), lambda: known)
    assert present.dependencies_of(A, _all_ready).declared == (Dependency("b", ()),)
    known = frozenset({A, B})
    assert present.dependencies_of(A, _all_ready).declared == (Dependency("b", (B,), Readiness.READY),)
    declared[B] = ("a",)
    assert present.dependencies_of(A, _all_ready).cycle == (A, B, A)


_TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", "compute/a", "dbt/b", "nothing/x"]), max_size=3)
_STEPS = st.lists(st.tuples(st.sampled_from([A, B, C, D, DBT_B]), _TEXTS), max_size=12)


@given(_STEPS)
def test_the_dependents_are_those_others_whose_declared_dependencies_can_mean_the_plugin(
    steps: list[tuple[PluginId, list[str]]],
) -> None:
    dependents, declared = Dependents(), dict[PluginId, list[str]]()
    for plugin, texts in steps:
        dependents.note(plugin, texts)
        declared[plugin] = texts
    everything = [A, B, C, D, DBT_B]
    asked = graph(declared, everything)
    for needed in everything:
        expected = {
            plugin
            for plugin in declared
            if any(needed in one.candidates for one in asked.dependencies_of(plugin, _all_ready).declared)
        }
        assert set(dependents.of(needed)) - {needed} == expected - {needed}


def test_the_dependents_of_a_plugin_that_is_not_installed_are_known_too() -> None:
    dependents = Dependents()
    dependents.note(A, ("not-there",))
    assert set(dependents.of(compute("not-there"))) == {A}
    dependents.note(A, ())
    assert not dependents.of(compute("not-there"))


def test_note_returns_whether_the_declared_dependencies_changed() -> None:
    dependents = Dependents()
    noted = [dependents.note(A, texts) for texts in ((), ("b",), ["b"], ("b", "c"), (), ())]
    assert noted == [False, True, False, True, True, False]


@pytest.mark.parametrize(
    ("declared", "behind"),
    [
        ({}, set()),
        ({B: ("a",), C: ("b",), D: ("c",)}, {B, C, D}),
        ({A: ("b",), B: ("c",), C: ("a",)}, {A, B, C}),
        ({A: ("compute/a",), B: ("c",)}, {A}),
    ],
    ids=["nobody", "chain", "cycle", "itself"],
)
def test_plugins_behind_a_plugin_wait_for_it_directly_or_through_others(
    declared: Declared, behind: set[PluginId]
) -> None:
    dependents = Dependents()
    for plugin, texts in declared.items():
        dependents.note(plugin, texts)
    assert set(dependents.behind(A)) == behind
