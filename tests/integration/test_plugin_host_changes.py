"""Plugin hosts that are replaced because distributions changed or because they use too much memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from floe_operator.plugin_host import Described, HostUnavailable, NotStarted
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.trials import Order
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.plugin_hosts import MIB, Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually_async

DIARIST_BODY = """
def note(self, what):
    import os, time
    from pathlib import Path
    with Path(self._config.diary).open("a") as diary:
        diary.write(f"{what} {os.getpid()}\\n")

def startup(self):
    self.note("started")

def shutdown(self):
    import time
    time.sleep(0.5)
    self.note("stopped")
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    environment = Environment.create(tmp_path / "environment")
    environment.add(plugin_distribution("one", config="diary: str", body=DIARIST_BODY))
    return environment


async def test_nothing_changed_means_the_same_host(environment: Environment) -> None:
    async with running(environment.python) as host:
        await all_loaded(host)
        first = await host.scan()
        assert await host.scan() == first
        assert host.generation == 1


async def test_a_plugin_installed_later_is_found_by_a_new_host(environment: Environment) -> None:
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        environment.install(plugin_distribution("two"))
        assert {found.name for found in (await host.scan()).plugins} == {"one", "two"}
        assert isinstance(await outcome(host, compute("two")), Described)
        assert host.generation == 2
        assert compute("two") in reports.changed


async def test_a_plugin_uninstalled_later_is_unknown(environment: Environment) -> None:
    environment.install(plugin_distribution("two"))
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        environment.uninstall("floe-compute-two")
        reports.changed.clear()
        assert [found.name for found in (await host.scan()).plugins] == ["one"]
        assert host.load_state(compute("two")) is None
        assert reports.changed == [compute("two")]


async def test_a_development_install_appears_when_its_pth_file_does_and_goes_with_it(
    environment: Environment, tmp_path: Path
) -> None:
    plugin_distribution("two").unpack(tmp_path / "src")
    pth = environment.site_packages / "__editable__.two.pth"
    async with running(environment.python) as host:
        await all_loaded(host)
        pth.write_text(f"{tmp_path / 'src'}\n")
        assert {found.name for found in (await host.scan()).plugins} == {"one", "two"}
        assert isinstance(await outcome(host, compute("two")), Described)
        pth.write_text("# nothing\n")
        assert {found.name for found in (await host.scan()).plugins} == {"one"}
        assert host.generation == 3


async def test_a_folder_that_a_pth_file_names_is_searched_once_it_exists(
    environment: Environment, tmp_path: Path
) -> None:
    (environment.site_packages / "later.pth").write_text(f"{tmp_path / 'later'}\n")
    async with running(environment.python) as host:
        await all_loaded(host)
        plugin_distribution("two").unpack(tmp_path / "later")
        assert {found.name for found in (await host.scan()).plugins} == {"one", "two"}


