"""Plugins that end their plugin host again and again, and what that costs the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host import (
    CrashedBefore,
    HookCrashed,
    HookTimedOut,
    HostUnavailable,
    NotStarted,
    PluginHost,
)
from floe_operator.plugin_host.own_hosts import MOST
from tests.support.diarist import calls, diarist, tell
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import MIB, Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually, eventually_async

CRASHERS = [f"crasher{number}" for number in range(MOST + 1)]
OTHERS = ["other0", "other1"]


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    folder = tmp_path / "diary"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(tmp_path: Path, diary: Path) -> Environment:
    environment = Environment.create(tmp_path / "environment")
    environment.add(*(diarist(name, diary) for name in (*CRASHERS, *OTHERS)))
    return environment


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def host(environment: Environment, reports: Reports) -> AsyncIterator[PluginHost]:
    async with running(environment.python, reports, memory_limit=256 * MIB) as host:
        await all_loaded(host)
        yield host


def _processes(diary: Path, name: str, hook: str) -> list[int]:
    """Return the processes that a plugin's hook was called in, in order."""
    return [pid for what, pid in calls(diary, name) if what == hook]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _start(host: PluginHost, plugin: PluginId) -> None:
    async def started() -> bool:
        with contextlib.suppress(HostUnavailable, HookCrashed):
            await host.start_plugin(plugin, {}, 10)
        return host.is_started(plugin)

    await eventually_async(started)


async def _probe_once(host: PluginHost, name: str) -> bool:
    """Start a plugin if it is not started, check it, and return whether it is said to end hosts."""
    try:
        if not host.is_started(compute(name)):
            await host.start_plugin(compute(name), {}, 10)
        await host.check(compute(name), 5)
    except (HookCrashed, CrashedBefore):
        return True
    except (HostUnavailable, NotStarted):
        pass
    return False


async def _fail_twice(host: PluginHost, diary: Path, name: str, how: str = "crash") -> None:
    """Let a plugin's check end the host until the host knows for the second time who it was."""
    tell(diary, "check", how, name)
    failures = 0

    async def twice() -> bool:
        nonlocal failures
        await _start(host, compute(name))
        try:
            await host.check(compute(name), 2)
        except (HookCrashed, HookTimedOut):
            failures += 1
        except (HostUnavailable, NotStarted):
            pass
        return failures == 2

    await eventually_async(twice)
    tell(diary, "check", "", name)


@pytest.mark.parametrize("how", ["crash", "hold"])
async def test_a_plugin_that_ended_the_host_twice_runs_in_its_own_and_restarts_no_other_plugin(
    host: PluginHost, diary: Path, how: str
) -> None:
    for name in OTHERS:
        await _start(host, compute(name))
    await _fail_twice(host, diary, CRASHERS[0], how)
    for name in (*OTHERS, CRASHERS[0]):
        await _start(host, compute(name))
    generation = host.generation
    started = {name: _processes(diary, name, "startup") for name in OTHERS}
    crasher = compute(CRASHERS[0])
    assert (await host.check(crasher, 5)).state == "healthy"
    assert _processes(diary, CRASHERS[0], "checked")[-1] != started[OTHERS[0]][-1]
    tell(diary, "check", how, CRASHERS[0])
    for _ in range(2):
        await _start(host, crasher)
        with pytest.raises((HookCrashed, HookTimedOut), match="plugin host"):
            await host.check(crasher, 2)
        assert not host.is_started(crasher)
        for name in OTHERS:
            assert host.is_started(compute(name))
            assert (await host.check(compute(name), 5)).state == "healthy"
    assert host.generation == generation
    assert {name: _processes(diary, name, "startup") for name in OTHERS} == started


async def test_a_plugin_that_ends_its_host_at_each_check_restarts_the_others_twice(
    host: PluginHost, diary: Path
) -> None:
    tell(diary, "check", "crash", CRASHERS[0])
    for _ in range(6):
        for name in (*OTHERS, CRASHERS[0]):
            if not host.is_started(compute(name)):
                await _start(host, compute(name))
        with pytest.raises((HookCrashed, HostUnavailable)):
            await host.check(compute(CRASHERS[0]), 5)
    assert [len(_processes(diary, name, "startup")) for name in OTHERS] == [3, 3]
    assert len(_processes(diary, CRASHERS[0], "startup")) == 6


