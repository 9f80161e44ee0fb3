"""Plugins that damage the process that imports them: what happens to the plugins imported after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host import Described, LoadFault, NoPlace, PluginHost
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.own_hosts import MOST
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.plugin_hosts import Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually_async

DAMAGER = compute("a-damager")
GOOD = [compute(f"good{number}") for number in range(3)]
BROKEN = compute("good-for-nothing")
NO_FILES = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
"""
LEAK = """
import os, resource
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
"""
VENDOR = "import pathlib, sys\nsys.path.insert(0, str(pathlib.Path(__file__).parent / {folder!r}))"
CLEARED = """
import sys
this = sys.modules[__name__]
sys.modules.clear()
sys.modules[__name__] = this
"""
NO_IMPORTS = """
import builtins
def refuse(*arguments, **options):
    raise ImportError("refused")
builtins.__import__ = refuse
"""
NO_THREADS = "import threading\nthreading.Thread = None"
NEEDS = """
import colorsys, shared_library, threading
colorsys.rgb_to_hsv(1, 1, 1)
assert shared_library.WORKS
class Worker(threading.Thread): ...
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    environment = Environment.create(tmp_path / "environment")
    environment.add(
        Distribution("shared-library", modules={"shared_library.py": "WORKS = True"}),
        Distribution("vendors", modules={"vendor_a/colorsys.py": "", "vendor_b/shared_library.py": ""}),
    )
    return environment


def _good(before: str = NEEDS) -> list[Distribution]:
    return [plugin_distribution(each.name, before=before, config="number: int = 1") for each in GOOD]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each host that starts adds its pid."""
    pids: list[int] = []
    start: Callable[..., object] = Host.__init__

    def noted(host: Host, *arguments: object) -> None:
        start(host, *arguments)
        pids.append(host.process.pid)

    monkeypatch.setattr(Host, "__init__", noted)
    return pids


def _described(host: PluginHost, plugin: PluginId) -> Described:
    state = host.load_state(plugin)
    assert isinstance(state, Described), f"{plugin}: {state}"
    return state


@pytest.mark.parametrize(
    "damage",
    [
        NO_FILES,
        LEAK,
        VENDOR.format(folder="vendor_a"),
        VENDOR.format(folder="vendor_b"),
        CLEARED,
        NO_IMPORTS,
        NO_THREADS,
    ],
    ids=["no-files", "leak", "shadowed-stdlib", "shadowed-library", "modules", "imports", "threads"],
)
async def test_what_a_plugin_does_to_its_process_is_never_charged_to_the_plugins_after_it(
    environment: Environment, damage: str
) -> None:
    environment.add(
        plugin_distribution(DAMAGER.name, before=damage),
        *_good(),
        plugin_distribution(BROKEN.name, before="import nothing_of_this_name"),
    )
    async with running(environment.python) as host:
        await all_loaded(host)
        _described(host, DAMAGER)
        for plugin in GOOD:
            beside = _described(host, plugin).beside
            assert beside is not None
            assert beside.after[0] == DAMAGER
            assert plugin not in beside.after
        fault = host.load_state(BROKEN)
        assert isinstance(fault, LoadFault)
        assert fault.reason == "ImportFailed"
        assert "needs nothing_of_this_name, which is not installed" in fault.message
        for plugin in GOOD:
            assert (await host.validate(plugin, {"number": 2}, {})).reason == "Valid"
            assert (await host.validate(plugin, {"number": "x"}, {})).reason == "ValidationFailed"
        await host.scan()
        assert host.generation == 1, "the host still answers"


async def test_a_schema_that_was_unusable_after_other_imports_is_confirmed_too(
    environment: Environment,
) -> None:
    schema = "def get_config_schema(self):\n    import shared_library\n    assert shared_library.WORKS"
    environment.add(
        plugin_distribution(DAMAGER.name, before=VENDOR.format(folder="vendor_b")),
        *(plugin_distribution(plugin.name, body=schema) for plugin in GOOD),
        plugin_distribution(BROKEN.name, body="def get_config_schema(self):\n    return dict"),
    )
    async with running(environment.python) as host:
        await all_loaded(host)
        for plugin in GOOD:
            state = _described(host, plugin)
            assert state.description.schema_error is None
            assert state.beside is not None
            assert (await host.validate(plugin, {}, {})).reason == "NothingToConfigure"
        broken = _described(host, BROKEN)
        assert broken.description.schema_error is not None
        assert broken.beside is None
        assert (await host.validate(BROKEN, {}, {})).reason == "SchemaFailed"


