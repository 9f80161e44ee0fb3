"""What holds for every status, whatever the facts and whatever was assessed before."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given
from pydantic import TypeAdapter

from floe_operator.rules.assess import assess
from floe_operator.rules.conditions import TABLE, reason_of
from floe_operator.rules.facts import Facts
from floe_operator.rules.in_use import is_idle
from floe_operator.rules.resource import CONDITION_TYPES, FloePlugin, FloePluginStatus
from tests.unit.operator.rules.facts_builder import LATER, NOW, condition
from tests.unit.operator.rules.strategies import few_examples, histories

DAY = timedelta(days=1)


def judge(history: list[Facts]) -> tuple[FloePluginStatus | None, FloePluginStatus]:
    """Assess facts that are a day apart; return the last two statuses (None and one if there is only one)."""
    before, status = None, assess(history[0], None, NOW)
    for number, facts in enumerate(history[1:], start=1):
        before, status = status, assess(facts, status, NOW + number * DAY)
    return before, status


@few_examples
@given(histories)
def test_the_same_facts_again_change_nothing(history: list[Facts]) -> None:
    _, status = judge(history)
    assert assess(history[-1], status, LATER) == status


@few_examples
@given(histories)
def test_a_status_that_is_read_back_equals_the_status_that_was_written(history: list[Facts]) -> None:
    _, status = judge(history)
    raw = json.loads(json.dumps(status.to_json(), allow_nan=False).encode())
    spec = history[-1].spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    seen = FloePlugin.parse({"metadata": {"name": "identity-keycloak"}, "spec": spec, "status": raw})
    assert seen.status == status


@few_examples
@given(histories)
def test_stalled_and_reconciling_are_never_both_present_and_always_true(history: list[Facts]) -> None:
    _, status = judge(history)
    present = [one for one in status.conditions if one.type in ("Stalled", "Reconciling")]
    assert len(present) <= 1
    assert all(one.status == "True" for one in present)
    if condition(status, "Ready").status != "True":
        assert present or not history[-1].in_use


@few_examples
@given(histories)
def test_only_a_plugin_that_nobody_asked_for_is_idle_or_not_configured(history: list[Facts]) -> None:
    _, status = judge(history)
    ready = condition(status, "Ready")
    assert status.in_use is history[-1].in_use
    if ready.reason == "NotConfigured":
        assert ready.status == "False"
        assert not history[-1].in_use
        stays = ready.observed_generation != history[-1].generation
        assert is_idle(status) or (stays and status.condition("Stalled") is None)
    if is_idle(status):
        assert not history[-1].in_use
        assert ready.reason in ("NotConfigured", "DependencyNotReady")


@few_examples
@given(histories)
def test_every_reason_comes_from_the_table(history: list[Facts]) -> None:
    _, status = judge(history)
    for one in status.conditions:
        if one.type in TABLE:
            assert reason_of(one) is not None
    known = {reason.text for table in TABLE.values() for reason in table} | {"Ready"}
    assert {one.reason for one in status.conditions} <= known
    assert [one.type for one in status.conditions] == [
        kind for kind in CONDITION_TYPES if status.condition(kind) is not None
    ]


@few_examples
@given(histories)
def test_ready_follows_from_the_conditions_of_its_generation(history: list[Facts]) -> None:
    _, status = judge(history)
    generation, ready = history[-1].generation, condition(status, "Ready")
    judged = [one for one in status.conditions if one.type in TABLE]
    present = [one for one in judged if one.observed_generation == generation]
    false = next((one for one in present if one.status == "False"), None)
    if false is not None:
        assert (ready.status, ready.reason, ready.message) == ("False", false.reason, false.message)
        assert status.observed_generation == generation
    elif ready.status == "True" and status.condition("Reconciling") is None:
        assert all(one.status == "True" and one.observed_generation == generation for one in judged)
        assert status.observed_generation == generation
    elif present == judged and all(one.status == "True" for one in judged):
        # Nothing is wrong, but the first check with a new configuration has not ended.
        assert condition(status, "Reconciling").reason == "Probing"


@few_examples
@given(histories)
def test_a_stall_belongs_to_the_current_generation(history: list[Facts]) -> None:
    _, status = judge(history)
    if status.condition("Stalled") is not None:
        assert status.observed_generation == history[-1].generation
        assert condition(status, "Ready").status == "False"


@few_examples
@given(histories)
def test_a_transition_time_changes_exactly_when_the_status_changes(history: list[Facts]) -> None:
    before, status = judge(history)
    for one in status.conditions:
        old = before.condition(one.type) if before is not None else None
        if old is None or old.status != one.status:
            assert one.last_transition_time == NOW + (len(history) - 1) * DAY
        else:
            assert one.last_transition_time == old.last_transition_time


@few_examples
@given(histories)
def test_what_the_facts_leave_open_stays_as_it_was_assessed(history: list[Facts]) -> None:
    before, status = judge(history)
    for one in status.conditions:
        old = before.condition(one.type) if before is not None else None
        if old is not None and one.observed_generation != history[-1].generation:
            assert one == old


@few_examples
@given(histories)
def test_every_text_is_one_bounded_line_and_the_status_leaves_room_in_16_kib(history: list[Facts]) -> None:
    _, status = judge(history)
    for one in status.conditions:
        assert len(one.message.encode()) <= 1024
        assert one.message.isprintable()
        assert one.message == " ".join(one.message.split())
    raw = json.dumps(status.to_json(), ensure_ascii=False, separators=(",", ":"))
    assert len(raw.encode()) <= 13 * 1024
    # Within the limits of the models, which are those of the CRD.
    TypeAdapter(FloePluginStatus).validate_json(raw)
