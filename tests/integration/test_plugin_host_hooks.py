"""Plugins started, checked and stopped in a plugin host, and what is left of them when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from floe_operator.plugin_host import (
    HookCrashed,
    HookError,
    HookFailed,
    HookTimedOut,
    HostUnavailable,
    NotStarted,
    PluginHost,
)
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import Reports, all_loaded, compute, running
from tests.support.polling import eventually_async

MARK = "s3cr3t-m4rk"
CROWD = [f"many{n:02}" for n in range(20)]

DIARIST = """
diary: str
when_made: str = ""
when_started: str = ""
when_checked: str = ""
when_stopped: str = ""
"""

DIARIST_BODY = """
def __init__(self, config: Config):
    self.config = config
    self.act("made")

def act(self, what):
    import os, threading, time
    from pathlib import Path
    with Path(self.config.diary).open("a") as diary:
        diary.write(f"{self.name} {what}\\n")
    match getattr(self.config, f"when_{what}").split():
        case ["raise"]:
            raise RuntimeError(f"{what} with {self.config!r}")
        case ["leave"]:
            raise SystemExit(1)
        case ["exit"]:
            os._exit(5)
        case ["sleep", seconds]:
            time.sleep(float(seconds))
        case ["hang"]:
            threading.Event().wait()
        case ["hold"]:
            import re
            re.match(r"(a+)+$", "a" * 64 + "b")

def startup(self):
    self.act("started")

def shutdown(self):
    self.act("stopped")

def health_check(self, timeout=None):
    self.act("checked")
    return HealthStatus(HealthState.DEGRADED, f"within {timeout}", {"detail": "never told"})
