"""The conditions as data, and the two rules that every condition follows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from floe_operator.rules.conditions import TABLE, Outcome, bounded, condition
from floe_operator.rules.resource import CONDITION_TYPES, Condition

EARLY, LATE = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)

STALLING = {
    "DuplicateEntryPoint",
    "MalformedEntryPoint",
    "ImportFailed",
    "NotAPlugin",
    "IncompatibleApi",
    "InvalidVersion",
    "OutsideVersionRange",
    "InvalidVersionRange",
    "PlaintextSecret",
    "ConfigNotAccepted",
    "PathConflict",
    "SchemaFailed",
    "DependencyCycle",
    "DependencyAmbiguous",
}
"""The reasons that only a change of spec, plugin code or packaging can end, as the design lists them."""


def test_a_fault_that_a_source_can_fix_stalls_only_a_configuration_without_sources() -> None:
    reasons = [reason for table in TABLE.values() for reason in table]
    assert {reason.text for reason in reasons if reason.stalls(has_sources=True)} == STALLING
    assert {reason.text for reason in reasons if reason.stalls(has_sources=False)} == {
        *STALLING,
        "ConfigRequired",
        "ValidationFailed",
    }


def test_the_assessed_conditions_come_first_and_in_the_order_of_the_table() -> None:
    assert (*TABLE, "Ready", "Reconciling", "Stalled") == CONDITION_TYPES


@pytest.mark.parametrize("table", TABLE.values(), ids=list(TABLE))
def test_every_condition_can_be_true_false_and_unknown(table: type) -> None:
    assert {reason.outcome.status for reason in table} == {"True", "False", "Unknown"}  # type: ignore[attr-defined]


def test_only_a_false_reason_can_stall() -> None:
    assert {one.status for one in Outcome if one.name.startswith("STALLED")} == {"False"}


def before(status: str) -> Condition:
    return TypeAdapter(Condition).validate_python(
        {"type": "Loaded", "status": status, "reason": "R", "message": "", "lastTransitionTime": EARLY}
    )


@pytest.mark.parametrize(
    ("previous", "moment"),
    [
        (None, datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (before("False"), datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (before("Unknown"), datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (before("True"), EARLY),
    ],
)
def test_the_transition_time_has_whole_seconds_and_changes_with_the_status(
    previous: Condition | None, moment: datetime
) -> None:
    made = condition("Loaded", "True", "Loaded", "m", generation=7, before=previous, now=LATE)
    assert (made.last_transition_time, made.observed_generation) == (moment, 7)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a\n\n b\t", "a b"),
        ("a\u2028b\x1b[31mc\u202ed", "a b [31mc d"),
        ("\ud800x", "?x"),
        ("", ""),
    ],
)
def test_a_message_is_one_printable_line(text: str, line: str) -> None:
    assert bounded(text) == line


@pytest.mark.parametrize("char", ["a", "ü", "€", "🦆"])
@pytest.mark.parametrize("limit", [8, 9, 10, 11, 1_024])
def test_a_long_message_is_cut_between_characters_and_marked(char: str, limit: int) -> None:
    cut = bounded(char * 2_000, limit)
    assert limit - 3 - 3 <= len(cut.encode()) <= limit
    assert cut.rstrip("…").strip(char) == ""
    assert cut.endswith("…")
