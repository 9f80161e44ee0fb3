"""Which plugins are tried in hosts of their own after hosts ended, and which are culprits."""

from __future__ import annotations

import pytest

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.suspicion import Suspicions
from tests.support.plugin_hosts import compute

CROWD = [compute(f"plugin{number}") for number in range(40)]
ONE, TWO, THREE, *_ = CROWD
End = set[PluginId]
"""The plugins that were under way when a shared host ended."""


@pytest.fixture
def releases() -> dict[PluginId, str]:
    return dict.fromkeys(CROWD, "first")


@pytest.fixture
def suspicions(releases: dict[PluginId, str]) -> Suspicions:
    return Suspicions(releases.get)


def _ends(suspicions: Suspicions, *ends: End, at: float = 0.0) -> None:
    for under_way in ends:
        suspicions.note_shared_end(under_way, CROWD, at, proved=False)


def _suspects(suspicions: Suspicions) -> list[PluginId]:
    return [plugin for plugin in CROWD if suspicions.is_suspect(plugin)]


def _culprits(suspicions: Suspicions) -> list[PluginId]:
    return [plugin for plugin in CROWD if suspicions.is_culprit(plugin)]


@pytest.mark.parametrize(
    ("ends", "suspects"),
    [
        ([], []),
        ([{ONE}], []),
        ([{ONE}, {ONE}], [ONE]),
        ([{ONE, TWO, THREE}, {ONE}], [ONE]),  # all of them run alone after the first end
        ([{ONE, TWO}, {ONE, TWO}], []),
        ([{ONE}, {TWO}], []),
        ([set()], []),
        ([set(), set()], CROWD),  # a thread of any of them
        ([{ONE}, {TWO}, {THREE}], [ONE, TWO, THREE]),
        ([{each} for each in CROWD[:5]], CROWD),  # never the same one: it may be none of them
    ],
)
def test_who_was_closest_to_the_end_of_a_host_is_suspected_first(
    suspicions: Suspicions, ends: list[End], suspects: list[PluginId]
) -> None:
    _ends(suspicions, *ends)
    assert _suspects(suspicions) == suspects
    assert _culprits(suspicions) == []


def test_a_plugin_that_ended_two_hosts_beyond_doubt_is_a_culprit_and_no_suspect(
    suspicions: Suspicions,
) -> None:
    for culprits in ([], [ONE]):
        suspicions.note_shared_end({ONE}, {ONE}, 0, proved=True)
        assert _culprits(suspicions) == culprits
        assert _suspects(suspicions) == []


def test_one_proof_counts_as_evidence_when_the_next_end_is_in_doubt(suspicions: Suspicions) -> None:
    suspicions.note_shared_end({ONE}, {ONE}, 0, proved=True)
    _ends(suspicions, {ONE})
    assert _suspects(suspicions) == [ONE]


def test_no_number_of_ends_that_others_may_have_caused_makes_a_culprit(suspicions: Suspicions) -> None:
    _ends(suspicions, *([{ONE}] * 50))
    assert _culprits(suspicions) == []


def test_a_suspect_whose_own_host_ends_is_the_culprit_and_clears_the_others(suspicions: Suspicions) -> None:
    _ends(suspicions, set(), set())
    suspicions.note_own_end(TWO)
    assert _culprits(suspicions) == [TWO]
    assert _suspects(suspicions) == []


def test_a_culprit_that_ends_its_own_host_again_and_again_hides_no_other(suspicions: Suspicions) -> None:
    suspicions.note_own_end(ONE)
    _ends(suspicions, {TWO})
    suspicions.note_own_end(ONE)
    _ends(suspicions, {TWO})
    suspicions.note_own_end(ONE)
    assert _suspects(suspicions) == [TWO]


def test_a_culprit_stays_one_until_its_release_changes(
    suspicions: Suspicions, releases: dict[PluginId, str]
) -> None:
    suspicions.note_own_end(ONE)
    suspicions.clear(ONE)
    suspicions.forget_old_releases()
    assert _culprits(suspicions) == [ONE]
    releases[ONE] = "second"
    assert _culprits(suspicions) == []
    suspicions.forget_old_releases()
    releases[ONE] = "first"
    assert _culprits(suspicions) == []


def test_a_suspect_that_is_cleared_must_be_suspected_anew_and_that_takes_more(suspicions: Suspicions) -> None:
    _ends(suspicions, set(), set())
    suspicions.clear(ONE)
    assert ONE not in _suspects(suspicions)
    _ends(suspicions, set(), set())
    assert ONE not in _suspects(suspicions)
    _ends(suspicions, set(), set())
    assert ONE in _suspects(suspicions)


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_each_of_forty_suspects_has_its_turn_even_if_the_first_ones_always_come_first(
    suspicions: Suspicions, number: int
) -> None:
    ends = 0
    tried: list[PluginId] = []
    while CROWD[number] not in tried:
        for plugin in tried:
            suspicions.clear(plugin)
        _ends(suspicions, set())
        ends += 1
        tried = _suspects(suspicions)[:4]
        assert ends < 30


def test_what_happened_before_an_hour_of_calm_counts_no_longer(suspicions: Suspicions) -> None:
    _ends(suspicions, {ONE}, at=0)
    _ends(suspicions, {ONE}, at=3_601)
    assert _suspects(suspicions) == []
    _ends(suspicions, {ONE}, at=7_201)
    assert _suspects(suspicions) == [ONE]