async def test_a_users_site_directory_is_searched_once_it_exists(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    config = environment.folder / "pyvenv.cfg"
    config.write_text(config.read_text().replace("packages = false", "packages = true"))
    async with running(environment.python) as host:
        await all_loaded(host)
        relative = environment.site_packages.relative_to(environment.folder)
        plugin_distribution("two").unpack(tmp_path / "user" / relative)
        assert "two" in {found.name for found in (await host.scan()).plugins}


async def test_an_archive_that_a_pth_file_names_is_searched_once_it_exists(
    environment: Environment, tmp_path: Path
) -> None:
    wheel = plugin_distribution("two").build(tmp_path)
    (environment.site_packages / "later.pth").write_text(f"{tmp_path / 'later.whl'}\n")
    async with running(environment.python) as host:
        await all_loaded(host)
        wheel.rename(tmp_path / "later.whl")
        assert {found.name for found in (await host.scan()).plugins} == {"one", "two"}


async def test_a_development_install_appears_while_something_else_is_newly_damaged(
    environment: Environment, tmp_path: Path
) -> None:
    plugin_distribution("two").unpack(tmp_path / "src")
    async with running(environment.python) as host:
        await all_loaded(host)
        (environment.site_packages / "foreign-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
        assert not (await host.scan()).complete
        (environment.site_packages / "dev.pth").write_text(f"{tmp_path / 'src'}\n")
        assert {found.name for found in (await host.scan()).plugins} == {"one", "two"}


async def test_a_change_is_noticed_while_something_else_stays_damaged(environment: Environment) -> None:
    damaged = environment.site_packages / "foreign-1.0.dist-info" / "entry_points.txt"
    damaged.mkdir(parents=True)
    async with running(environment.python) as host:
        await all_loaded(host)
        assert not (await host.scan()).complete
        assert host.generation == 1
        environment.add(Distribution("a-library"))
        await host.scan()
        assert host.generation == 2
        await host.scan()
        assert host.generation == 2


USES_UP = {
    "descriptors": "import os\ntry:\n    while True:\n        os.dup(0)\nexcept OSError: ...",
    "the limit of descriptors": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
}


@pytest.mark.parametrize("statement", USES_UP.values(), ids=USES_UP)
async def test_a_plugin_that_breaks_its_process_hides_nothing_from_scans(
    environment: Environment, statement: str
) -> None:
    environment.add(plugin_distribution("zealous", before=statement))
    async with running(environment.python) as host:
        await all_loaded(host)
        found = await host.scan()
        assert (found.complete, found.unreadable) == (True, ())
        assert host.generation == 1
        environment.add(plugin_distribution("later"))
        assert "later" in {each.name for each in (await host.scan()).plugins}


async def test_an_upgraded_plugin_is_loaded_from_its_new_modules(environment: Environment) -> None:
    environment.install(plugin_distribution("two", config="a: int"))
    async with running(environment.python) as host:
        await all_loaded(host)
        assert (await host.validate(compute("two"), {"a": 1}, {})).reason == "Valid"
        environment.install(plugin_distribution("two", version="0.2.0", config="b: int"))
        await host.scan()
        state = await outcome(host, compute("two"))
        assert isinstance(state, Described)
        assert state.description.required_fields == ("b",)
        assert (await host.validate(compute("two"), {"a": 1}, {})).reason == "ValidationFailed"


async def test_an_upgraded_plugin_that_a_new_host_ran_before_the_next_scan_is_described_anew(
    environment: Environment,
) -> None:
    environment.install(plugin_distribution("two"))
    async with running(environment.python) as host:
        await all_loaded(host)
        await host.start_plugin(compute("two"), {}, 10)
        environment.install(plugin_distribution("two", version="0.2.0"))
        first = host._supervisor.host
        assert first is not None
        os.kill(first.process.pid, signal.SIGKILL)

        async def runs_again() -> bool:
            with contextlib.suppress(HostUnavailable):
                await host.start_plugin(compute("two"), {}, 10)
            return host.generation == 2 and host.is_started(compute("two"))

        await eventually_async(runs_again)
        await host.scan()
        state = await outcome(host, compute("two"))
        assert isinstance(state, Described)
        assert state.description.version == "0.2.0"


async def test_no_trial_uses_a_host_that_is_older_than_the_last_scan(environment: Environment) -> None:
    began, scanned = asyncio.Event(), asyncio.Event()

    async def waits(host: Host) -> Host:
        began.set()
        await scanned.wait()
        return host

    async with running(environment.python) as host:
        trials = [asyncio.create_task(host._trials.run(Order.RETRY, waits)) for _ in range(3)]
        await began.wait()
        environment.install(plugin_distribution("two"))
        await host.scan()
        scanned.set()
        before, after, last = await asyncio.gather(*trials)
        assert before is not after
        assert after is last, "nothing has changed meanwhile"


async def test_the_old_host_stops_its_plugins_before_the_new_one_starts_them(
    environment: Environment, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    config = {"diary": str(diary)}
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        await host.start_plugin(compute("one"), config, 10)
        environment.install(plugin_distribution("two"))
        await host.scan()
        assert compute("one") in reports.changed
        assert not host.is_started(compute("one"))
        with pytest.raises(NotStarted):
            await host.check(compute("one"), 5)
        await host.start_plugin(compute("one"), config, 10)
    entries = [line.split() for line in diary.read_text().splitlines()]
    assert [what for what, _ in entries] == ["started", "stopped", "started", "stopped"]
    assert entries[0][1] == entries[1][1] != entries[2][1] == entries[3][1]


async def test_validations_under_way_do_not_notice_a_change_of_hosts(
    environment: Environment, tmp_path: Path
) -> None:
    async with running(environment.python) as host:
        await all_loaded(host)
        environment.install(plugin_distribution("two"))

        async def storm() -> set[str]:
            calls = (host.validate(compute("one"), {"diary": str(n)}, {}) for n in range(500))
            return {verdict.reason for verdict in await asyncio.gather(*calls)}

        reasons, _ = await asyncio.gather(storm(), host.scan())
        assert reasons == {"Valid"}
        assert host.generation == 2


async def test_no_plugin_is_forgotten_while_a_directory_cannot_be_listed(
    environment: Environment, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    plugin_distribution("far").unpack(elsewhere)
    (environment.site_packages / "elsewhere.pth").write_text(f"{elsewhere}\n")
    async with running(environment.python) as host:
        await all_loaded(host)
        elsewhere.rename(tmp_path / "away")
        elsewhere.symlink_to(elsewhere)  # a loop cannot be listed, whoever asks
        for _ in range(2):
            assert not (await host.scan()).complete
            assert host.generation == 1
            for name in ("one", "far"):
                assert isinstance(host.load_state(compute(name)), Described)


async def test_a_host_above_its_memory_limit_is_replaced_and_its_plugins_are_stopped(
    environment: Environment, tmp_path: Path
) -> None:
    grown = "def startup(self):\n    self.held = b'x' * 200_000_000\n"
    environment.install(plugin_distribution("large", body=grown))
    diary = tmp_path / "diary"
    async with running(environment.python, memory_limit=160 * MIB) as host:
        await all_loaded(host)
        await host.start_plugin(compute("one"), {"diary": str(diary)}, 10)
        await host.start_plugin(compute("large"), {}, 10)

        async def replaced() -> bool:
            return host.generation == 2 and "stopped" in diary.read_text()

        await eventually_async(replaced)
        assert not host.is_started(compute("large"))
