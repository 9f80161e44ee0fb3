"""The prober on a real plugin host: who owns a started plugin, and when it is checked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host import HookCrashed, PluginHost
from floe_operator.plugin_host.own_hosts import MOST
from floe_operator.probes import Prober
from floe_operator.rules import steady_words
from floe_operator.rules.facts import Checked, ConfigDigest, CrashedWhileRunning, Probe, StartupFailed
from floe_operator.rules.probing import Run
from floe_operator.rules.resource import ProbeSpec
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import all_loaded, compute, running
from tests.support.polling import eventually_async
from tests.support.scrubbing import no_scrubbers

PLUGIN = compute("diarist")
OFTEN = ProbeSpec(period_seconds=1, timeout_seconds=5, failure_threshold=1)
SELDOM = ProbeSpec(period_seconds=3_600, timeout_seconds=5, failure_threshold=1)

CONFIG = "diary: str\nstart: str = ''\ncheck: str = ''\nstop: str = ''\ncounts: bool = False"

BODY = """
def __init__(self, config: Config):
    self.config = config

def act(self, what, does):
    import os, time
    from pathlib import Path
    with Path(self.config.diary).open("a") as diary:
        diary.write(f"{what}\\n")
    if does == "exit":
        os._exit(5)
    if does == "raise":
        raise RuntimeError("told to")
    time.sleep(float(does or 0))

def startup(self):
    self.act("starts", self.config.start)
    self.act("started", "")

def health_check(self):
    self.act("check", self.config.check)
    if self.config.counts:
        self.count = getattr(self, "count", 0) + 1
        return HealthStatus(HealthState.DEGRADED, f"{self.count} checks")
    return HealthStatus(HealthState.HEALTHY)

def shutdown(self):
    self.act("stops", self.config.stop)
    self.act("stopped", "")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("prober"))
    environment.install(plugin_distribution("diarist", config=CONFIG, body=BODY))
    return environment


@pytest.fixture
async def host(environment: Environment) -> AsyncIterator[PluginHost]:
    async with running(environment.python) as host:
        await all_loaded(host)
        yield host


class Probed:
    """A prober of one plugin, the configuration that it starts with, and the calls that the plugin noted."""

    def __init__(self, host: PluginHost, diary: Path) -> None:
        self.config: dict[str, Any] = {"diary": str(diary)}
        self._diary = diary
        self.changes: list[tuple[float, Probe | None]] = []
        """When what is known changed, and to what."""
        self.prober = Prober(host, self._configure, no_scrubbers(), self._changed)

    def _changed(self, plugin: PluginId) -> None:
        now = asyncio.get_running_loop().time()
        self.changes.append((now, self.prober.fact(plugin, None, 1)))

    async def _configure(self, *_: object) -> dict[str, Any]:
        return self.config

    def calls(self) -> list[str]:
        return self._diary.read_text().split() if self._diary.exists() else []

    async def until(self, *calls: str) -> None:
        async def called() -> bool:
            assert self.calls() == list(calls), self.calls()
            return True

        await eventually_async(called)

    async def until_fact(self, kind: type[object]) -> None:
        async def known() -> bool:
            fact = self.prober.fact(PLUGIN, None, 1)
            assert isinstance(fact, kind), fact
            return True

        await eventually_async(known)


@pytest.fixture
async def probed(host: PluginHost, tmp_path: Path) -> AsyncIterator[Probed]:
    probed = Probed(host, tmp_path / "diary")
    yield probed
    await probed.prober.close()


async def test_a_plugin_that_is_dropped_while_it_starts_is_stopped_once_it_has_started(
    host: PluginHost, probed: Probed
) -> None:
    probed.config["start"] = "0.5"
    probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"1")))
    await probed.until("starts")
    probed.prober.drop(PLUGIN)
    await probed.until("starts", "started", "stops", "stopped")
    assert not host.is_started(PLUGIN)


