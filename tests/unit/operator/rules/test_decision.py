"""What a reconcile does, given the object, what is known about its plugin, and the time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from floe_operator.rules.decision import LOADING_SECONDS, Decision, Mirror, Situation, decide
from floe_operator.rules.facts import ConfigDigest, Facts
from floe_operator.rules.load_states import Loading
from floe_operator.rules.probing import Rest, Run
from floe_operator.rules.resource import FloePlugin, FloePluginStatus, ProbeSpec
from tests.unit.operator.rules.facts_builder import LATER, NOW, facts, judged, spec

DIGEST = ConfigDigest(b"1")
FOUND_AT = 100.0
PROBED = spec(probe={})


def an_object(
    status: FloePluginStatus | None = None, *, labelled: bool = True, **metadata: Any
) -> FloePlugin:
    raw: dict[str, Any] = {
        "metadata": {
            "name": "identity-keycloak",
            "labels": {"floe.dev/plugin-type": "identity"} if labelled else {},
            **metadata,
        },
        "spec": {"type": "identity", "name": "keycloak"},
    }
    return replace(FloePlugin.parse(raw), status=status)


def decided(seen: FloePlugin | None, known: Facts | None = None, **situation: Any) -> Decision:
    return decide(Situation(seen, known, **situation), LATER, FOUND_AT, {})


@pytest.mark.parametrize(
    ("lacks_object", "mirror"), [(True, Mirror.MAKE), (False, Mirror.LEAVE)], ids=["must-exist", "need-not"]
)
def test_a_plugin_without_an_object_stops_and_gets_an_object_if_it_must_have_one(
    lacks_object: bool, mirror: Mirror
) -> None:
    expected = Decision(mirror=mirror, run=Rest.STOP, forget=True)
    assert decided(None, lacks_object=lacks_object) == expected


def test_an_object_that_is_being_deleted_gets_no_write_and_its_plugin_stops() -> None:
    going = an_object(deletionTimestamp="2030-01-01T00:00:00Z")
    assert decided(going, facts()) == Decision(run=Rest.STOP, forget=True)


def test_before_the_first_scan_nothing_is_done() -> None:
    assert decided(an_object(judged())) == Decision()


def test_a_field_that_the_crd_does_not_have_is_neither_written_nor_missed() -> None:
    lacking = {"inUse", "description"}
    decision = decide(Situation(an_object(), facts()), LATER, FOUND_AT, {}, lacking)
    assert decision.status is not None
    assert decision.status.to_json().keys() == judged().to_json().keys() - lacking
    everything = judged().to_json().keys()
    assert decide(Situation(an_object(), facts()), LATER, FOUND_AT, {}, everything).status is not None
    again = decide(Situation(an_object(decision.status), facts()), LATER, FOUND_AT, {}, lacking)
    assert again.status is None
    served = decide(Situation(an_object(decision.status), facts()), LATER, FOUND_AT, {})
    assert served.status is not None
    assert served.status.in_use is True


def test_a_status_that_differs_is_written_before_the_object_is_completed() -> None:
    assert decided(an_object(labelled=False), facts()).status is not None
    assert decided(an_object(labelled=False), facts()).mirror is Mirror.LEAVE
    assert decided(an_object(judged(), labelled=False), facts()) == Decision(
        mirror=Mirror.COMPLETE, run=Rest.STOP
    )


def test_an_object_that_is_as_it_should_be_gets_no_write() -> None:
    assert decided(an_object(judged()), facts()) == Decision(run=Rest.STOP)


def test_whether_a_plugin_runs_depends_on_the_new_status_not_on_the_old_status() -> None:
    known = facts(spec=PROBED, config_digest=DIGEST)
    before = judged(spec=PROBED, config=None)
    assert decided(an_object(before), known).run == Run(ProbeSpec(), DIGEST)


@pytest.mark.parametrize(
    ("status", "since", "waits"),
    [
        (None, FOUND_AT, LOADING_SECONDS),
        (None, FOUND_AT - LOADING_SECONDS / 2, LOADING_SECONDS / 2),
        (None, FOUND_AT - LOADING_SECONDS, 0.0),
        (judged(), FOUND_AT, 0.0),
        (FloePluginStatus(observed_generation=-1), FOUND_AT, LOADING_SECONDS),
    ],
    ids=["found-now", "found-earlier", "patience-is-over", "assessed-before", "the-crds-default"],
)
def test_the_first_assessment_waits_a_while_for_the_plugin_to_load(
    status: FloePluginStatus | None, since: float, waits: float
) -> None:
    decision = decided(an_object(status), facts(loading=Loading(since)))
    if waits:
        assert decision == Decision(again_after=waits)
    else:
        assert decision.again_after == 0


def test_a_status_that_was_written_is_not_written_again() -> None:
    first = decided(an_object(), facts())
    assert first.status is not None
    later = decide(Situation(an_object(first.status), facts()), NOW.replace(year=2040), FOUND_AT, {})
    assert later.status is None
