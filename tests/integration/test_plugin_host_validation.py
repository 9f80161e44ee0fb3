"""Configurations validated in a plugin host: many at a time, some by slow and deadly validators."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from floe_core._configuring.faults import MOST_FAULTS
from floe_core.host.protocol import Verdict
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host import HostUnavailable, PluginGone, PluginHost, ValidationCrashed, validation
from floe_operator.rules.backoff import Backoff
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import MIB, Reports, all_loaded, compute, running
from tests.support.polling import eventually_async

MARK = "s3cr3t-m4rk"

HOSTILE_CONFIG = """
what: str = "nothing"
gate: str = ""

def model_post_init(self, context):
    import ctypes, os, re, threading, time
    if self.what == "exit":
        os._exit(7)
    if self.what == "signal":
        ctypes.string_at(0)
    if self.what == "hang":
        threading.Event().wait()
    if self.what == "hold":
        re.match(r"(a+)+$", "a" * 64 + "b")
    if self.what == "wait":
        while not os.path.exists(self.gate):
            time.sleep(0.01)
    if self.what == "slow":
        time.sleep(1.5)
    if self.what == "leave":
        raise SystemExit(9)
    if self.what == "raise":
        raise RuntimeError(self.what)
    if self.what == "eat":
        held = b"x" * 600_000_000
        threading.Event().wait()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("validation") / "environment")
    environment.add(
        plugin_distribution("none"),
        plugin_distribution("optional", config="threads: int = 1"),
        plugin_distribution("needy", config="path: str\nport: int = Field(alias='listen-port')"),
        plugin_distribution("secretive", config="token: SecretStr = SecretStr('')\nport: int = 1"),
        plugin_distribution("hostile", config=HOSTILE_CONFIG),
        plugin_distribution("unbuildable", body="def get_config_schema(self):\n    raise RuntimeError('no')"),
        plugin_distribution("wordy", config="items: list[int] = []"),
        plugin_distribution("demanding", config="\n".join(f"f{n}: int" for n in range(200))),
        plugin_distribution("careless", config="\n".join(f"f{n}: SecretStr = None" for n in range(200))),
        *(plugin_distribution(f"plain{number:02}", config="threads: int = 1") for number in range(10)),
    )
    return environment


@pytest.mark.parametrize(
    ("name", "config", "plain", "reason", "fields"),
    [
        ("none", {}, {}, "NothingToConfigure", []),
        ("none", {"a": 1}, {"a": 1}, "ConfigNotAccepted", []),
        ("optional", {}, {}, "Valid", []),
        ("optional", {"threads": 4}, {"threads": 4}, "Valid", []),
        ("optional", {"threads": MARK}, {"threads": MARK}, "ValidationFailed", ["threads"]),
        ("needy", {}, {}, "ConfigRequired", ["path", "listen-port"]),
        ("needy", {"path": "x"}, {"path": "x"}, "ValidationFailed", ["listen-port"]),
        ("secretive", {"token": MARK}, {}, "Valid", []),
        ("secretive", {"token": MARK}, {"token": MARK}, "PlaintextSecret", ["token"]),
        ("secretive", {"token": MARK, "port": MARK}, {"token": MARK}, "PlaintextSecret", ["token"]),
        ("secretive", {"token": MARK, "port": MARK}, {}, "ValidationFailed", ["port"]),
        ("unbuildable", {}, {}, "SchemaFailed", [""]),
        ("hostile", {"what": "leave"}, {}, "ValidationFailed", [""]),
        ("hostile", {"what": "raise"}, {}, "ValidationFailed", [""]),
    ],
)
async def test_a_configuration_is_validated_by_the_plugins_schema_and_no_value_is_revealed(
    host: PluginHost, name: str, config: dict[str, Any], plain: dict[str, Any], reason: str, fields: list[str]
) -> None:
    verdict = await host.validate(compute(name), config, plain)
    assert verdict.reason == reason
    assert [fault.field for fault in verdict.faults] == fields
    assert MARK not in verdict.model_dump_json()


async def test_a_plugin_whose_failure_was_confirmed_can_be_validated_as_soon_as_that_is_reported(
    environment: Environment,
) -> None:
    unbuildable = compute("unbuildable")
    confirmed = asyncio.Event()

    class UntilConfirmed(Reports):
        def on_change(self, plugins: Collection[PluginId]) -> None:
            super().on_change(plugins)
            if self.changed.count(unbuildable) == 2:  # found by the scan, then described
                confirmed.set()

    async with running(environment.python, UntilConfirmed(), load_timeout=3.0) as host:
        async with asyncio.timeout(60):
            await confirmed.wait()
        assert (await host.validate(unbuildable, {}, {})).reason == "SchemaFailed"


