"""Which plugins are tried again after a refusal, how many at a time, and what is said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator import refusals as module
from floe_operator.refusals import FEW, Refusals
from tests.support.polling import eventually_async


def plugins(number: int) -> list[PluginId]:
    return [PluginId(PluginType.COMPUTE, f"p{each}") for each in range(number)]


class Api:
    """Accepts or refuses what it is asked, as a reconcile of that plugin would tell."""

    def __init__(self) -> None:
        self.refusals = Refusals(self.attempts_append)
        self.attempts: list[PluginId] = []
        self.refuses: Callable[[PluginId], bool] = lambda _: True

    def attempts_append(self, plugin: PluginId) -> None:
        self.attempts.append(plugin)

    def answer(self) -> int:
        """Answer what was asked; return how many that were."""
        asked, self.attempts[:] = list(self.attempts), []
        for plugin in asked:
            if self.refuses(plugin):
                self.refusals.refused(plugin, "status", "no")
            else:
                self.refusals.over(plugin)
        return len(asked)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.02)
    return Api()


async def test_every_plugin_is_tried_again_in_turn_and_only_a_few_at_a_time(api: Api) -> None:
    held = plugins(3 * FEW)
    for plugin in held:
        api.refusals.refused(plugin, "status", "no")
    seen: set[PluginId] = set()
    running = asyncio.create_task(api.refusals.run())

    async def all_were() -> bool:
        seen.update(api.attempts)
        assert api.answer() <= FEW
        return seen == set(held)

    await eventually_async(all_were, every=0.005)
    running.cancel()


async def test_once_a_few_are_accepted_the_others_follow_without_a_pause(api: Api) -> None:
    for plugin in plugins(1_000):
        api.refusals.refused(plugin, "status", "no")
    api.refuses = lambda _: False
    running = asyncio.create_task(api.refusals.run())

    async def asked() -> bool:
        return bool(api.attempts)

    await eventually_async(asked, every=0.005)
    running.cancel()
    batches = []
    while batch := api.answer():
        batches.append(batch)
    assert batches[:4] == [FEW, 2 * FEW, 4 * FEW, 8 * FEW]
    assert sum(batches) == 1_000
    assert len(api.refusals) == 0


async def test_a_refusal_among_the_accepted_ends_the_series(api: Api) -> None:
    held = plugins(200)
    for plugin in held:
        api.refusals.refused(plugin, "status", "no")
    api.refuses = lambda plugin: plugin == held[FEW]
    running = asyncio.create_task(api.refusals.run())

    async def asked() -> bool:
        return bool(api.attempts)

    await eventually_async(asked, every=0.005)
    running.cancel()
    assert [api.answer() for _ in range(3)] == [FEW, 2 * FEW, 0]


def test_a_plugin_whose_write_was_never_refused_asks_nobody(api: Api) -> None:
    api.refusals.over(plugins(1)[0])
    assert api.attempts == []


def test_the_same_reason_is_said_once_and_counted_each_time(
    api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, plugin in enumerate(plugins(5)):
        api.refusals.refused(plugin, "object", f'admission refuses "{plugin.name}" ({number})')
    said = capsys.readouterr().out + caplog.text
    assert said.count("cannot write a FloePlugin") == 1
    assert 'admission refuses "p0"' in said
    assert api.refusals.counts == {"object": 5, "status": 0}


def test_a_client_that_was_faster_once_is_not_worth_a_warning(
    api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = plugins(1)[0]
    api.refusals.refused(plugin, "status", "conflict", is_race=True)
    assert "conflict" not in capsys.readouterr().out + caplog.text
    api.refusals.refused(plugin, "status", "conflict", is_race=True)
    assert (capsys.readouterr().out + caplog.text).count("conflict") == 1
