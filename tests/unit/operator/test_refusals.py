"""Which plugins are tried again after a refusal, how many at a time, and what is said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator import refusals as module
from floe_operator.api.errors import ClusterUnreachable
from floe_operator.refusals import FEW, MOST, Kind, Refusals
from tests.support.polling import eventually_async


def plugins(number: int) -> list[PluginId]:
    return [PluginId(PluginType.COMPUTE, f"p{each}") for each in range(number)]


class Api:
    """Accepts or refuses what it is asked, as a reconcile of that plugin would tell."""

    def __init__(self) -> None:
        self.refusals = Refusals(self.attempts_append)
        self.attempts: list[PluginId] = []
        self.refuses: Callable[[PluginId], bool] = lambda _: True
        self.words: Callable[[PluginId], str] = lambda _: "no"

    def attempts_append(self, plugin: PluginId) -> None:
        self.attempts.append(plugin)

    def hold(self, *held: PluginId, kind: Kind = "status") -> None:
        """Refuse these, as their first writes."""
        for plugin in held:
            self.refusals.refused(plugin, kind, self.words(plugin))

    def answer(self) -> list[PluginId]:
        """Answer what was asked, and return it."""
        asked, self.attempts[:] = list(self.attempts), []
        for plugin in asked:
            with self.refusals.attempt(plugin):
                if self.refuses(plugin):
                    self.refusals.refused(plugin, "status", self.words(plugin))
                else:
                    self.refusals.over(plugin)
        return asked

    def round(self) -> list[PluginId]:
        """Answer what is asked in one round, and all that follows without a pause; return it."""
        self.refusals.try_a_few()
        asked = []
        while batch := self.answer():
            asked += batch
        return asked


@pytest.fixture
def api() -> Api:
    return Api()


async def test_what_is_refused_is_tried_again_from_time_to_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    (plugin,) = plugins(1)
    api.hold(plugin)
    running = asyncio.create_task(api.refusals.run())
    attempts = 0

    async def again_and_again() -> bool:
        nonlocal attempts
        attempts += len(api.answer())
        return attempts >= 3

    await eventually_async(again_and_again, every=0.005)
    running.cancel()


def test_every_plugin_is_tried_again_in_turn_and_only_a_few_at_a_time(api: Api) -> None:
    held = plugins(3 * FEW)
    api.hold(*held)
    rounds = [api.round() for _ in range(4)]
    assert rounds == [held[:FEW], held[FEW : 2 * FEW], held[2 * FEW :], held[:FEW]]


def test_a_cause_that_lasts_holds_up_no_plugin_that_is_refused_for_another(api: Api) -> None:
    *many, one = plugins(401)
    api.hold(*many, kind="object")
    api.hold(one, kind="status")
    assert one in api.round()


def test_causes_take_turns_however_many_there_are(api: Api) -> None:
    held = plugins(3 * MOST)
    api.words = lambda plugin: f"no {'x' * (int(plugin.name[1:]) // 2)}"  # two of each
    api.hold(*held)
    rounds = [api.round() for _ in range(3)]
    assert [len(one) for one in rounds] == [MOST] * 3
    assert {plugin for one in rounds for plugin in one} == set(held)


def test_once_a_few_are_accepted_the_others_follow_without_a_pause(api: Api) -> None:
    api.hold(*plugins(1_000))
    api.refuses = lambda _: False
    api.refusals.try_a_few()
    batches = []
    while batch := api.answer():
        batches.append(len(batch))
    assert batches[:4] == [FEW, 2 * FEW, 4 * FEW, 8 * FEW]
    assert sum(batches) == 1_000
    assert len(api.refusals) == 0


def test_some_that_stay_refused_do_not_hold_up_those_that_are_accepted(api: Api) -> None:
    held = plugins(400)
    api.hold(*held)
    api.refuses = lambda plugin: plugin in held[::10]
    assert set(held) <= set(api.round())
    assert len(api.refusals) == 40


def test_what_is_accepted_for_another_reason_to_write_makes_more_be_tried(api: Api) -> None:
    held = plugins(5)
    api.hold(*held)
    with api.refusals.attempt(held[4]):
        api.refusals.over(held[4])
    assert api.attempts == held[:2]


def test_no_more_are_tried_while_a_few_have_no_answer(api: Api) -> None:
    held = plugins(2 * FEW)
    api.hold(*held)
    for _ in range(3):
        api.refusals.try_a_few()
    assert api.attempts == held[:FEW]


@pytest.mark.parametrize(
    "error", [None, ClusterUnreachable("away", after=60.0), ValueError("a bug")], ids=str
)
@pytest.mark.parametrize("asked", [True, False])
def test_a_plugin_whose_attempt_ends_otherwise_is_left_to_the_queue(
    api: Api, error: Exception | None, asked: bool
) -> None:
    plugin, other = plugins(2)
    api.hold(plugin)
    if asked:
        api.refusals.try_a_few()
        assert api.attempts == [plugin]
    with nullcontext() if error is None else pytest.raises(type(error)), api.refusals.attempt(plugin):
        if error is not None:
            raise error
    assert len(api.refusals) == 0
    api.attempts.clear()
    api.hold(other)
    assert api.round() == [other]


def test_a_plugin_whose_write_was_never_refused_makes_nobody_be_tried(api: Api) -> None:
    with api.refusals.attempt(plugins(1)[0]):
        api.refusals.over(plugins(1)[0])
    assert api.attempts == []


def test_one_policy_is_one_cause_and_said_once_however_it_names_the_object(
    api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    held = [PluginId(PluginType.COMPUTE, name) for name in ("duckdb", "spark", "trino")]
    api.words = lambda plugin: f"resource FloePlugin/floe/{plugin.slug.replace('/', '-')} ({plugin.slug}): no"
    api.hold(*held)
    assert (capsys.readouterr().out + caplog.text).count("cannot write the status") == 1
    with api.refusals.attempt(held[0]):
        api.refusals.over(held[0])
    assert api.attempts == held[1:]


def test_what_is_quoted_tells_causes_apart(api: Api) -> None:
    held = plugins(400)
    api.words = lambda plugin: f'webhook "{"a" if plugin == held[-1] else "b"}" denied the request'
    api.hold(*held)
    assert held[-1] in api.round()


def test_the_same_reason_is_said_once_and_counted_each_time(
    api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, plugin in enumerate(plugins(5)):
        api.refusals.refused(plugin, "object", f'admission refuses "{plugin.name}" ({number})')
    said = capsys.readouterr().out + caplog.text
    assert said.count("cannot write a FloePlugin") == 1
    assert 'admission refuses "p0"' in said
    assert api.refusals.counts == {"object": 5, "status": 0, "deletion": 0}


def test_a_client_that_was_faster_once_is_not_worth_a_warning(
    api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = plugins(1)[0]
    api.refusals.refused(plugin, "status", "conflict", is_race=True)
    assert "conflict" not in capsys.readouterr().out + caplog.text
    api.refusals.refused(plugin, "status", "conflict", is_race=True)
    assert (capsys.readouterr().out + caplog.text).count("conflict") == 1