@pytest.fixture
async def host(environment: Environment) -> Any:
    async with running(environment.python, load_timeout=3.0, memory_limit=256 * MIB) as host:
        await all_loaded(host)
        yield host


async def test_a_thousand_concurrent_validations_all_get_a_verdict(host: PluginHost) -> None:
    verdicts = await asyncio.gather(
        *(host.validate(compute(f"plain{n % 10:02}"), {"threads": n}, {}) for n in range(1_000))
    )
    assert [verdict.reason for verdict in verdicts] == ["Valid"] * 1_000
    assert host.generation == 1


async def test_a_slow_validation_delays_no_other(host: PluginHost) -> None:
    slow = asyncio.create_task(host.validate(compute("hostile"), {"what": "slow"}, {}))
    await asyncio.gather(*(host.validate(compute("optional"), {"threads": n}, {}) for n in range(100)))
    assert not slow.done()
    assert (await slow).reason == "Valid"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("exit", "it exited with status 7"),
        ("signal", "it was killed by SIGSEGV"),
        ("hang", "did not return within 3 s"),
        ("hold", "did not return within 3 s"),
    ],
)
async def test_a_validation_that_ends_or_hangs_its_host_is_found_out_among_others(
    host: PluginHost, what: str, says: str
) -> None:
    innocent = [host.validate(compute(f"plain{n % 10:02}"), {"threads": n}, {}) for n in range(40)]
    guilty = host.validate(compute("hostile"), {"what": what}, {})
    slow = host.validate(compute("hostile"), {"what": "slow"}, {})
    crash, beside, *verdicts = await asyncio.gather(guilty, slow, *innocent, return_exceptions=True)
    assert isinstance(crash, ValidationCrashed)
    assert says in crash.detail
    assert isinstance(beside, Verdict)
    assert [verdict.reason for verdict in verdicts if isinstance(verdict, Verdict)] == ["Valid"] * 40


async def test_a_validation_that_exceeds_the_memory_limit_is_identified(host: PluginHost) -> None:
    with pytest.raises(ValidationCrashed, match="--host-memory"):
        await host.validate(compute("hostile"), {"what": "eat"}, {})
    assert (await host.validate(compute("optional"), {}, {})).reason == "Valid"


async def test_a_configuration_that_ended_a_host_does_not_end_another_one_at_each_retry(
    host: PluginHost,
) -> None:
    for _ in range(3):
        with pytest.raises(ValidationCrashed):
            await host.validate(compute("hostile"), {"what": "exit"}, {})
    assert (await host.validate(compute("optional"), {}, {})).reason == "Valid"
    generation = host.generation
    with pytest.raises(ValidationCrashed):
        await host.validate(compute("hostile"), {"what": "signal"}, {})
    assert (await host.validate(compute("hostile"), {"what": "mended"}, {})).reason == "Valid"
    assert host.generation == generation == 2


async def test_a_validation_that_hung_is_retried_without_blocking_callers_and_its_verdict_is_reported(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "SET_ASIDE", Backoff(first=0.1, longest=3_600.0))
    reports = Reports()
    async with running(environment.python, reports, load_timeout=3.0) as host:
        await all_loaded(host)
        waits = {"what": "wait", "gate": str(tmp_path / "gate")}
        with pytest.raises(ValidationCrashed, match="did not return within 3 s"):
            await host.validate(compute("hostile"), waits, {})
        reports.changed.clear()
        began = time.monotonic()
        for _ in range(20):  # the first of them starts a retry, which hangs
            with pytest.raises(ValidationCrashed, match="did not return within 3 s"):
                await host.validate(compute("hostile"), waits, {})
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 3.0, "nobody waits for the retry"
        assert reports.changed == []
        (tmp_path / "gate").touch()

        async def told() -> bool:
            if compute("hostile") not in reports.changed:
                with pytest.raises(ValidationCrashed):
                    await host.validate(compute("hostile"), waits, {})
            return compute("hostile") in reports.changed

        await eventually_async(told)
        assert (await host.validate(compute("hostile"), waits, {})).reason == "Valid"
        assert host.generation == 2


