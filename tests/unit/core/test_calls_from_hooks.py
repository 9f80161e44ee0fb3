"""Hooks and signal handlers that call the registry: in place, or refused at once, but never stuck."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from floe_core.plugin_errors import (
    ConfigurationChangedError,
    PluginError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugin_registry import PluginRegistry
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, registry_of

HEALTHY = HealthStatus(HealthState.HEALTHY)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


def test_a_call_that_a_hook_makes_about_its_own_plugin_runs_where_it_is() -> None:
    registry = PluginRegistry()
    seen: list[object] = []

    def startup() -> None:
        seen.append(threading.get_ident())
        seen.append(registry.get(COMPUTE, "self"))
        seen.append(registry.health_check_all()["COMPUTE:self"])

    def check() -> HealthStatus:
        seen.append(threading.get_ident())
        return HEALTHY

    plugin = Recorder("self", startup=startup, health_check=check)
    registry.register(COMPUTE, plugin)
    registry.activate_plugin(COMPUTE, "self")
    assert seen == [seen[0], plugin, seen[0], HEALTHY]


def test_a_health_check_can_start_and_stop_its_own_plugin() -> None:
    registry = PluginRegistry()

    def check() -> HealthStatus:
        registry.activate_plugin(COMPUTE, "self")
        registry.shutdown_all()
        return HEALTHY

    registry.register(COMPUTE, Recorder("self", health_check=check))
    assert registry.health_check_all() == {"COMPUTE:self": HEALTHY}
    assert Recorder.done == ["start self", "stop self"]


def test_a_hook_that_configures_its_own_plugin_while_it_starts_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
        def __init__(self, config: Config): self.has = config
        def startup(self):
            import builtins
            builtins.startup_hook()
        def health_check(self):
            import builtins
            builtins.health_hook()
            return HealthStatus(HealthState.HEALTHY)
    """
    site.add(plugin_distribution("nested", config="n: int", body=body))
    registry = site.registry()
    kept = registry.configure(COMPUTE, "nested", {"n": 1})
    refused: list[str] = []

    def configure() -> None:
        try:
            registry.configure(COMPUTE, "nested", {"n": 2})
        except ConfigurationChangedError as error:
            refused.append(str(error))

    monkeypatch.setattr("builtins.startup_hook", configure, raising=False)
    monkeypatch.setattr(
        "builtins.health_hook", lambda: registry.activate_plugin(COMPUTE, "nested"), raising=False
    )
    assert registry.health_check_all() == {"COMPUTE:nested": HEALTHY}
    assert len(refused) == 1
    assert "it is starting: shut it down" in refused[0]
    assert registry.get_config(COMPUTE, "nested") is kept is registry.get(COMPUTE, "nested").__dict__["has"]


def test_a_hook_that_calls_itself_is_refused_at_once() -> None:
    registry = PluginRegistry()
    plugin = Recorder("self", health_check=lambda: registry.health_check_all()["COMPUTE:self"])
    registry.register(COMPUTE, plugin)
    assert "an earlier health check" in registry.health_check_all(timeout=30)["COMPUTE:self"].message