async def test_a_plugin_that_ended_the_host_once_stays_in_it(host: PluginHost, diary: Path) -> None:
    tell(diary, "check", "crash", CRASHERS[0])
    await _start(host, compute(CRASHERS[0]))
    with pytest.raises(HookCrashed):
        await host.check(compute(CRASHERS[0]), 5)
    for name in (CRASHERS[0], OTHERS[0]):
        await _start(host, compute(name))
    startups = (_processes(diary, name, "startup")[-1] for name in (CRASHERS[0], OTHERS[0]))
    assert len(set(startups)) == 1


async def test_a_fifth_plugin_waits_until_one_of_the_four_is_stopped(host: PluginHost, diary: Path) -> None:
    for name in CRASHERS:
        await _fail_twice(host, diary, name)
    *four, fifth = map(compute, CRASHERS)
    for plugin in four:
        await _start(host, plugin)
    for _ in range(2):
        with pytest.raises(CrashedBefore) as waits:
            await host.start_plugin(fifth, {}, 10)
    assert "run in hosts of their own already, the most there may be: compute/crasher0" in str(waits.value)
    assert "compute/crasher2 and compute/crasher3" in str(waits.value)
    assert not host.is_started(fifth)
    ended = _processes(diary, CRASHERS[1], "startup")[-1]
    await host.stop_plugin(four[1], 5)
    assert _processes(diary, CRASHERS[1], "shutdown") == [ended]
    eventually(lambda: not _runs(ended), saying="the stopped plugin's host is gone")
    await _start(host, fifth)
    assert (await host.check(fifth, 5)).state == "healthy"
    assert [host.is_started(plugin) for plugin in four] == [True, False, True, True]


async def test_a_new_release_goes_back_into_the_shared_host(
    host: PluginHost, environment: Environment, diary: Path
) -> None:
    await _fail_twice(host, diary, CRASHERS[0])
    crasher = compute(CRASHERS[0])
    await _start(host, crasher)
    own = _processes(diary, CRASHERS[0], "startup")[-1]
    body = f"def startup(self):\n    import os\n    open({str(diary / 'new')!r}, 'w').write(str(os.getpid()))"
    environment.install(plugin_distribution(CRASHERS[0], version="0.2.0", body=body))
    await host.scan()
    await outcome(host, crasher)
    await _start(host, crasher)
    await _start(host, compute(OTHERS[0]))
    assert int((diary / "new").read_text()) == _processes(diary, OTHERS[0], "startup")[-1]
    assert _processes(diary, CRASHERS[0], "shutdown") == [own]
    assert not _runs(own)


async def test_a_plugin_in_its_own_host_is_stopped_and_started_anew_when_distributions_change(
    host: PluginHost, environment: Environment, diary: Path, reports: Reports
) -> None:
    await _fail_twice(host, diary, CRASHERS[0])
    crasher = compute(CRASHERS[0])
    await _start(host, crasher)
    old = _processes(diary, CRASHERS[0], "startup")[-1]
    tell(diary, "shutdown", "sleep 0.5", CRASHERS[0])
    reports.changed.clear()
    environment.install(plugin_distribution("more"))
    await host.scan()
    assert crasher in reports.changed
    assert not host.is_started(crasher)
    with pytest.raises(NotStarted):
        await host.check(crasher, 5)
    await _start(host, crasher)
    await _start(host, compute(OTHERS[0]))
    assert _processes(diary, CRASHERS[0], "shutdown") == [old]
    new, shared = (_processes(diary, name, "startup")[-1] for name in (CRASHERS[0], OTHERS[0]))
    assert len({old, new, shared}) == 3
    assert [what for what, _ in calls(diary, CRASHERS[0])][-3:] == ["shutdown", "startup", "started none"]


async def test_a_host_that_ends_between_two_calls_is_reported_once_and_then_started_anew(
    host: PluginHost, diary: Path, reports: Reports
) -> None:
    await _fail_twice(host, diary, CRASHERS[0])
    crasher = compute(CRASHERS[0])
    tell(diary, "check", "crash 0.2", CRASHERS[0])
    for plugin in (compute(OTHERS[0]), crasher):
        await _start(host, plugin)
    reports.changed.clear()
    assert (await host.check(crasher, 5)).state == "healthy"

    async def told() -> bool:
        return crasher in reports.changed

    await eventually_async(told)
    assert not host.is_started(crasher)
    with pytest.raises(CrashedBefore, match="ended between two calls: it exited with status 7"):
        await host.start_plugin(crasher, {}, 10)
    await host.start_plugin(crasher, {}, 10)
    assert host.is_started(crasher)


