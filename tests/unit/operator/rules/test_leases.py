"""What a candidate can do with a Lease, given what it saw and when, by its own clock alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from floe_operator.rules.leases import Lease, NotALease, Observer, Step, Timing, micro_time

ME, OTHER = "me", "other"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def lease(holder: str, *, renewed: datetime = NOW, seconds: float | None = 15, **spec: Any) -> Lease:
    return Lease.parse(
        {
            "metadata": {"name": "floe-operator", "resourceVersion": "7"},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds,
                "renewTime": micro_time(renewed),
                **spec,
            },
        }
    )


METADATA = {"name": "floe-operator", "resourceVersion": "7"}
NO_LEASES: list[dict[str, Any]] = [
    {},
    {"metadata": "x"},
    {"metadata": {"name": "floe-operator"}},
    {"metadata": METADATA, "spec": "x"},
    {"metadata": METADATA, "spec": {"holderIdentity": ["x"]}},
    {"metadata": METADATA, "spec": {"leaseDurationSeconds": "x"}},
    {"metadata": METADATA, "spec": {"leaseTransitions": "x"}},
]


@pytest.mark.parametrize("answer", NO_LEASES)
def test_an_answer_that_is_no_lease_says_nothing_about_who_holds_it(answer: dict[str, Any]) -> None:
    with pytest.raises(NotALease):
        Lease.parse(answer)


HELD = lease(OTHER)
GHOST = lease("ghost", seconds=2**31 - 1, leaseTransitions=2**31 - 1)
RENEWED = lease(OTHER, renewed=NOW + timedelta(seconds=4))


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        pytest.param([(0, None)], Step.CREATE, id="no Lease"),
        pytest.param([(0, HELD)], Step.WAIT, id="held, just seen for the first time"),
        pytest.param([(0, HELD), (14.9, HELD)], Step.WAIT, id="held, not yet expired"),
        pytest.param([(0, HELD), (15, HELD)], Step.TAKE, id="held, expired"),
        pytest.param([(0, HELD), (14, RENEWED), (28, RENEWED)], Step.WAIT, id="a renewal starts a new term"),
        pytest.param([(0, HELD), (14, RENEWED), (29, RENEWED)], Step.TAKE, id="a renewal expires too"),
        pytest.param(
            [(0, lease(OTHER, seconds=1)), (14, lease(OTHER, seconds=1))],
            Step.WAIT,
            id="a shorter term: its holder does not know",
        ),
        pytest.param([(0, lease(ME))], Step.RENEW, id="ours: an answer was lost"),
        pytest.param([(0, lease("", seconds=1))], Step.TAKE, id="released"),
        pytest.param([(0, HELD), (1, lease("", seconds=1))], Step.TAKE, id="released while we watched"),
        pytest.param([(0, HELD), (1, lease(""))], Step.WAIT, id="emptied by hand: the holder does not know"),
        pytest.param([(0, HELD), (1, None)], Step.WAIT, id="deleted by hand: the holder does not know"),
        pytest.param([(0, HELD), (1, None), (15, None)], Step.CREATE, id="deleted, and nobody recreated it"),
        pytest.param([(0, HELD), (14, lease("thief")), (28, lease("thief"))], Step.WAIT, id="changed hands"),
        pytest.param(
            [(0, lease(OTHER, seconds=600)), (599, lease(OTHER, seconds=600))], Step.WAIT, id="its own term"
        ),
        pytest.param(
            [(0, lease(OTHER, seconds=600)), (600, lease(OTHER, seconds=600))], Step.TAKE, id="which expires"
        ),
        pytest.param([(0, GHOST), (59, GHOST)], Step.WAIT, id="a term that never ends, at first"),
        pytest.param([(0, GHOST), (60, GHOST)], Step.TAKE, id="a term that never ends is not waited for"),
        pytest.param(
            [(0, lease(OTHER, seconds=None)), (14, lease(OTHER, seconds=None))], Step.WAIT, id="no term"
        ),
        pytest.param(
            [(0, lease(OTHER, seconds=None)), (15, lease(OTHER, seconds=None))],
            Step.TAKE,
            id="no term, expired",
        ),
        pytest.param(
            [(0, lease(OTHER, renewed=NOW - timedelta(hours=9)))] * 2,
            Step.WAIT,
            id="a clock that is hours behind",
        ),
        pytest.param(
            [(t, lease(OTHER, renewed=NOW + timedelta(hours=9))) for t in (0, 15)],
            Step.TAKE,
            id="a clock that is hours ahead",
        ),
    ],
)
def test_a_candidate_takes_a_lease_only_once_it_is_free_or_expired(
    seen: list[tuple[float, Lease | None]], step: Step
) -> None:
    observer = Observer(ME, Timing())
    *_, decided = [observer.decide(found, 1000 + at)[0] for at, found in seen]
    assert decided is step


def test_a_wait_lasts_until_the_lease_expires() -> None:
    observer = Observer(ME, Timing())
    assert observer.decide(HELD, 100.0) == (Step.WAIT, 15.0)
    assert observer.decide(HELD, 111.0) == (Step.WAIT, 4.0)


LONG = lease(OTHER, seconds=600)


@pytest.mark.parametrize(
    ("seen", "now", "oddity"),
    [
        (HELD, 0, ""),
        (lease(OTHER, seconds=None), 0, ""),
        (LONG, 60, ""),
        (LONG, 75, "other has not renewed it for 75 s, but may hold it for 600 s; if other no longer runs"),
        (
            GHOST,
            0,
            "ghost holds it for 2147483647 s at a time; without a renewal it is taken over after 60 s",
        ),
        (lease(OTHER, leaseTransitions=2**31 - 1), 0, "it counts 2147483647 transitions, as many as fit"),
        (lease(OTHER, leaseTransitions=2**31 - 2), 0, ""),
    ],
)
def test_what_is_odd_about_a_lease_is_named(seen: Lease, now: float, oddity: str) -> None:
    observer = Observer(ME, Timing())
    observer.decide(seen, 0.0)
    assert observer.oddity(now).startswith(oddity)
    assert bool(observer.oddity(now)) == bool(oddity)


def test_a_holder_is_shown_in_printable_characters_and_not_at_any_length() -> None:
    observer = Observer(ME, Timing())
    observer.decide(lease("a\n\u202e" + "b" * 5_000), 0.0)
    assert observer.holder.isprintable()
    assert len(observer.holder) <= 200


@pytest.mark.parametrize("holder", [ME, OTHER])
def test_transitions_at_the_limit_are_counted_anew(holder: str) -> None:
    full = lease(holder, leaseTransitions=2**31 - 1)
    assert full.held_by(ME, 15, NOW)["spec"]["leaseTransitions"] == 0


def test_only_a_changed_spec_counts_as_a_renewal() -> None:
    observer = Observer(ME, Timing())
    observer.decide(HELD, 0.0)
    labelled = Lease.parse(
        {"metadata": {"resourceVersion": "8", "labels": {"a": "b"}}, "spec": dict(HELD.record)}
    )
    assert observer.decide(labelled, 15.0) == (Step.TAKE, 0.0)


@pytest.mark.parametrize(
    ("before", "transitions", "acquired_now"),
    [
        pytest.param(Lease(), 0, True, id="created"),
        pytest.param(lease(OTHER, leaseTransitions=4), 5, True, id="taken over"),
        pytest.param(lease("", seconds=1, leaseTransitions=4), 5, True, id="taken after a release"),
        pytest.param(lease(ME, leaseTransitions=4, acquireTime="then"), 4, False, id="renewed"),
        pytest.param(GHOST, 0, True, id="as many transitions as fit, which nobody counted"),
    ],
)
def test_transitions_and_acquire_time_change_only_with_the_holder(
    before: Lease, transitions: int, acquired_now: bool
) -> None:
    later = NOW + timedelta(minutes=1)
    spec = before.held_by(ME, 15.0, later)["spec"]
    assert spec["holderIdentity"] == ME
    assert spec["leaseDurationSeconds"] == 15
    assert spec["renewTime"] == micro_time(later)
    assert spec["leaseTransitions"] == transitions
    assert (spec["acquireTime"] == micro_time(later)) == acquired_now


def test_fields_that_others_put_into_a_lease_are_sent_back_with_its_resource_version() -> None:
    before = Lease.parse(
        {
            "metadata": {"name": "floe-operator", "resourceVersion": "7", "labels": {"team": "data"}},
            "spec": {"holderIdentity": OTHER, "strategy": "OldestEmulationVersion"},
        }
    )
    for body in (before.held_by(ME, 15.0, NOW), before.released(NOW)):
        assert body["metadata"] == before.metadata
        assert body["spec"]["strategy"] == "OldestEmulationVersion"


def test_a_released_lease_is_free_immediately() -> None:
    body = lease(OTHER).released(NOW)
    observer = Observer(ME, Timing())
    observer.decide(HELD, 0.0)
    assert observer.decide(Lease.parse(body), 0.1) == (Step.TAKE, 0.0)


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        NOW.astimezone(timezone(timedelta(hours=5))),
    ],
)
def test_times_have_six_decimals_even_for_whole_seconds(moment: datetime) -> None:
    assert micro_time(moment) == "2026-03-01T12:00:00.000000Z"


@pytest.mark.parametrize("wrong", [(15, 15, 4), (15, 10, 10), (10, 15, 4), (15, 10, 0)])
def test_timings_without_a_margin_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="below"):
        Timing(*wrong)
