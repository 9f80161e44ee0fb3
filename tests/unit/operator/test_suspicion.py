"""Which plugins are tried in hosts of their own after hosts ended, and which are convicted there."""

from __future__ import annotations

import pytest

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.suspicion import Suspicions
from tests.support.plugin_hosts import compute

CROWD = [compute(f"plugin{number}") for number in range(20)]
ONE, TWO, THREE, *_ = CROWD
End = list[PluginId]
"""The plugins that were under way when a shared host ended."""


@pytest.fixture
def releases() -> dict[PluginId, str]:
    return dict.fromkeys(CROWD, "first")


@pytest.fixture
def suspicions(releases: dict[PluginId, str]) -> Suspicions:
    return Suspicions(releases.get)


def _suspects(suspicions: Suspicions) -> list[PluginId]:
    return [plugin for plugin in CROWD if suspicions.is_suspect(plugin)]


def _culprits(suspicions: Suspicions) -> list[PluginId]:
    return [plugin for plugin in CROWD if suspicions.is_culprit(plugin)]


@pytest.mark.parametrize(
    ("ends", "suspects"),
    [
        ([], []),
        ([[ONE]], []),
        ([[ONE], [ONE]], [ONE]),
        ([[ONE, TWO, THREE], [ONE]], [ONE]),  # all of them run alone after the first end
        ([[ONE], [TWO]], []),
        ([[]], []),
        ([[], []], CROWD),  # a thread of any of them
        ([[ONE], [TWO], [THREE]], [ONE, TWO, THREE]),
        ([[each] for each in CROWD[:5]], CROWD),  # never the same one: it may be none of them
    ],
)
def test_who_was_closest_to_the_end_of_a_host_is_suspected_first(
    suspicions: Suspicions, ends: list[End], suspects: list[PluginId]
) -> None:
    for under_way in ends:
        suspicions.note_shared_end(under_way, CROWD, proved=False)
    assert _suspects(suspicions) == suspects
    assert _culprits(suspicions) == []


def test_a_plugin_that_ended_two_hosts_beyond_doubt_is_a_culprit(suspicions: Suspicions) -> None:
    for culprits in ([], [ONE]):
        suspicions.note_shared_end([ONE], [ONE], proved=True)
        assert _culprits(suspicions) == culprits
        assert _suspects(suspicions) == []


def test_one_proof_counts_as_evidence_when_the_next_end_is_in_doubt(suspicions: Suspicions) -> None:
    suspicions.note_shared_end([ONE], [ONE], proved=True)
    suspicions.note_shared_end([ONE], CROWD, proved=False)
    assert _suspects(suspicions) == [ONE]


def test_a_suspect_whose_own_host_ends_is_the_culprit_and_clears_the_others(suspicions: Suspicions) -> None:
    for _ in range(2):
        suspicions.note_shared_end([], CROWD, proved=False)
    suspicions.note_own_end(TWO)
    assert _culprits(suspicions) == [TWO]
    assert _suspects(suspicions) == []


def test_a_suspect_that_was_alone_once_more_for_want_of_a_host_is_a_culprit(suspicions: Suspicions) -> None:
    for _ in range(3):
        suspicions.note_shared_end([ONE], CROWD, proved=False)
    assert _culprits(suspicions) == [ONE]


def test_a_culprit_stays_one_when_it_is_cleared_of_suspicion_until_its_release_changes(
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


def test_a_suspect_that_is_cleared_must_be_suspected_anew(suspicions: Suspicions) -> None:
    for _ in range(2):
        suspicions.note_shared_end([], CROWD, proved=False)
    suspicions.clear(ONE)
    assert ONE not in _suspects(suspicions)
    suspicions.note_shared_end([], CROWD, proved=False)
    assert ONE not in _suspects(suspicions)
    suspicions.note_shared_end([], CROWD, proved=False)
    assert ONE in _suspects(suspicions)
