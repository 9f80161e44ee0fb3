"""What a reconcile does with what it sees; tests with a real API server cover how it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from floe_core.host.protocol import Verdict
from floe_core.plugin_types import PluginId
from floe_operator.api.errors import ClusterUnreachable, Conflict, MissingRight, NotAdmitted, NotFound
from floe_operator.rules.load_states import LoadFault, Loading
from floe_operator.rules.resource import TYPE_LABEL
from floe_operator.rules.results import DONE, LATER, Result, RetryAfter
from tests.unit.operator.reconcile_world import BASE, LABELS, RECHECK, TOP, World, loaded, scan


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def probed(world: World) -> World:
    """Return a world in which a plugin runs and is Ready."""
    world.there(BASE, probe={})
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    await world.settle()
    assert world.reasons(BASE)["Ready"] == "Ready"
    assert len(world.wanted) == 1
    world.written.clear()
    return world


async def test_facts_that_are_unknown_for_now_restart_no_plugin_and_write_nothing(probed: World) -> None:
    probed.scans.succeeded(scan(TOP, unreadable="floe-base"))
    await probed.settle()
    probed.scans.failed("no Python")
    await probed.settle()
    probed.scans.succeeded(scan(BASE))
    probed.states[BASE] = Loading()
    await probed.settle()
    assert (len(probed.wanted), probed.dropped, probed.written) == (1, [], [])


async def test_after_a_restart_a_plugin_is_started_only_once_it_is_loaded(probed: World) -> None:
    probed.wanted.clear()
    probed.restart()
    probed.states[BASE] = Loading()
    probed.scans.succeeded(scan(BASE))
    probed.listed()
    await probed.settle()
    assert probed.wanted == []
    probed.states[BASE] = loaded()
    await probed.settle()
    assert len(probed.wanted) == 1
    assert probed.written == []


async def test_a_plugin_is_stopped_only_after_the_status_that_says_why_is_written(probed: World) -> None:
    probed.scans.succeeded(scan(TOP))
    probed.fault = ClusterUnreachable("away")
    with pytest.raises(ClusterUnreachable):
        await probed.reconciler.reconcile(BASE)
    assert probed.dropped == []
    probed.fault = None
    await probed.reconciler.reconcile(BASE)
    assert (probed.reasons(BASE)["Discovered"], probed.dropped) == ("NotInstalled", [BASE])


async def test_a_plugin_is_stopped_even_if_the_status_that_says_why_is_refused(probed: World) -> None:
    probed.scans.succeeded(scan(TOP))
    probed.fault = Conflict("somebody was faster")
    await probed.reconciler.reconcile(BASE)
    assert probed.dropped == []
    probed.fault = NotAdmitted("a policy")
    await probed.reconciler.reconcile(BASE)
    assert (probed.reasons(BASE)["Discovered"], probed.dropped) == ("Installed", [BASE])
    assert probed.refusals.counts == {"object": 0, "status": 2, "deletion": 0}


async def test_a_plugin_is_stopped_even_if_a_permission_is_missing_or_a_conflict_lasts(probed: World) -> None:
    probed.scans.succeeded(scan(TOP))
    probed.fault = MissingRight("no", right="patch floeplugins/status")
    with pytest.raises(MissingRight):
        await probed.reconciler.reconcile(BASE)
    assert probed.dropped == [BASE]
    probed.dropped.clear()
    probed.fault = Conflict("somebody was faster")
    for _ in range(2):
        await probed.reconciler.reconcile(BASE)
    assert probed.dropped == [BASE]


async def test_a_refused_write_that_then_fails_otherwise_is_left_to_the_queue_and_its_back_off(
    probed: World,
) -> None:
    probed.scans.succeeded(scan(TOP))
    probed.fault = NotAdmitted("a quota")
    assert await probed.reconciler.reconcile(BASE) == DONE
    probed.refusals.try_a_few()
    assert probed.tried_again == [BASE]
    probed.fault = ClusterUnreachable("slow down", after=60.0)
    with pytest.raises(ClusterUnreachable):
        await probed.reconciler.reconcile(BASE)
    probed.refusals.try_a_few()
    assert probed.tried_again == [BASE]


async def test_an_object_that_the_api_server_lacks_is_looked_at_again_unless_it_is_gone(
    probed: World,
) -> None:
    probed.scans.succeeded(scan(TOP))
    probed.fault = NotFound("the server could not find the requested resource")
    assert await probed.reconciler.reconcile(BASE) == RetryAfter(10.0, is_urgent=False)
    assert probed.dropped == []
    probed.fault = None
    await probed.reconciler.reconcile(BASE)
    assert probed.reasons(BASE)["Discovered"] == "NotInstalled"
    probed.fault = NotFound("the server could not find the requested resource")
    probed.objects.remove(probed.served.pop(BASE))
    assert await probed.reconciler.reconcile(BASE) == DONE


class Clock:
    """The monotonic clock of what judges configurations, and of what reconciles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        for module in ("configurations", "reconcile"):
            monkeypatch.setattr(f"floe_operator.{module}.time", SimpleNamespace(monotonic=lambda: self.now))