def test_hooks_of_two_plugins_that_wait_for_each_other_are_refused_at_once() -> None:
    registry = PluginRegistry()
    both = threading.Barrier(2)
    refused: list[str] = []

    def starting(other: str) -> Any:
        def startup() -> None:
            both.wait(30)
            try:
                registry.activate_plugin(COMPUTE, other, timeout=30)
            except PluginError as error:
                refused.append(str(error))

        return startup

    registry.register(COMPUTE, Recorder("one", startup=starting("two")))
    registry.register(COMPUTE, Recorder("two", startup=starting("one")))
    began = time.monotonic()
    threads = [
        threading.Thread(target=registry.activate_plugin, args=(COMPUTE, name), daemon=True)
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert time.monotonic() - began < 20
    assert any("is waiting for something that is waiting for it" in each for each in refused)


@pytest.mark.parametrize("hook", ["startup", "health_check"])
def test_health_rounds_that_hooks_make_at_the_same_time_answer_for_every_plugin(hook: str) -> None:
    registry = PluginRegistry()
    both = threading.Barrier(2)
    rounds: list[dict[str, HealthStatus]] = []

    def work() -> HealthStatus:
        both.wait(30)
        rounds.append(registry.health_check_all(timeout=1))
        return HEALTHY

    for name in ("one", "two"):
        registry.register(COMPUTE, Recorder(name, (), **{hook: work}))
    if hook == "startup":
        threads = [
            threading.Thread(target=registry.activate_plugin, args=(COMPUTE, name)) for name in ("one", "two")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    else:
        registry.health_check_all(timeout=5)
    assert [each.keys() for each in rounds] == [{"COMPUTE:one", "COMPUTE:two"}] * 2


def test_a_signal_handler_uses_the_registry_wherever_it_interrupts_the_main_thread() -> None:
    registry = registry_of(*[Recorder(f"p{n}") for n in range(20)])
    late: list[HealthStatus] = []

    def handler(*_: object) -> None:
        answers = registry.health_check_all(timeout=20).values()
        late.extend(each for each in answers if each.message.endswith("within 20 s"))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for number in range(40):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (number + 1))
            for _ in range(5):
                registry.health_check_all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert late == []


def test_a_plugin_is_not_started_on_an_object_that_is_replaced_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    constructing, started = threading.Event(), threading.Event()
    journal: list[str] = []
    registry = PluginRegistry()
    for name, value in {"constructing": constructing, "started": started, "journal": journal}.items():
        monkeypatch.setattr(f"builtins.plugin_{name}", value, raising=False)
    monkeypatch.setattr(
        "builtins.plugin_start", lambda: registry.activate_plugin(COMPUTE, "swapped"), raising=False
    )
    body = """
        def __init__(self, config: Config):
            self.n = config.n
            if self.n == 2:
                plugin_constructing.set()
                plugin_started.wait(30)
        def startup(self): plugin_journal.append(f"start {self.n}")
        def shutdown(self): plugin_journal.append(f"stop {self.n}")
        def health_check(self):
            plugin_constructing.wait(30)
            plugin_start()
            plugin_started.set()
            return HealthStatus(HealthState.HEALTHY)
    """
    before = "from builtins import plugin_constructing, plugin_journal, plugin_start, plugin_started"
    site.add(plugin_distribution("swapped", before=before, config="n: int", body=body))
    registry.discover_all()
    kept = registry.configure(COMPUTE, "swapped", {"n": 1})
    checking = threading.Thread(target=registry.health_check_all, args=(30,), daemon=True)
    checking.start()
    with pytest.raises(ConfigurationChangedError):
        registry.configure(COMPUTE, "swapped", {"n": 2})
    checking.join(30)
    assert registry.get_config(COMPUTE, "swapped") is kept
    registry.shutdown_all()
    assert journal == ["start 1", "stop 1"]


def test_a_startup_that_is_queued_behind_a_hook_that_replaces_the_object_does_not_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = PluginRegistry()
    begun, go_on = threading.Event(), threading.Event()
    journal: list[str] = []

    def check() -> None:
        begun.set()
        go_on.wait(30)
        registry.configure(COMPUTE, "replacing", {"n": 2})

    monkeypatch.setattr("builtins.plugin_check", check, raising=False)
    monkeypatch.setattr("builtins.plugin_journal", journal, raising=False)
    body = """
        def __init__(self, config: Config): self.n = config.n
        def startup(self): plugin_journal.append(f"start {self.n}")
        def shutdown(self): plugin_journal.append(f"stop {self.n}")
        def health_check(self):
            plugin_check()
            return HealthStatus(HealthState.HEALTHY)
    """
    before = "from builtins import plugin_check, plugin_journal"
    site.add(plugin_distribution("replacing", before=before, config="n: int", body=body))
    registry.discover_all()
    registry.configure(COMPUTE, "replacing", {"n": 1})
    checking = threading.Thread(target=registry.health_check_all, args=(30,), daemon=True)
    checking.start()
    assert begun.wait(30)
    starting = threading.Thread(target=registry.activate_all, daemon=True)
    starting.start()
    eventually(lambda: registry._known.record(COMPUTE, "replacing").gate.thread == starting.ident)
    go_on.set()
    starting.join(30)
    checking.join(30)
    assert "start 1" not in journal
    registry.activate_plugin(COMPUTE, "replacing")
    registry.shutdown_all()
    assert journal == ["start 2", "stop 2"]