@pytest.mark.parametrize("damage", [CLEARED, NO_IMPORTS], ids=["modules", "imports"])
async def test_a_configuration_is_judged_as_valid_after_another_plugin_damaged_the_process(
    environment: Environment, damage: str
) -> None:
    imports = """
    number: int
    @field_validator("number")
    def check(cls, number):
        import json, colorsys
        return number
    """
    environment.add(
        plugin_distribution("good", before="from pydantic import field_validator", config=imports),
        plugin_distribution("z-damager", before=damage),
    )
    async with running(environment.python) as host:
        await all_loaded(host)
        assert _described(host, compute("good")).beside is None
        assert (await host.validate(compute("good"), {"number": 2}, {})).reason == "Valid"
        assert (await host.validate(compute("good"), {"number": "x"}, {})).reason == "ValidationFailed"
        assert host.generation == 1


async def test_a_validator_that_raises_is_confirmed_once_for_each_configuration(
    environment: Environment, starts: list[int]
) -> None:
    raises = "number: int\n@field_validator('number')\ndef check(cls, number):\n    raise OSError"
    environment.add(
        plugin_distribution("alpha"),
        plugin_distribution("broken", before="from pydantic import field_validator", config=raises),
    )
    async with running(environment.python) as host:
        await all_loaded(host)
        before = len(starts)
        for _ in range(3):
            verdict = await host.validate(compute("broken"), {"number": 1}, {})
            assert [fault.type for fault in verdict.faults] == ["validator_error"]
        assert len(starts) == before + 1


async def test_a_failure_is_confirmed_once_for_each_release_of_the_plugin(
    environment: Environment, starts: list[int]
) -> None:
    environment.install(plugin_distribution("alpha"))
    broken = [f"broken{number}" for number in range(3)]
    environment.install(*(plugin_distribution(name, before="import not_there") for name in broken))
    async with running(environment.python) as host:
        await all_loaded(host)
        assert len(starts) == 1 + len(broken)
        for number in range(2):
            environment.install(plugin_distribution(f"more{number}"))
            await host.scan()
            assert isinstance(await outcome(host, compute(f"more{number}")), Described)
        assert len(starts) == 3 + len(broken), "each change starts one host"
        environment.install(
            plugin_distribution(broken[-1], version="0.2.0", before="import not_there_either")
        )
        await host.scan()
        fault = await outcome(host, compute(broken[-1]))
        assert isinstance(fault, LoadFault)
        assert "not_there_either" in fault.message


async def test_plugins_that_load_do_not_wait_for_the_confirmation_of_others(environment: Environment) -> None:
    environment.add(
        *(plugin_distribution(f"broken{number}", before="import not_there") for number in range(10)),
        *_good(),
    )
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
    loads = [reports.changed.index(plugin, 13) for plugin in GOOD]  # the scan reported all 13 first
    believed_at_once = 1
    assert max(loads) < 13 + believed_at_once + len(GOOD)


async def test_what_was_said_about_other_plugins_is_forgotten_when_one_of_them_changes(
    environment: Environment,
) -> None:
    environment.install(plugin_distribution(DAMAGER.name, before=VENDOR.format(folder="vendor_b")), *_good())
    async with running(environment.python) as host:
        await all_loaded(host)
        assert _described(host, GOOD[0]).beside is not None
        environment.install(plugin_distribution(DAMAGER.name, version="0.2.0"))
        await host.scan()

        async def mended() -> bool:
            return all(_described(host, plugin).beside is None for plugin in GOOD)

        await eventually_async(mended)
        assert (await host.validate(GOOD[0], {}, {})).reason == "Valid"


async def test_while_no_host_starts_for_a_confirmation_the_plugin_is_loading(
    environment: Environment, tmp_path: Path
) -> None:
    closed, python = tmp_path / "closed", tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ -e {closed} ] && exit 1\nexec {environment.python} "$@"\n')
    python.chmod(0o755)
    environment.add(
        plugin_distribution("alpha", before=f"open({str(closed)!r}, 'w')"),
        plugin_distribution("broken", before="import not_there"),
    )
    async with running(python) as host:
        assert isinstance(await outcome(host, compute("alpha")), Described)
        with pytest.raises(AssertionError, match="Loading"):
            await outcome(host, compute("broken"), within=2.0)
        closed.unlink()
        fault = await outcome(host, compute("broken"))
        assert isinstance(fault, LoadFault)
        assert fault.reason == "ImportFailed"