SECRET_OF = {"configFrom": [{"secretKeyRef": {"name": "s", "key": "k"}, "path": "token"}]}


@pytest.mark.parametrize(
    ("spec", "verdict", "seconds"),
    [
        ({}, Verdict(reason="Valid"), None),
        ({}, Verdict(reason="ConfigRequired"), None),
        ({}, Verdict(reason="ValidationFailed"), 600.0),
        ({}, Verdict(reason="SchemaFailed"), 600.0),
        (SECRET_OF, Verdict(reason="Valid"), RECHECK),
        (SECRET_OF, Verdict(reason="ValidationFailed"), RECHECK),
    ],
)
async def test_a_key_comes_back_when_what_is_known_no_longer_holds_behind_those_that_somebody_changed(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    spec: dict[str, Any],
    verdict: Verdict,
    seconds: float | None,
) -> None:
    clock = Clock(monkeypatch)
    world.there(BASE, **spec)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    world.verdicts[BASE] = verdict
    for waited in (0, 20):
        clock.now += waited
        left = None if seconds is None else seconds - (waited if seconds != RECHECK else 0)
        expected = DONE if left is None else RetryAfter(left, is_urgent=False)
        assert await world.reconciler.reconcile(BASE) == expected
    assert world.written == [BASE]
    clock.now += 10_000
    world.verdicts[BASE] = Verdict(reason="Valid")
    await world.reconciler.reconcile(BASE)
    has_changed = verdict.reason not in ("Valid", "ConfigRequired")
    assert (world.reasons(BASE)["ConfigValid"] == "Valid") == (has_changed or verdict.reason == "Valid")


@pytest.mark.parametrize("interfere", [{}, {"status": {}}], ids=["nobody", "somebody"])
async def test_an_echo_that_overtakes_the_answer_is_no_change_and_somebodys_is(
    world: World, interfere: Mapping[str, Any]
) -> None:
    world.overtakes = True
    world.there(BASE, labels=None)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    world.interfere = interfere
    assert await world.reconciler.reconcile(BASE) == (RetryAfter(1.0) if interfere else LATER)
    assert world.changed == ([BASE] if interfere else [])
    world.changed.clear()
    for _ in range(3):
        last = await world.reconciler.reconcile(BASE)
    assert (last, world.changed, world.applied) == (DONE, [], [BASE])


async def test_what_is_left_to_do_comes_before_what_no_longer_holds(world: World) -> None:
    world.there(BASE, labels=None, **SECRET_OF)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    assert await world.reconciler.reconcile(BASE) == LATER
    result = await world.reconciler.reconcile(BASE)
    assert isinstance(result, RetryAfter)
    assert RECHECK - 1 < result.seconds <= RECHECK