"""

ASYNC_HOOKS = "configure(self, config)", "startup(self)", "health_check(self)", "shutdown(self)"
WORDY_BODY = """
def health_check(self):
    text = self._config.character.encode().decode("unicode_escape") * self._config.length
    return HealthStatus(HealthState.UNHEALTHY, text)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("hooks") / "environment")
    environment.add(
        *(plugin_distribution(name, config=DIARIST, body=DIARIST_BODY) for name in ("one", "two", "three")),
        plugin_distribution("bare"),
        plugin_distribution("wordy", config="character: str\nlength: int", body=WORDY_BODY),
        plugin_distribution("odd", body="def health_check(self):\n    return True"),
        *(
            plugin_distribution(f"awaited{number}", config="a: int = 1", body=f"async def {hook}: ...")
            for number, hook in enumerate(ASYNC_HOOKS)
        ),
    )
    return environment


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def host(environment: Environment, reports: Reports) -> AsyncIterator[PluginHost]:
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        yield host


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def _written(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


async def test_a_plugin_is_made_started_checked_and_stopped(host: PluginHost, diary: Path) -> None:
    await host.start_plugin(compute("one"), {"diary": str(diary)}, 10)
    assert host.is_started(compute("one"))
    report = await host.check(compute("one"), 5)
    assert (report.state, report.message) == ("degraded", "within 5.0")
    await host.stop_plugin(compute("one"), 10)
    assert not host.is_started(compute("one"))
    assert _written(diary) == ["one made", "one started", "one checked", "one stopped"]


async def test_a_plugin_without_configuration_starts_and_is_healthy(host: PluginHost) -> None:
    await host.start_plugin(compute("bare"), {}, 10)
    assert (await host.check(compute("bare"), 5)).state == "healthy"


async def test_a_started_plugin_is_stopped_before_it_is_started_again(host: PluginHost, diary: Path) -> None:
    for _ in range(2):
        await host.start_plugin(compute("one"), {"diary": str(diary)}, 10)
    assert _written(diary) == ["one made", "one started", "one stopped", "one made", "one started"]


@pytest.mark.parametrize(
    ("when", "hook"),
    [("when_made", "constructor"), ("when_started", "startup"), ("when_checked", "health_check")],
)
@pytest.mark.parametrize("how", ["raise", "leave"])
async def test_what_a_hook_raises_is_reported_with_its_text_kept_apart(
    host: PluginHost, diary: Path, when: str, hook: str, how: str
) -> None:
    async def start_and_check() -> None:
        await host.start_plugin(compute("one"), {"diary": str(diary), when: how}, 10)
        await host.check(compute("one"), 5)

    with pytest.raises(HookFailed) as failed:
        await start_and_check()
    failure = failed.value.failure
    assert failure.hook == hook
    assert str(diary) not in failure.summary + str(failed.value)
    assert how == "leave" or str(diary) in failure.plugin_text


@pytest.mark.parametrize(
    ("when", "hook"),
    [
        ("when_started", r"the constructor, configure\(\) or startup\(\)"),
        ("when_checked", r"health_check\(\)"),
        ("when_stopped", r"shutdown\(\)"),
    ],
)
async def test_a_hook_that_ends_the_host_is_named(
    host: PluginHost, diary: Path, when: str, hook: str
) -> None:
    async def live() -> None:
        await host.start_plugin(compute("one"), {"diary": str(diary), when: "exit"}, 10)
        await host.check(compute("one"), 10)
        await host.stop_plugin(compute("one"), 10)

    with pytest.raises(HookCrashed, match=f"^{hook} ended the plugin host: it exited with status 5$"):
        await live()


async def test_an_answer_that_is_not_a_health_status_is_a_failed_check(host: PluginHost) -> None:
    await host.start_plugin(compute("odd"), {}, 10)
    with pytest.raises(HookFailed, match="TypeError"):
        await host.check(compute("odd"), 5)


@pytest.mark.parametrize("number", range(len(ASYNC_HOOKS)))
async def test_an_async_hook_is_named_and_prints_nothing(
    host: PluginHost, reports: Reports, number: int
) -> None:
    plugin = compute(f"awaited{number}")

    async def live() -> None:
        await host.start_plugin(plugin, {}, 10)
        await host.check(plugin, 5)
        await host.stop_plugin(plugin, 5)

    with pytest.raises(HookFailed) as failed:
        await live()
    hook = ASYNC_HOOKS[number].partition("(")[0]
    assert failed.value.failure.plugin_text == f"{hook}() is async, but nobody awaits it"
    await host.stop_plugin(plugin, 5)
    assert not [line for line in reports.lines if "awaited" in line]


@pytest.mark.parametrize("character", ["x", "\\udcff", "\\0", "\\U0001f600"])
async def test_a_health_message_that_is_too_long_is_replaced_and_the_check_still_counts(
    host: PluginHost, character: str
) -> None:
    for length, carried in ((65_536, True), (65_537, False), (9_000_000, False)):
        await host.start_plugin(compute("wordy"), {"character": character, "length": length}, 10)
        report = await host.check(compute("wordy"), 10)
        assert report.state == "unhealthy"
        said = "health_check() returned a message of more than 65536 characters"
        assert (report.message == said) is not carried


async def test_an_invalid_configuration_starts_nothing_and_is_not_revealed(host: PluginHost) -> None:
    with pytest.raises(HookFailed) as failed:
        await host.start_plugin(compute("one"), {"diary": {"a": MARK}, MARK: 1}, 10)
    assert failed.value.failure.hook == "configure"
    assert MARK not in failed.value.failure.model_dump_json() + str(failed.value)
    assert str(failed.value) == "the configuration is not valid: diary: Input should be a valid string"


async def test_a_plugin_that_was_not_started_cannot_be_checked_but_can_be_stopped(
    host: PluginHost,
) -> None:
    with pytest.raises(NotStarted):
        await host.check(compute("one"), 5)
    await host.stop_plugin(compute("one"), 5)


async def test_a_plugin_whose_startup_returns_too_late_is_shut_down_again(
    host: PluginHost, diary: Path
) -> None:
    with pytest.raises(HookTimedOut):
        await host.start_plugin(compute("one"), {"diary": str(diary), "when_started": "sleep 2.5"}, 1.5)
    assert not host.is_started(compute("one"))
    written = ["one made", "one started", "one stopped"]

    async def stopped() -> bool:
        assert _written(diary) == written
        return True

    await eventually_async(stopped)
    assert host.generation == 1


async def test_while_a_start_hangs_no_second_one_with_the_same_configuration_is_made(
    host: PluginHost, diary: Path
) -> None:
    hanging = {"diary": str(diary), "when_started": "hang"}
    for _ in range(3):
        with pytest.raises(HookTimedOut, match=r"startup\(\) did not return within 1.2 s"):
            await host.start_plugin(compute("one"), hanging, 1.2)

    async def begun() -> bool:
        assert _written(diary) == ["one made", "one started"]
        return True

    await eventually_async(begun)
    await host.start_plugin(compute("one"), {"diary": str(diary)}, 10)
    assert (await host.check(compute("one"), 5)).state == "degraded"
    with pytest.raises(HookTimedOut):
        await host.start_plugin(compute("one"), hanging, 1.2)
    assert not host.is_started(compute("one"))
    assert _written(diary)[2:] == ["one made", "one started", "one checked", "one stopped"]
    assert host.generation == 1


async def test_a_start_that_hung_and_returned_can_be_repeated(host: PluginHost, diary: Path) -> None:
    slow = {"diary": str(diary), "when_started": "sleep 2"}
    with pytest.raises(HookTimedOut):
        await host.start_plugin(compute("one"), slow, 1.2)

    async def started() -> bool:
        with contextlib.suppress(HookTimedOut):
            await host.start_plugin(compute("one"), slow, 10)
        return host.is_started(compute("one"))

    await eventually_async(started)
    once = ["one made", "one started"]
    assert _written(diary) == [*once, "one stopped", *once]


async def test_while_a_check_hangs_no_second_one_starts_and_nobody_else_waits(
    host: PluginHost, diary: Path
) -> None:
    await host.start_plugin(compute("one"), {"diary": str(diary), "when_checked": "hang"}, 10)
    await host.start_plugin(compute("two"), {"diary": str(diary)}, 10)
    for _ in range(2):
        with pytest.raises(HookTimedOut):
            await host.check(compute("one"), 0.3)
    assert _written(diary).count("one checked") == 1
    assert (await host.check(compute("two"), 5)).state == "degraded"
    assert host.generation == 1
    await host.stop_plugin(compute("one"), 5)
    await host.start_plugin(compute("one"), {"diary": str(diary)}, 10)
    assert (await host.check(compute("one"), 5)).state == "degraded"


async def test_a_hook_that_keeps_the_host_from_answering_times_out_and_the_host_is_replaced(
    host: PluginHost, diary: Path
) -> None:
    await host.start_plugin(compute("one"), {"diary": str(diary), "when_checked": "hold"}, 10)
    with pytest.raises(HookTimedOut):
        await host.check(compute("one"), 2)
    await host.start_plugin(compute("two"), {"diary": str(diary)}, 10)
    assert (await host.check(compute("two"), 5)).state == "degraded"


async def test_close_stops_all_plugins_in_the_reverse_order_of_their_start(
    environment: Environment, diary: Path
) -> None:
    async with running(environment.python) as host:
        await all_loaded(host)
        await host.start_plugin(compute("three"), {"diary": str(diary), "when_stopped": "raise"}, 10)
        await host.start_plugin(compute("one"), {"diary": str(diary), "when_stopped": "hang"}, 10)
        await host.start_plugin(compute("two"), {"diary": str(diary)}, 10)
    assert [line for line in _written(diary) if "stopped" in line] == [
        "two stopped",
        "one stopped",
        "three stopped",
    ]


async def test_when_a_host_dies_its_plugins_are_reported_and_no_longer_started(
    host: PluginHost, reports: Reports, diary: Path
) -> None:
    for name in ("one", "two"):
        await host.start_plugin(compute(name), {"diary": str(diary)}, 10)
    reports.changed.clear()
    os.kill(_host_pid(host), signal.SIGKILL)

    async def told() -> bool:
        return set(reports.changed) == {compute("one"), compute("two")}

    await eventually_async(told)
    assert host.generation == 2
    with pytest.raises(NotStarted):
        await host.check(compute("one"), 5)


@pytest.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[PluginHost]:
    environment = Environment.create(tmp_path / "environment")
    environment.add(*(plugin_distribution(name, config=DIARIST, body=DIARIST_BODY) for name in CROWD))
    async with running(environment.python) as host:
        await all_loaded(host)
        yield host


async def test_one_deadly_check_among_twenty_concurrent_ones_is_found_and_the_others_go_on(
    crowd: PluginHost, diary: Path
) -> None:
    host, names = crowd, CROWD
    crashes: dict[str, int] = {}
    healthy: set[str] = set()

    async def probe(name: str) -> None:
        """Do as a reconcile does: start the plugin if needed, check it, and try again if the host is gone."""
        config = {"diary": str(diary), "when_checked": "exit" if name == "many13" else ""}
        for _ in range(50):
            try:
                if not host.is_started(compute(name)):
                    await host.start_plugin(compute(name), config, 10)
                await host.check(compute(name), 5)
            except HookCrashed:
                crashes[name] = crashes.get(name, 0) + 1
                return
            except (HostUnavailable, NotStarted):
                await asyncio.sleep(0.1)
            else:
                healthy.add(name)
                return

    await asyncio.gather(*map(probe, names))
    assert crashes == {"many13": 1}
    assert healthy == {*names} - {"many13"}
    await asyncio.gather(*(probe(name) for name in names if name != "many13"))
    assert all(host.is_started(compute(name)) for name in names if name != "many13")


async def test_a_plugin_is_known_to_be_started_even_if_the_caller_gave_up(
    host: PluginHost, diary: Path
) -> None:
    starting = asyncio.create_task(
        host.start_plugin(compute("one"), {"diary": str(diary), "when_started": "sleep 0.5"}, 10)
    )
    await asyncio.sleep(0.2)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    async def started() -> bool:
        return host.is_started(compute("one"))

    await eventually_async(started)


def test_hook_errors_share_one_base_class() -> None:
    assert all(issubclass(error, HookError) for error in (HookFailed, HookTimedOut, HookCrashed, NotStarted))


def _host_pid(host: PluginHost) -> int:
    present = host._supervisor.host
    assert present is not None
    return present.process.pid
