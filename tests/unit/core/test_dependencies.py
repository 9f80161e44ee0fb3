"""Dependencies: what a name refers to, and an order that is always the same."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_core.dependencies import find_cycle, plan, resolve
from floe_core.plugin_errors import AmbiguousDependencyError, CircularDependencyError, MissingDependencyError
from floe_core.plugin_types import PluginId, PluginType, plugin_id

COMPUTE, CATALOG = PluginType.COMPUTE, PluginType.CATALOG
A, B, C, D = (PluginId(COMPUTE, name) for name in "abcd")
OTHER_A = PluginId(CATALOG, "a")


@pytest.mark.parametrize(
    ("asker", "dependency", "expected"),
    [
        (B, "a", (A, OTHER_A)),
        (A, "a", (OTHER_A,)),
        (B, "catalog/a", (OTHER_A,)),
        (A, "compute/a", (A,)),
        (C, "c", (C,)),
        (B, "Catalog/A", (OTHER_A,)),
        (B, "storage/a", ()),
        (B, "nothing/a", ()),
        (B, "missing", ()),
        (B, "", ()),
        (B, " a ", (A, OTHER_A)),
    ],
)
def test_a_bare_name_matches_any_type_and_the_asker_itself_only_if_there_is_no_other(
    asker: PluginId, dependency: str, expected: tuple[PluginId, ...]
) -> None:
    assert resolve(asker, dependency, {A, B, C, OTHER_A}) == expected


def test_names_are_normalised_before_they_are_compared() -> None:
    assert resolve(A, "My_Plugin", {plugin_id(COMPUTE, "my-plugin")}) == (plugin_id(COMPUTE, "my.plugin"),)


def test_every_plugin_stays_in_the_order_whatever_faults_are_found() -> None:
    planned = plan({A: ["missing"], B: ["a"], C: ["d"], D: ["c"], OTHER_A: []})
    assert set(planned.order) == {A, B, C, D, OTHER_A}
    assert {plugin: type(fault) for plugin, fault in planned.faults.items()} == {
        A: MissingDependencyError,
        B: AmbiguousDependencyError,
        C: CircularDependencyError,
        D: CircularDependencyError,
    }


def test_an_ambiguous_dependency_says_what_to_write_instead() -> None:
    message = str(plan({A: [], OTHER_A: [], B: ["a"]}).faults[B])
    assert "compute/a or catalog/a" in message


def test_a_cycle_repeats_its_first_name_at_the_end() -> None:
    fault = plan({A: ["b"], B: ["c"], C: ["a"]}).faults[A]
    assert isinstance(fault, CircularDependencyError)
    assert fault.cycle == ["COMPUTE:a", "COMPUTE:b", "COMPUTE:c", "COMPUTE:a"]


def test_a_plugin_that_needs_itself_is_a_cycle() -> None:
    assert find_cycle({A: [A]}) == (A, A)
    for declared in ("a", "compute/a"):
        fault = plan({A: [declared]}).faults[A]
        assert isinstance(fault, CircularDependencyError)
        assert fault.cycle == ["COMPUTE:a", "COMPUTE:a"]


def test_a_plugin_that_depends_on_a_cycle_is_not_part_of_it() -> None:
    planned = plan({A: ["b"], B: ["a"], C: ["a"]})
    assert C not in planned.faults
    assert planned.order.index(C) > planned.order.index(A)


def test_a_chain_can_be_longer_than_the_recursion_limit() -> None:
    count = 5_000
    declared = {PluginId(COMPUTE, f"p{n:05d}"): [f"p{n + 1:05d}"] for n in range(count)}
    last = PluginId(COMPUTE, f"p{count:05d}")
    declared[last] = []
    assert plan(declared).order[0] == last
    declared[last] = ["p00000"]
    assert len(plan(declared).faults) == count + 1


@st.composite
def graphs(draw: st.DrawFn) -> dict[PluginId, list[str]]:
    names = [f"p{index}" for index in range(draw(st.integers(1, 12)))]
    return {PluginId(COMPUTE, name): draw(st.lists(st.sampled_from(names), max_size=4)) for name in names}


@given(graphs())
def test_dependencies_come_first_unless_a_cycle_prevents_it(declared: dict[PluginId, list[str]]) -> None:
    planned = plan(declared)
    assert sorted(planned.order) == sorted(declared)
    place = {plugin: index for index, plugin in enumerate(planned.order)}
    for plugin in declared:
        if not isinstance(planned.faults.get(plugin), CircularDependencyError):
            assert all(place[each] < place[plugin] for each in planned.needs[plugin])


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_declaration(
    declared: dict[PluginId, list[str]], chance: random.Random
) -> None:
    shuffled = list(declared.items())
    chance.shuffle(shuffled)
    assert plan(dict(shuffled)).order == plan(declared).order


@given(graphs())
def test_every_reported_cycle_is_a_real_cycle(declared: dict[PluginId, list[str]]) -> None:
    planned = plan(declared)
    for fault in planned.faults.values():
        if isinstance(fault, CircularDependencyError):
            assert fault.cycle[0] == fault.cycle[-1]
            ids = {str(plugin): plugin for plugin in declared}
            steps = [ids[name] for name in fault.cycle]
            assert all(after in planned.needs[before] for before, after in itertools.pairwise(steps))