@pytest.fixture
async def chain(world: World) -> World:
    """Return a world in which a plugin needs another plugin and both are Ready."""
    world.there(TOP)
    world.there(BASE)
    world.listed()
    world.scans.succeeded(scan(BASE, TOP))
    world.states |= {BASE: loaded(), TOP: loaded("storage/base")}
    await world.settle()
    assert world.reasons(TOP)["DependenciesReady"] == "AllReady"
    world.written.clear()
    return world


async def test_a_plugin_hidden_by_a_partial_scan_is_not_a_missing_dependency(chain: World) -> None:
    chain.scans.succeeded(scan(TOP, unreadable="floe-base"))
    await chain.settle()
    assert chain.written == []
    # A new process knows just as much, in whatever order it learns of objects and scans.
    chain.restart()
    del chain.states[BASE]
    chain.scans.succeeded(scan(TOP, unreadable="floe-base"))
    chain.objects.put(chain.served[TOP])
    await chain.reconciler.reconcile(TOP)
    chain.listed()
    await chain.settle()
    assert chain.written == []
    chain.scans.succeeded(scan(TOP))
    await chain.settle()
    assert chain.reasons(TOP)["DependenciesReady"] == "DependencyMissing"


async def test_a_cycle_remains_while_a_member_loads_again(chain: World) -> None:
    chain.states[BASE] = loaded("catalog/top")
    await chain.settle()
    assert chain.declared == [TOP, BASE]
    assert chain.reasons(TOP)["Stalled"] == chain.reasons(BASE)["Stalled"] == "DependencyCycle"
    chain.written.clear()
    chain.restart()
    chain.states[BASE] = Loading()
    chain.scans.succeeded(scan(BASE, TOP))
    chain.listed()
    await chain.settle()
    assert chain.written == []
    chain.states[BASE] = LoadFault("ImportFailed", "no module")
    await chain.settle()
    assert chain.reasons(TOP)["DependenciesReady"] == "DependencyNotReady"


async def test_a_cycle_that_ends_because_a_member_cannot_be_loaded_wakes_the_others(chain: World) -> None:
    chain.states[BASE] = loaded("catalog/top")
    await chain.settle()
    assert chain.reasons(TOP)["Stalled"] == "DependencyCycle"
    chain.declared.clear()
    chain.states[BASE] = Loading()
    await chain.reconciler.reconcile(BASE)
    assert chain.declared == [], "what it needs is not known anew"
    chain.states[BASE] = LoadFault("ImportFailed", "no module")
    await chain.reconciler.reconcile(BASE)
    assert chain.declared == [BASE]


async def test_a_cycle_known_from_before_a_restart_that_a_new_release_ends_wakes_the_others(
    chain: World,
) -> None:
    chain.states[BASE] = loaded("catalog/top")
    await chain.settle()
    chain.restart()
    chain.states[BASE] = Loading()
    chain.scans.succeeded(scan(BASE, TOP))
    chain.listed()
    await chain.settle()
    assert chain.reasons(TOP)["Stalled"] == "DependencyCycle"
    chain.declared.clear()
    chain.states[BASE] = loaded()
    await chain.reconciler.reconcile(BASE)
    assert chain.declared == [BASE]


async def test_a_plugin_whose_object_is_refused_tells_all_the_same_what_it_needs(chain: World) -> None:
    chain.objects.remove(chain.served.pop(BASE))
    chain.fault = NotAdmitted("a quota")
    chain.declared.clear()
    for needs, told in ((["catalog/top"], [BASE]), (["catalog/top"], [BASE]), ([], [BASE, BASE])):
        chain.states[BASE] = loaded(*needs)
        await chain.reconciler.reconcile(BASE)
        assert chain.declared == told


@pytest.mark.parametrize("gone", [False, True])
async def test_an_object_that_does_not_match_the_crd_is_never_written(world: World, gone: bool) -> None:
    world.there(BASE, version="x" * 300)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    for _ in range(3):
        assert await world.reconciler.reconcile(BASE) == DONE
    assert world.applied == []
    if gone:
        world.objects.remove(world.served.pop(BASE))
        assert await world.reconciler.reconcile(BASE) == RetryAfter(0)
        assert world.applied == [BASE]