async def test_a_new_release_does_not_wait_for_the_confirmation_of_the_old_one(
    environment: Environment, tmp_path: Path
) -> None:
    slow = f"""
    import pathlib, time
    folder = pathlib.Path({str(tmp_path)!r})
    if (folder / "seen").exists():
        (folder / "confirming").touch()
        time.sleep(3600)
    (folder / "seen").touch()
    raise RuntimeError
    """
    environment.install(plugin_distribution("alpha"), plugin_distribution("broken", before=slow))
    async with running(environment.python, load_timeout=60.0) as host:

        async def confirming() -> bool:
            return (tmp_path / "confirming").exists()

        await eventually_async(confirming)
        environment.install(plugin_distribution("broken", version="0.2.0"))
        await host.scan()
        state = await outcome(host, compute("broken"))
        assert isinstance(state, Described)
        assert state.description.version == "0.2.0"


async def test_a_new_release_that_comes_while_others_still_load_does_not_stay_loading(
    environment: Environment, tmp_path: Path
) -> None:
    failed = tmp_path / "failed"
    environment.install(
        plugin_distribution("a-first"),
        plugin_distribution("b-broken", before=f"open({str(failed)!r}, 'w')\nraise RuntimeError"),
        plugin_distribution("c-slow", before="import time\ntime.sleep(2.5)"),
    )
    async with running(environment.python) as host:

        async def seen() -> bool:
            return failed.exists()

        await eventually_async(seen, every=0.05)
        environment.install(plugin_distribution("b-broken", version="0.2.0"))
        await host.scan()
        assert isinstance(await outcome(host, compute("b-broken")), Described)


async def test_a_host_that_a_plugins_thread_ends_is_not_charged_to_the_plugin_being_imported(
    environment: Environment,
) -> None:
    late = "import os, threading\nthreading.Timer(0.25, os._exit, [3]).start()"
    slow = "import time\ntime.sleep(0.7)"
    environment.add(
        plugin_distribution("b-ends", before=late),
        *(plugin_distribution(f"c{number}", before=slow) for number in range(2)),
    )
    async with running(environment.python) as host:
        for number in range(2):
            assert isinstance(await outcome(host, compute(f"c{number}")), Described)


async def test_a_failure_that_crashes_or_hangs_alone_is_set_aside(environment: Environment) -> None:
    crash = "import shared_library, os\nshared_library.WORKS\nos._exit(3)"
    environment.add(
        plugin_distribution(DAMAGER.name, before=VENDOR.format(folder="vendor_b")),
        plugin_distribution("crashes", before=crash),
    )
    async with running(environment.python) as host:
        fault = await outcome(host, compute("crashes"))
        assert isinstance(fault, LoadFault)
        assert fault.reason == "CrashedOnLoad"
        assert host.generation == 1, "no other plugin was restarted"


async def test_a_plugin_that_loads_only_alone_is_started_and_checked_in_a_host_of_its_own(
    environment: Environment,
) -> None:
    environment.add(plugin_distribution(DAMAGER.name, before=NO_FILES), *_good())
    async with running(environment.python) as host:
        await all_loaded(host)
        await host.start_plugin(DAMAGER, {}, 10)
        for plugin in GOOD:
            await host.start_plugin(plugin, {}, 10)
            assert (await host.check(plugin, 5)).state == "healthy"
            assert _described(host, plugin).beside is not None, "what is known about its loading is kept"
        assert host.generation == 1


async def test_a_fifth_plugin_that_loads_only_alone_is_not_started(environment: Environment) -> None:
    good = [f"good{number}" for number in range(MOST + 1)]
    environment.add(
        plugin_distribution(DAMAGER.name, before=NO_FILES),
        *(plugin_distribution(name, before=NEEDS) for name in good),
    )
    async with running(environment.python) as host:
        await all_loaded(host)
        for name in good[:MOST]:
            await host.start_plugin(compute(name), {}, 10)
        with pytest.raises(NoPlace, match=r"load only alone.* the most there may be: compute/good0"):
            await host.start_plugin(compute(good[-1]), {}, 10)
        await host.stop_plugin(compute(good[0]), 5)
        await host.start_plugin(compute(good[-1]), {}, 10)
        assert (await host.check(compute(good[-1]), 5)).state == "healthy"
