"""What is remembered about loading a plugin, and when loading is retried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floe_core.host.protocol import Description, DistributionRef, FoundPlugin, ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.plugin_host.knowledge import SET_ASIDE, Knowledge, needs_new_host
from floe_operator.plugin_host.outcomes import Doubt
from floe_operator.rules.load_states import Described, FailedBeside, LoadFault, Loading

LOADED = Described(
    Description(declared_name="a", version="1.0.0", floe_api_version="1.0", takes_config=False)
)
UNUSABLE_SCHEMA = Described(LOADED.description.model_copy(update={"schema_error": "no"}))
IMPORT_FAILED = LoadFault("ImportFailed", "no")
NOT_A_PLUGIN = LoadFault("NotAPlugin", "no class")
CRASHED = LoadFault("CrashedOnLoad", "no")
TIMED_OUT = LoadFault("LoadTimedOut", "no")


def _id(name: str) -> PluginId:
    return PluginId(PluginType.COMPUTE, name)


def _scan(environment: str = "e1", *, complete: bool = True, **fingerprints: str) -> ScanResult:
    found = tuple(
        FoundPlugin(
            type="compute",
            name=name,
            entry_point=f"{name} = m:C",
            distribution=DistributionRef(name=name, version="1"),
            fingerprint=fingerprint,
        )
        for name, fingerprint in fingerprints.items()
    )
    return ScanResult(
        complete=complete,
        fingerprint=environment,
        distributions=len(found),
        plugins=found,
        unreadable=() if complete else (Unreadable(where="x", detail="y", plugins_unknown=True),),
    )


def _knowledge(state: Described | LoadFault) -> Knowledge:
    knowledge = Knowledge()
    knowledge.accept(_scan(a="f1"), 0.0)
    knowledge.record(_id("a"), state, "f1", now=0.0)
    return knowledge


def test_plugins_that_a_scan_found_are_loading_and_due_in_its_order() -> None:
    knowledge = Knowledge()
    assert knowledge.accept(_scan(b="f", a="f"), 0.0) == {_id("a"), _id("b")}
    assert knowledge.state(_id("a")) == Loading()
    assert knowledge.due() == _id("b")
    assert knowledge.due(besides={_id("b")}) == _id("a")
    assert knowledge.state(_id("c")) is None


@pytest.mark.parametrize(
    ("state", "scan", "due", "kept"),
    [
        (LOADED, _scan(a="f1"), False, True),
        (LOADED, _scan("e2", a="f1", b="f1"), False, True),
        (LOADED, _scan("e2", a="f2"), True, False),
        (IMPORT_FAILED, _scan(a="f1"), False, True),
        (IMPORT_FAILED, _scan("e2", a="f1"), True, True),
        (IMPORT_FAILED, _scan("e2", a="f2"), True, False),
        (CRASHED, _scan(a="f1"), False, True),
        (CRASHED, _scan("e2", a="f1"), True, True),
    ],
)
def test_a_description_holds_for_its_distribution_and_a_failure_for_the_environment(
    state: Described | LoadFault, scan: ScanResult, due: bool, kept: bool
) -> None:
    knowledge = _knowledge(state)
    knowledge.accept(scan, 0.0)
    assert (knowledge.due() == _id("a")) is due
    assert knowledge.state(_id("a")) == (state if kept else Loading())


def test_a_plugin_missing_from_a_complete_scan_is_forgotten() -> None:
    knowledge = _knowledge(LOADED)
    assert knowledge.accept(_scan("e2"), 0.0) == {_id("a")}
    assert knowledge.state(_id("a")) is None


def test_a_plugin_missing_from_a_partial_scan_is_kept() -> None:
    knowledge = _knowledge(LOADED)
    assert knowledge.accept(_scan("e2", complete=False), 0.0) == set()
    assert knowledge.state(_id("a")) == LOADED


@pytest.mark.parametrize("state", [CRASHED, TIMED_OUT])
def test_a_plugin_that_was_set_aside_is_retried_at_doubling_intervals(state: LoadFault) -> None:
    knowledge = Knowledge()
    knowledge.accept(_scan(a="f1"), 0.0)
    now, waited = 0.0, []
    for _ in range(9):
        knowledge.record(_id("a"), state, "f1", now)
        assert knowledge.is_set_aside(_id("a"))
        retry = knowledge.next_retry()
        assert retry is not None
        assert knowledge.due_again(retry - 1) == []
        assert knowledge.due_again(retry) == [_id("a")]
        waited.append(retry - now)
        now = retry
    assert waited == [SET_ASIDE.after(failures) for failures in range(1, 10)]
    assert waited[:3] == [60, 120, 240]
    assert waited[-1] == 3_600


@pytest.mark.parametrize("state", [LOADED, IMPORT_FAILED])
def test_a_plugin_that_loads_or_fails_without_a_crash_is_no_longer_retried(
    state: Described | LoadFault,
) -> None:
    knowledge = _knowledge(CRASHED)
    assert knowledge.record(_id("a"), state, "f1", now=1.0)
    assert knowledge.next_retry() is None
    assert not knowledge.is_set_aside(_id("a"))


def test_the_same_outcome_again_is_no_change() -> None:
    assert not _knowledge(CRASHED).record(_id("a"), CRASHED, "f1", now=1.0)


def test_the_outcome_of_importing_an_older_distribution_is_dropped() -> None:
    knowledge = _knowledge(LOADED)
    knowledge.accept(_scan("e2", a="f2"), 0.0)
    assert not knowledge.record(_id("a"), IMPORT_FAILED, "f1", now=1.0)
    assert knowledge.state(_id("a")) == Loading()


@pytest.mark.parametrize("is_the_same_object", [False, True])
def test_a_plugin_that_a_newer_host_does_not_know_waits_for_the_next_scan(is_the_same_object: bool) -> None:
    knowledge, scan = Knowledge(), _scan(a="f1")
    knowledge.accept(scan, 0.0)
    knowledge.leave_out(_id("a"), 0.0)
    assert knowledge.due() is None
    assert knowledge.accept(scan if is_the_same_object else _scan(a="f1"), 0.0) == set()
    assert knowledge.due() == _id("a")


def test_a_plugin_set_aside_that_a_host_does_not_know_is_retried_after_a_pause() -> None:
    knowledge = _knowledge(CRASHED)
    retry = SET_ASIDE.first
    knowledge.accept(_scan("e2", a="f1"), retry)
    knowledge.leave_out(_id("a"), retry)
    assert knowledge.due() is None
    assert knowledge.due_again(2 * retry - 1) == []
    assert knowledge.due_again(2 * retry) == [_id("a")]


@pytest.mark.parametrize("seen", [IMPORT_FAILED, NOT_A_PLUGIN, UNUSABLE_SCHEMA])
@pytest.mark.parametrize("alone", [IMPORT_FAILED, NOT_A_PLUGIN, UNUSABLE_SCHEMA, CRASHED, LOADED])
def test_a_failure_beside_other_plugins_means_what_the_plugin_does_alone(
    seen: Described | LoadFault, alone: Described | LoadFault
) -> None:
    knowledge = _knowledge(TIMED_OUT)
    assert knowledge.believe(_id("a"), seen) is None, "it must be confirmed first"
    doubt = Doubt(seen, (_id("b"),), "f1")
    knowledge.settle(_id("a"), doubt, doubt.settled_by(alone))
    believed = knowledge.believe(_id("a"), seen)
    assert believed == (replace(LOADED, beside=_beside(seen)) if alone is LOADED else alone)


def _beside(seen: Described | LoadFault) -> FailedBeside:
    summary = seen.message if isinstance(seen, LoadFault) else "its schema cannot be used: no"
    return FailedBeside((_id("b"),), summary)


def test_what_an_older_release_did_alone_says_nothing_about_the_present_one() -> None:
    knowledge = _knowledge(LOADED)
    knowledge.settle(_id("a"), Doubt(IMPORT_FAILED, (_id("b"),), "f0"), IMPORT_FAILED)
    assert knowledge.believe(_id("a"), IMPORT_FAILED) is None


@pytest.mark.parametrize("seen", [LOADED, CRASHED, TIMED_OUT])
def test_what_other_plugins_cannot_have_caused_is_believed_at_once(seen: Described | LoadFault) -> None:
    assert _knowledge(LOADED).believe(_id("a"), seen) is seen


@pytest.mark.parametrize(
    ("scan", "kept"),
    [
        (_scan("e1", a="f1", b="f1"), True),
        (_scan("e2", complete=False, a="f1"), True),
        (_scan("e2", a="f1", b="f1"), False),
        (_scan("e2", a="f1"), False),
    ],
)
def test_a_plugin_loads_only_alone_until_a_distribution_changes(scan: ScanResult, kept: bool) -> None:
    knowledge = Knowledge()
    knowledge.accept(_scan(a="f1", b="f1"), 0.0)
    knowledge.record(_id("b"), LOADED, "f1", now=0.0)
    knowledge.record(_id("a"), replace(LOADED, beside=_beside(IMPORT_FAILED)), "f1", now=0.0)
    knowledge.record(_id("a"), LOADED, "f1", now=0.0)
    assert knowledge.loads_only_alone(_id("a")), "loading in another host of its own proves nothing"
    assert (_id("a") not in knowledge.accept(scan, 0.0)) is kept
    assert knowledge.loads_only_alone(_id("a")) is kept
    assert (_id("a") == knowledge.due(besides={_id("b"), _id("c")})) is not kept


@pytest.mark.parametrize(
    ("host", "now", "needed"),
    [
        (_scan("e1", a="f1"), _scan("e1", a="f1"), False),
        (_scan("e1", a="f1"), _scan("e2", a="f1"), True),
        (_scan("e1", a="f1"), _scan("e2", complete=False), False),
        (_scan("e1", a="f1"), _scan("e2", complete=False, a="f2"), True),
        (_scan("e1", a="f1"), _scan("e2", complete=False, a="f1", b="f1"), True),
        (_scan("e1", complete=False, a="f1"), _scan("e2", a="f1"), False),
    ],
)
def test_a_new_host_is_needed_if_imported_modules_might_be_stale(
    host: ScanResult, now: ScanResult, needed: bool
) -> None:
    assert needs_new_host(host, now) is needed