CONDITION = {"type": "Ready", "status": "False", "reason": "Edited", "message": "by hand"}
EDITED = {"conditions": [{**CONDITION, "lastTransitionTime": "2020-01-01T00:00:00Z"}]}
# What asks for a plugin need not change the spec.
APPLIED = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}
OWNED: dict[str, Any] = {"f:spec": {"f:type": {}, "f:name": {}}}
APPLIED_SERVER_SIDE = {"managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": OWNED}]}


@pytest.mark.parametrize(
    ("interfere", "result"),
    [
        ({}, DONE),
        ({"metadata": {"generation": 2}}, RetryAfter(0)),
        ({"metadata": {"labels": {}}}, LATER),
        ({"status": EDITED}, RetryAfter(1.0)),
        ({"metadata": APPLIED}, RetryAfter(0)),
        ({"metadata": APPLIED_SERVER_SIDE}, RetryAfter(0)),
    ],
    ids=["nobody", "spec", "labels", "status", "apply", "server-side apply"],
)
async def test_a_change_by_another_client_just_before_our_status_requeues_the_key(
    world: World, interfere: Mapping[str, Any], result: Result
) -> None:
    world.there(BASE)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    world.interfere = interfere
    assert await world.reconciler.reconcile(BASE) == result


@pytest.mark.parametrize(
    ("interfere", "result"),
    [
        ({}, DONE),
        ({"metadata": {"generation": 2}}, RetryAfter(0)),
        ({"status": EDITED}, RetryAfter(1.0)),
        ({"metadata": APPLIED}, RetryAfter(0)),
    ],
    ids=["nobody", "spec", "status", "apply"],
)
async def test_a_change_by_another_client_just_before_our_label_requeues_the_key(
    world: World, interfere: Mapping[str, Any], result: Result
) -> None:
    world.there(BASE, labels=None)
    world.listed()
    world.scans.succeeded(scan(BASE))
    world.states[BASE] = loaded()
    assert await world.reconciler.reconcile(BASE) == LATER
    world.interfere = interfere
    assert await world.reconciler.reconcile(BASE) == result
    assert world.applied == [BASE]


CONFIG_REQUIRED = Verdict(reason="ConfigRequired")
IDLE = {"Ready": "DependencyNotReady"}
WAITS = {**IDLE, "Reconciling": "DependencyNotReady"}


def awaited(world: World, plugin: PluginId) -> dict[str, str]:
    reasons = world.reasons(plugin)
    return {kind: reasons[kind] for kind in ("Ready", "Reconciling", "Stalled") if kind in reasons}


@pytest.fixture
async def unasked(world: World) -> World:
    """Return a world in which nobody asked for top, which needs base, which lacks a configuration."""
    for plugin in (BASE, TOP):
        world.there(plugin, labels={TYPE_LABEL: plugin.plugin_type.slug})
    world.listed()
    world.scans.succeeded(scan(BASE, TOP))
    world.states.update({BASE: loaded(), TOP: loaded("base")})
    world.verdicts[BASE] = CONFIG_REQUIRED
    await world.settle()
    world.written.clear()
    return world


async def test_what_is_not_in_use_is_judged_by_the_object_as_it_was_last_seen(unasked: World) -> None:
    assert awaited(unasked, BASE) == {"Ready": "NotConfigured"}
    assert awaited(unasked, TOP) == IDLE
    unasked.there(BASE, labels=LABELS, version=">=0")
    await unasked.settle()
    assert awaited(unasked, BASE) == {"Ready": "ConfigRequired", "Stalled": "ConfigRequired"}
    assert awaited(unasked, TOP) == WAITS
    unasked.verdicts.clear()
    unasked.states[BASE] = Loading()
    await unasked.settle()
    assert awaited(unasked, TOP) == WAITS