async def test_a_plugin_that_is_wanted_again_while_it_stops_starts_after_that(probed: Probed) -> None:
    probed.config["stop"] = "0.5"
    probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
    await probed.until("starts", "started", "check")
    probed.prober.drop(PLUGIN)
    for _ in range(3):  # each starts and gives up while the first stop is under way
        probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
        await asyncio.sleep(0)
        probed.prober.drop(PLUGIN)
    probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
    await probed.until("starts", "started", "check", "stops", "stopped", "starts", "started", "check")


async def test_wanting_the_same_run_again_brings_no_check_forward(probed: Probed) -> None:
    probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
    await probed.until_fact(Checked)
    for _ in range(20):
        probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
        await asyncio.sleep(0.02)
    assert probed.calls() == ["starts", "started", "check"]


async def test_a_changed_period_takes_effect_immediately_and_restarts_nothing(probed: Probed) -> None:
    probed.prober.want(PLUGIN, Run(SELDOM, ConfigDigest(b"1")))
    await probed.until("starts", "started", "check")
    probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"1")))
    await probed.until("starts", "started", "check", "check", "check")


async def test_the_newest_words_are_reported_by_the_first_check_after_the_quiet_time(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady_words, "QUIET_SECONDS", 2.5)
    probed.config["counts"] = True
    probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"1")))

    async def four_changes() -> bool:
        assert len(probed.changes) >= 4, probed.changes
        return True

    await eventually_async(four_changes)
    (_, first), (second_at, second), (third_at, _), (fourth_at, _) = probed.changes[:4]
    assert (first, second) == (Checked("degraded", 0, "1 checks"), Checked("degraded", 0, "2 checks"))
    assert min(third_at - second_at, fourth_at - third_at) >= 2.5


@pytest.mark.parametrize(
    ("config", "fact"),
    [
        ({"check": "exit"}, CrashedWhileRunning),
        ({"start": "exit"}, StartupFailed),
        ({"start": "raise"}, StartupFailed),
    ],
)
async def test_a_plugin_that_fails_repeatedly_is_not_retried_sooner_because_it_is_wanted(
    probed: Probed, config: dict[str, str], fact: type[object]
) -> None:
    probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"1")))
    await probed.until("starts", "started", "check")
    probed.config |= config
    probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"2")))
    await probed.until_fact(fact)
    loop = asyncio.get_running_loop()
    began, starts = loop.time(), probed.calls().count("starts")
    while loop.time() - began < 2.5:
        probed.prober.want(PLUGIN, Run(OFTEN, ConfigDigest(b"2")))
        await asyncio.sleep(0.05)
    # After 1 s, and after 2 s more.
    assert probed.calls().count("starts") - starts <= 2


async def test_a_plugin_that_crashes_waits_for_a_place_and_gets_that_of_one_that_is_dropped(
    tmp_path: Path,
) -> None:
    environment = Environment.create(tmp_path / "environment")
    names = [f"crasher{number}" for number in range(MOST + 1)]
    environment.add(*(plugin_distribution(name, config=CONFIG, body=BODY) for name in names))
    *four, fifth = map(compute, names)
    config = {"diary": str(tmp_path / "diary")}

    async def configured(*_: object) -> dict[str, Any]:
        return config

    async with running(environment.python) as host:
        await all_loaded(host)
        for plugin in (fifth, *four):
            # The third start of each of the four is in a host of its own.
            for _ in range(2 if plugin is fifth else 3):
                await host.start_plugin(plugin, {**config, "check": "exit"}, 10)
                with pytest.raises(HookCrashed):
                    await host.check(plugin, 5)
        prober = Prober(host, configured, no_scrubbers(), lambda _: None)
        prober.want(fifth, Run(OFTEN, ConfigDigest(b"1")))

        async def known(kind: type[object], says: str = "") -> None:
            async def is_known() -> bool:
                fact = prober.fact(fifth, None, 1)
                assert isinstance(fact, kind), fact
                assert says in getattr(fact, "message", ""), fact
                return True

            await eventually_async(is_known)

        await known(CrashedWhileRunning, "run in hosts of their own already, the most there may be: ")
        prober.want(four[0], Run(OFTEN, ConfigDigest(b"1")))
        prober.drop(four[0])  # it is not started, but has a place
        await known(Checked)
        await prober.close()