async def test_a_host_killed_in_the_middle_of_validations_is_not_noticed_by_their_callers(
    host: PluginHost, environment: Environment
) -> None:
    async def storm() -> list[Verdict]:
        calls = (host.validate(compute(f"plain{n % 10:02}"), {"threads": n}, {}) for n in range(1_000))
        return await asyncio.gather(*calls)

    under_way = asyncio.create_task(storm())
    await asyncio.sleep(0.05)
    os.kill(_pid(environment), signal.SIGKILL)
    assert [verdict.reason for verdict in await under_way] == ["Valid"] * 1_000
    assert host.generation == 2


async def test_a_new_host_imports_only_what_a_validation_needs(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "environment")
    environment.add(
        *(
            plugin_distribution(name, config="a: int = 1", before=f"print('{name} is imported')")
            for name in "xyz"
        )
    )
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        os.kill(_pid(environment), signal.SIGKILL)

        async def replaced() -> bool:
            return host.generation == 2

        await eventually_async(replaced)
        await host.validate(compute("y"), {}, {})
        assert host.loading() == set()
    assert sorted(reports.lines) == sorted(f"{name} is imported" for name in "xyyz")


async def test_a_configuration_too_large_for_a_message_is_an_error_of_that_call(
    host: PluginHost,
) -> None:
    with pytest.raises(ValidationCrashed, match="too large"):
        await host.validate(compute("optional"), {"threads": "x" * 9_000_000}, {})
    assert (await host.validate(compute("optional"), {"threads": 1}, {})).reason == "Valid"
    assert host.generation == 1


async def test_deep_nesting_is_an_error_of_that_call(host: PluginHost) -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    verdict = await host.validate(compute("optional"), {"threads": deep}, {"threads": deep})
    assert verdict.reason == "ValidationFailed"
    endless: dict[str, Any] = {}
    for _ in range(100_000):
        endless = {"a": endless}
    with pytest.raises(ValidationCrashed, match="too deeply"):
        await host.validate(compute("optional"), endless, {})
    assert host.generation == 1


async def test_a_verdict_of_many_faults_names_the_first_and_counts_the_rest(host: PluginHost) -> None:
    verdict = await host.validate(compute("wordy"), {"items": [MARK] * 5_000}, {})
    assert verdict.reason == "ValidationFailed"
    assert len(verdict.faults) == MOST_FAULTS + 1
    assert verdict.faults[-1].message == f"{5_000 - MOST_FAULTS} more errors"


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("demanding", {}, "ConfigRequired"),
        ("demanding", {"other": 1}, "ValidationFailed"),
        ("careless", {f"f{n}": MARK for n in range(200)}, "PlaintextSecret"),
    ],
)
async def test_the_number_of_faults_is_limited_whatever_the_reason(
    host: PluginHost, name: str, config: dict[str, Any], reason: str
) -> None:
    verdict = await host.validate(compute(name), config, config)
    assert verdict.reason == reason
    assert len(verdict.faults) == MOST_FAULTS + 1
    assert verdict.faults[-1].message == f"{200 - MOST_FAULTS} more errors"


async def test_validation_for_a_plugin_that_is_not_installed_raises_plugin_gone(host: PluginHost) -> None:
    with pytest.raises(PluginGone):
        await host.validate(compute("nobody"), {}, {})


async def test_a_caller_that_gives_up_costs_nobody_anything(host: PluginHost) -> None:
    given_up = asyncio.create_task(host.validate(compute("hostile"), {"what": "slow"}, {}))
    await asyncio.sleep(0.1)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert (await host.validate(compute("optional"), {}, {})).reason == "Valid"
    assert host.generation == 1


async def test_what_validators_print_reaches_the_log_only(environment: Environment, tmp_path: Path) -> None:
    reports = Reports()
    loud = Environment.create(tmp_path / "loud")
    loud.add(
        plugin_distribution("loud", config="a: int = 1\ndef model_post_init(self, context): print('hi')")
    )
    async with running(loud.python, reports) as host:
        await all_loaded(host)
        assert (await host.validate(compute("loud"), {}, {})).reason == "Valid"
    assert "hi" in reports.lines


async def test_after_close_nothing_is_validated_and_nothing_hangs(environment: Environment) -> None:
    async with running(environment.python) as host:
        await all_loaded(host)
    began = time.monotonic()
    with pytest.raises(HostUnavailable):
        await host.validate(compute("optional"), {}, {})
    assert time.monotonic() - began < 10


def _pid(environment: Environment) -> int:
    """Return the pid of an environment's current host: the youngest child that runs its interpreter."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if command[0] == str(environment.python).encode() and parent == os.getpid():
            found.append(int(folder.name))
    assert found, "no plugin host runs"
    return max(found)