@pytest.mark.parametrize("broken", [False, True])
async def test_a_restart_writes_nothing_while_not_all_objects_are_listed(
    unasked: World, broken: bool
) -> None:
    if broken:
        unasked.states[BASE] = LoadFault("ImportFailed", "m")
        await unasked.settle()
        assert awaited(unasked, TOP) == WAITS
    unasked.written.clear()
    unasked.restart()
    unasked.scans.succeeded(scan(BASE, TOP))
    for plugin in (TOP, BASE):
        unasked.objects.put(unasked.served[plugin], listing=0)
        await unasked.reconciler.reconcile(TOP)
    unasked.listed()
    await unasked.settle()
    assert unasked.written == []


async def test_a_status_is_written_without_what_the_crd_turns_out_to_lack(unasked: World) -> None:
    unasked.lacks = frozenset({"inUse", "entryPoint"})
    unasked.there(BASE, labels=LABELS, version=">=0")
    assert await unasked.reconciler.reconcile(BASE) == RetryAfter(0)
    # Nothing tells of a CRD that lacked the fields only for a moment.
    again = await unasked.reconciler.reconcile(BASE)
    assert isinstance(again, RetryAfter)
    assert (again.seconds > 170, again.is_urgent) == (True, False)
    assert unasked.reasons(BASE)["Ready"] == "ConfigRequired"
    assert unasked.lacks.isdisjoint(unasked.served[BASE]["status"])
    await unasked.settle()
    assert unasked.written == [BASE, TOP]


async def test_a_status_that_is_refused_for_what_it_cannot_do_without_is_left_to_the_refusals(
    unasked: World,
) -> None:
    unasked.lacks = frozenset({"conditions"})
    unasked.there(BASE, labels=LABELS, version=">=0")
    assert await unasked.reconciler.reconcile(BASE) == DONE
    assert unasked.refusals.counts["status"] == 1


def infra(labels: dict[str, str]) -> dict[str, str]:
    return {**labels, "team": "infra"}


def no_team(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "team"}


def no_labels(_: dict[str, str]) -> dict[str, str]:
    return {}


@pytest.mark.parametrize("mutate", [infra, no_team, no_labels])
@pytest.mark.parametrize("is_new", [True, False])
async def test_labels_that_a_policy_changes_are_applied_once_to_each_object_and_said_once(
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    mutate: Callable[[dict[str, str]], dict[str, str]],
    is_new: bool,
) -> None:
    world.labels, world.mutate = {"team": "data"}, mutate
    world.restart()
    world.states |= {BASE: loaded(), TOP: loaded()}
    if not is_new:
        for plugin in (BASE, TOP):
            world.there(plugin, labels=None)
    world.listed()
    world.scans.succeeded(scan(BASE, TOP))
    for _ in range(5):
        for plugin in (BASE, TOP):
            last = await world.reconciler.reconcile(plugin)
    assert last == DONE
    assert {plugin: world.applied.count(plugin) for plugin in (BASE, TOP)} == {BASE: 1, TOP: 1}
    said = capsys.readouterr().out + caplog.text
    assert said.count("something in the cluster changes labels") == 1
    assert "team" in said


async def test_a_label_that_a_policy_changed_is_applied_again_once_it_is_another(world: World) -> None:
    world.labels, world.mutate = {"team": "data"}, infra
    world.restart()
    world.states |= {BASE: loaded()}
    world.there(BASE)
    world.scans.succeeded(scan(BASE))
    world.listed()
    for _ in range(3):
        await world.reconciler.reconcile(BASE)
    world.served[BASE]["metadata"]["labels"].pop("team")
    world.served[BASE]["metadata"]["resourceVersion"] = world._next()
    world.objects.put(world.served[BASE])
    world.mutate = dict
    for _ in range(2):
        await world.reconciler.reconcile(BASE)
    assert world.applied == [BASE, BASE]
    assert world.served[BASE]["metadata"]["labels"] == {**LABELS, "team": "data"}
