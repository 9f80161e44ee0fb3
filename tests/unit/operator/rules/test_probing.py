"""When a plugin starts, keeps running or stops, given its conditions, its configuration and what runs."""

from __future__ import annotations

import itertools

import pytest

from floe_operator.rules.facts import Checked, ConfigDigest, Probe
from floe_operator.rules.probing import NEEDED_TO_START, Rest, Run, may_start, wanted
from floe_operator.rules.resource import Condition, ProbeSpec
from tests.unit.operator.rules.facts_builder import NOW, facts, spec

DIGEST = ConfigDigest(b"1")
PROBE = ProbeSpec()
RUN = Run(PROBE, DIGEST)
RUNS = Checked("healthy")
ALL = ("Discovered", "Loaded", *NEEDED_TO_START)


def shown(*true: str) -> dict[str, Condition]:
    """Return all conditions, of which only these are True."""
    return {
        kind: Condition(
            type=kind,
            status="True" if kind in true else "False",
            reason="R",
            message="",
            observed_generation=1,
            last_transition_time=NOW,
        )
        for kind in ALL
    }


@pytest.mark.parametrize(
    ("false", "probe", "asleep", "running"),
    [
        ((), PROBE, RUN, RUN),
        ((), None, Rest.STOP, Rest.STOP),
        (("Discovered",), PROBE, Rest.STOP, Rest.STOP),
        (("Loaded",), PROBE, Rest.AS_IT_IS, Rest.AS_IT_IS),
        (("VersionCompatible",), PROBE, Rest.AS_IT_IS, Rest.AS_IT_IS),
        (("ConfigValid",), PROBE, Rest.AS_IT_IS, Rest.AS_IT_IS),
        (("DependenciesReady",), PROBE, Rest.AS_IT_IS, RUN),
        (("ConfigValid", "DependenciesReady"), PROBE, Rest.AS_IT_IS, Rest.AS_IT_IS),
    ],
    ids=lambda value: "+".join(value) or "-" if isinstance(value, tuple) else str(value),
)
def test_the_conditions_decide_whether_a_plugin_starts_stays_as_it_is_or_stops(
    false: tuple[str, ...], probe: ProbeSpec | None, asleep: Run | Rest, running: Run | Rest
) -> None:
    conditions = shown(*(kind for kind in ALL if kind not in false))
    asked_for = spec(probe=probe)
    assert wanted(facts(spec=asked_for, config_digest=DIGEST), conditions) == asleep
    assert wanted(facts(spec=asked_for, config_digest=DIGEST, probe=RUNS), conditions) == running


@pytest.mark.parametrize("probe", [None, RUNS])
def test_nothing_is_started_or_restarted_with_an_unknown_configuration(probe: Probe | None) -> None:
    unknown = facts(spec=spec(probe=PROBE), config_digest=None, probe=probe)
    assert wanted(unknown, shown(*ALL)) is Rest.AS_IT_IS


def test_a_plugin_may_start_exactly_when_it_would_be_started() -> None:
    for count in range(len(NEEDED_TO_START) + 1):
        for true in itertools.combinations(NEEDED_TO_START, count):
            conditions = shown("Discovered", "Loaded", *true)
            starts = wanted(facts(spec=spec(probe=PROBE), config_digest=DIGEST), conditions) == RUN
            assert starts == may_start(conditions)