@pytest.mark.parametrize("busy", [False, True], ids=["between calls", "while others are checked"])
async def test_a_plugin_whose_thread_ends_its_hosts_is_found_and_no_other_is_accused(
    host: PluginHost, diary: Path, busy: bool
) -> None:
    tell(diary, "startup", "crash 0.7", CRASHERS[0])
    if busy:
        for name in OTHERS:
            tell(diary, "check", "sleep 0.4", name)
    names = [*OTHERS, CRASHERS[0]]
    accused: list[str] = []
    async with asyncio.timeout(60):
        while not accused:
            rounds = await asyncio.gather(*(_probe_once(host, name) for name in names))
            accused = [name for name, is_accused in zip(names, rounds, strict=True) if is_accused]
            await asyncio.sleep(0.05)
    assert accused == [CRASHERS[0]]
    for name in OTHERS:
        await _start(host, compute(name))
    await host.scan()  # while the others run in hosts of their own, the shared one may still be starting
    generation = host.generation
    for _ in range(2):
        with contextlib.suppress(CrashedBefore, HookCrashed):
            await host.start_plugin(compute(CRASHERS[0]), {}, 10)
        await asyncio.sleep(1)
    assert host.generation == generation
    assert all(host.is_started(compute(name)) for name in OTHERS)


async def test_a_plugin_that_turned_out_to_be_innocent_leaves_its_place_to_one_that_needs_it(
    host: PluginHost, diary: Path, reports: Reports
) -> None:
    suspect = compute(OTHERS[0])
    for _ in range(2):
        await _start(host, suspect)
        os.kill(_processes(diary, OTHERS[0], "startup")[-1], signal.SIGKILL)

        async def ended() -> bool:
            return not host.is_started(suspect)

        await eventually_async(ended)
    await _start(host, suspect)
    own = _processes(diary, OTHERS[0], "startup")[-1]
    for name in CRASHERS[: MOST - 1]:
        await _fail_twice(host, diary, name)
        await _start(host, compute(name))
    await _start(host, compute(OTHERS[1]))
    assert own != _processes(diary, OTHERS[1], "startup")[-1]
    assert host.is_started(suspect)
    assert _runs(own)
    reports.changed.clear()
    await _fail_twice(host, diary, CRASHERS[MOST - 1])
    await _start(host, compute(CRASHERS[MOST - 1]))
    assert suspect in reports.changed
    assert not _runs(own)
    await _start(host, suspect)
    await _start(host, compute(OTHERS[1]))
    startups = [_processes(diary, name, "startup")[-1] for name in OTHERS]
    assert len(set(startups)) == 1
    assert _processes(diary, OTHERS[0], "shutdown") == [own]


async def test_an_own_host_above_the_memory_limit_ends_and_no_other(host: PluginHost, diary: Path) -> None:
    await _fail_twice(host, diary, CRASHERS[0])
    crasher, other = compute(CRASHERS[0]), compute(OTHERS[0])
    for plugin in (crasher, other):
        await _start(host, plugin)
    tell(diary, "startup", "eat", CRASHERS[0])
    with contextlib.suppress(HookCrashed):
        await host.start_plugin(crasher, {"word": "more"}, 10)

    async def gone() -> bool:
        return not host.is_started(crasher)

    await eventually_async(gone)
    assert host.is_started(other)
    assert len(_processes(diary, OTHERS[0], "startup")) == 1


async def test_close_stops_the_plugins_in_their_own_hosts_and_leaves_no_process_and_no_task(
    environment: Environment, diary: Path
) -> None:
    before = asyncio.all_tasks()
    async with running(environment.python) as host:
        await all_loaded(host)
        for name in CRASHERS[:2]:
            await _fail_twice(host, diary, name)
        for name in CRASHERS[:2]:
            await _start(host, compute(name))
        tell(diary, "shutdown", "hang", CRASHERS[0])
        pids = [_processes(diary, name, "startup")[-1] for name in CRASHERS[:2]]
        assert len(set(pids)) == 2
    assert [_processes(diary, name, "shutdown") for name in CRASHERS[:2]] == [[pid] for pid in pids]
    assert not [pid for pid in pids if _runs(pid)]
    assert asyncio.all_tasks() == before
