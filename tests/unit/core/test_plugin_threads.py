"""Each plugin object lives on one thread, and a hook that hangs on it costs nobody else anything."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from floe_core._running import plugin_records
from floe_core.plugin_errors import (
    ConfigurationChangedError,
    PluginError,
    PluginStartupError,
    PluginTimeoutError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugin_registry import PluginRegistry
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, raises, registry_of

HEALTHY = HealthStatus(HealthState.HEALTHY)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


def threads_of(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.endswith(f":{name}")]


class Database(Recorder):
    """Opens a connection that works only in the thread that opened it."""

    def startup(self) -> None:
        self.connection = sqlite3.connect(":memory:")

    def health_check(self) -> HealthStatus:
        self.connection.execute("select 1")
        return HEALTHY

    def shutdown(self) -> None:
        self.connection.close()


def test_a_connection_that_belongs_to_a_thread_works_in_every_hook() -> None:
    names = [f"db{n}" for n in range(3)]
    registry = registry_of(*map(Database, names))
    expected = {f"COMPUTE:{name}": HEALTHY for name in names}
    assert set(registry.activate_all().values()) == {None}
    for _ in range(20):
        assert registry.health_check_all() == expected
    assert set(registry.shutdown_all().values()) == {None}


ALL_HOOKS = """
def __init__(self): self.seen = [threading.get_ident()]
def configure(self, config): self.seen.append(threading.get_ident())
def startup(self): self.seen.append(threading.get_ident())
def shutdown(self): self.seen.append(threading.get_ident())
def health_check(self):
    self.seen.append(threading.get_ident())
    return HealthStatus(HealthState.HEALTHY)
"""


def test_all_hooks_from_the_constructor_on_run_on_one_thread_that_is_not_the_callers(site: Site) -> None:
    site.add(plugin_distribution("steady", before="import threading", config="n: int = 1", body=ALL_HOOKS))
    registry = site.registry()
    seen: list[int] = registry.get(COMPUTE, "steady").__dict__["seen"]
    calls: list[Callable[[], object]] = [
        lambda: registry.configure(COMPUTE, "steady", {"n": 2}),
        lambda: registry.activate_plugin(COMPUTE, "steady"),
        registry.health_check_all,
        registry.shutdown_all,
    ]
    for call in calls:
        caller = threading.Thread(target=call)
        caller.start()
        caller.join()
    assert len(seen) == 5
    assert len(set(seen)) == 1
    assert not {threading.get_ident()} & set(seen)


def test_hooks_see_the_context_variables_of_their_caller() -> None:
    request = contextvars.ContextVar[str]("request")
    plugin = Recorder(startup=lambda: Recorder.done.append(request.get()))
    request.set("a request")
    registry_of(plugin).activate_plugin(COMPUTE, "recorder")
    assert Recorder.done[-1] == "a request"


def test_health_checks_of_several_plugins_run_side_by_side() -> None:
    together = threading.Barrier(20)

    def check() -> HealthStatus:
        together.wait(30)
        return HEALTHY

    registry = registry_of(*[Recorder(f"p{n}", health_check=check) for n in range(20)])
    assert set(map(str, registry.health_check_all(timeout=30).values())) == {str(HEALTHY)}


def test_there_is_never_more_than_one_thread_for_each_object() -> None:
    before = threading.active_count()
    registry = registry_of(*[Recorder(f"p{n}") for n in range(50)])
    most = 0
    for _ in range(100):
        registry.health_check_all()
        most = max(most, threading.active_count())
    assert most - before <= 50


def test_a_thread_ends_with_its_registry() -> None:
    registry = registry_of(Recorder("brief"))
    registry.activate_all()
    assert len(threads_of("brief")) == 1
    del registry
    gc.collect()
    eventually(lambda: threads_of("brief") == [])


def test_a_thread_ends_when_its_object_is_replaced(site: Site) -> None:
    body = "def __init__(self, config: Config | None = None): ..."
    site.add(plugin_distribution("replaced", config="n: int = 1", body=body))
    registry = site.registry()
    first = registry.get(COMPUTE, "replaced")
    (old,) = threads_of("replaced")
    for number in range(2, 6):
        registry.configure(COMPUTE, "replaced", {"n": number})
    assert registry.get(COMPUTE, "replaced") is not first
    eventually(lambda: not old.is_alive() and len(threads_of("replaced")) == 1)


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


def test_a_hook_over_its_limit_keeps_the_thread_and_only_shutdown_passes_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    go_on = threading.Event()

    def check() -> HealthStatus:
        go_on.wait()
        return HEALTHY

    registry = registry_of(Recorder("stuck", health_check=check), Recorder("free"))
    registry.activate_all()
    assert "did not return within" in registry.health_check_all(timeout=0.1)["COMPUTE:stuck"].message
    answers = registry.health_check_all(timeout=30)
    assert "an earlier health check has not returned" in answers["COMPUTE:stuck"].message
    assert answers["COMPUTE:free"] == HEALTHY
    assert registry.shutdown_all(timeout=30) == {"COMPUTE:free": None, "COMPUTE:stuck": None}
    assert "stop stuck" in Recorder.done
    assert "because a hook has not returned" in capfd.readouterr().out
    with pytest.raises(PluginStartupError, match="an earlier health_check has not returned"):
        registry.activate_plugin(COMPUTE, "stuck", timeout=30)
    go_on.set()

    def starts_again() -> bool:
        try:
            registry.activate_plugin(COMPUTE, "stuck")
        except PluginStartupError as error:
            raise AssertionError(str(error)) from error
        return True

    eventually(starts_again)


def test_shutdown_waits_for_a_hook_until_that_is_over_its_limit() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def check() -> HealthStatus:
        begun.set()
        go_on.wait()
        return HEALTHY

    registry = registry_of(Recorder("slow", health_check=check))
    registry.activate_all()
    threading.Thread(target=registry.health_check_all, args=(0.5,), daemon=True).start()
    assert begun.wait(30)
    (outcome,) = registry.shutdown_all(timeout=0.05).values()
    assert str(outcome) == "shutdown did not begin, because an earlier health_check has not returned"
    registry.activate_all(timeout=0.05)
    assert registry.shutdown_all(timeout=30) == {"COMPUTE:slow": None}
    go_on.set()


def test_a_new_object_is_not_charged_with_a_hook_that_hangs_in_the_old_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("builtins.check_goes_on", go_on, raising=False)
    body = """
        def __init__(self, config: Config): self.hangs = config.hangs
        def health_check(self):
            import builtins
            if self.hangs:
                builtins.check_goes_on.wait()
            return HealthStatus(HealthState.HEALTHY)
    """
    site.add(plugin_distribution("healed", config="hangs: bool", body=body))
    registry = site.registry()
    registry.configure(COMPUTE, "healed", {"hangs": True})
    registry.activate_plugin(COMPUTE, "healed")
    assert registry.health_check_all(timeout=0.1)["COMPUTE:healed"].state is HealthState.UNHEALTHY
    registry.shutdown_all()
    registry.configure(COMPUTE, "healed", {"hangs": False})
    registry.activate_plugin(COMPUTE, "healed", timeout=30)
    assert registry.health_check_all() == {"COMPUTE:healed": HEALTHY}
    registry.shutdown_all()
    go_on.set()


def test_activating_a_plugin_that_is_started_does_nothing_even_while_a_hook_hangs() -> None:
    go_on = threading.Event()

    def check() -> HealthStatus:
        go_on.wait()
        return HEALTHY

    registry = registry_of(Recorder("stuck", health_check=check))
    registry.activate_all()
    registry.health_check_all(timeout=0.05)
    assert registry.activate_all(timeout=30) == {"COMPUTE:stuck": None}
    go_on.set()


def test_while_a_startup_is_over_its_limit_health_checks_say_so() -> None:
    go_on = threading.Event()
    registry = registry_of(Recorder("late", startup=go_on.wait))
    with pytest.raises(PluginStartupError):
        registry.activate_plugin(COMPUTE, "late", timeout=0.05)
    said = registry.health_check_all(timeout=30)["COMPUTE:late"]
    assert (said.state, said.message) == (
        HealthState.UNHEALTHY,
        "health_check() did not begin, because an earlier startup has not returned",
    )
    go_on.set()
    eventually(lambda: Recorder.done == ["start late", "stop late"])


@pytest.mark.parametrize("timeout", [float("inf"), 1e300])
def test_a_limit_can_be_infinite(timeout: float) -> None:
    registry = registry_of(Recorder("patient"))
    assert registry.activate_all(timeout=timeout) == {"COMPUTE:patient": None}
    assert registry.health_check_all(timeout=timeout) == {"COMPUTE:patient": HEALTHY}
    assert registry.shutdown_all(timeout=timeout) == {"COMPUTE:patient": None}


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_limit_can_be_over_at_once(timeout: float) -> None:
    registry = registry_of(Recorder("hasty"))
    with contextlib.suppress(PluginStartupError):  # even so, it might be quick enough
        registry.activate_plugin(COMPUTE, "hasty", timeout=timeout)
    assert registry.health_check_all(timeout=timeout).keys() == {"COMPUTE:hasty"}
    eventually(lambda: registry.activate_all() == {"COMPUTE:hasty": None})


def test_a_check_that_returns_at_its_limit_is_one_or_the_other_but_never_nothing() -> None:
    def check() -> HealthStatus:
        time.sleep(0.02)
        return HEALTHY

    registry = registry_of(*[Recorder(f"p{n}", health_check=check) for n in range(50)])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for _ in range(10):
            answers = registry.health_check_all(timeout=0.022)
            assert {type(answer) for answer in answers.values()} == {HealthStatus}
            time.sleep(0.05)
    finally:
        sys.setswitchinterval(before)


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


def test_constructors_that_fail_leave_no_threads(site: Site) -> None:
    site.add(
        plugin_distribution("failing", body="def __init__(self): raise ValueError"),
        plugin_distribution("required", config="n: int", body="def __init__(self, config: Config): ..."),
        plugin_distribution(
            "refusing",
            config="n: int",
            body="def __init__(self, config: Config | None = None): config.n + 'x'",
        ),
    )
    registry = site.registry()
    kept: list[PluginError] = []
    for number in range(20):
        for act in (
            lambda: registry.get(COMPUTE, "failing"),
            lambda: registry.get(COMPUTE, "required"),
            lambda: registry.configure(COMPUTE, "refusing", {"n": number}),  # noqa: B023
        ):
            try:
                act()
            except PluginError as error:
                kept.append(error)
        registry.list(COMPUTE)
    assert len(kept) == 60
    names = ("failing", "required", "refusing")
    eventually(lambda: [thread for name in names for thread in threads_of(name)] == [])


def test_an_object_that_is_registered_under_two_types_has_one_thread_and_one_health_check() -> None:
    plugin = Database("both")
    registry = registry_of(plugin)
    registry.register("catalog", plugin)
    registry.activate_plugin(COMPUTE, "both")
    assert registry.health_check_all() == {"COMPUTE:both": HEALTHY, "CATALOG:both": HEALTHY}
    assert len(threads_of("both")) == 1
    registry.shutdown_all()


def test_a_keyboard_interrupt_of_a_plugin_is_not_the_users() -> None:
    registry = registry_of(Recorder("first"), Recorder("rude", shutdown=raises(KeyboardInterrupt())))
    registry.activate_plugin(COMPUTE, "first")
    registry.activate_plugin(COMPUTE, "rude")
    outcomes = registry.shutdown_all()
    assert str(outcomes["COMPUTE:rude"]) == "shutdown raised KeyboardInterrupt"
    assert outcomes["COMPUTE:first"] is None


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


def test_what_has_not_begun_within_its_limit_never_begins() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def check() -> HealthStatus:
        begun.set()
        go_on.wait()
        return HEALTHY

    registry = registry_of(Recorder("busy", health_check=check))
    round_ = threading.Thread(target=registry.health_check_all, args=(30,), daemon=True)
    round_.start()
    assert begun.wait(30)
    with pytest.raises(PluginStartupError) as refused:
        registry.activate_plugin(COMPUTE, "busy", timeout=0.05)
    assert isinstance(refused.value.cause, PluginTimeoutError)
    assert refused.value.cause.behind == "health_check"
    go_on.set()
    round_.join(30)
    assert registry.health_check_all() == {"COMPUTE:busy": HEALTHY}
    assert Recorder.done == []


def test_a_startup_that_returns_too_late_is_shut_down_on_its_own_thread() -> None:
    go_on, threads = threading.Event(), list[int]()

    def startup() -> None:
        threads.append(threading.get_ident())
        go_on.wait()

    plugin = Recorder("late", startup=startup, shutdown=lambda: threads.append(threading.get_ident()))
    registry = registry_of(plugin)
    with pytest.raises(PluginStartupError):
        registry.activate_plugin(COMPUTE, "late", timeout=0.05)
    go_on.set()
    eventually(lambda: len(threads) == 2 and threads[0] == threads[1])


def test_a_constructor_that_hangs_is_not_called_again_and_its_late_object_is_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, made = threading.Event(), list[object]()
    monkeypatch.setattr("builtins.constructor_goes_on", go_on, raising=False)
    monkeypatch.setattr("builtins.made", made, raising=False)
    body = """
        def __init__(self):
            import builtins
            builtins.made.append(self)
            builtins.constructor_goes_on.wait()
    """
    site.add(plugin_distribution("slow", body=body))
    registry = site.registry()
    monkeypatch.setattr(plugin_records, "LOAD_TIMEOUT", 0.2)
    for said in ("did not return within 0.2 s", "an earlier constructor has not returned"):
        with pytest.raises(PluginStartupError, match=said) as failed:
            registry.get(COMPUTE, "slow")
        assert failed.value.hook == "constructor"
    go_on.set()
    eventually(lambda: registry.health_check_all() == {"COMPUTE:slow": HEALTHY})
    assert made == [registry.get(COMPUTE, "slow")]


def test_a_constructor_that_returns_too_late_with_a_configuration_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, ended = threading.Event(), list[object]()
    monkeypatch.setattr("builtins.constructor_goes_on", go_on, raising=False)
    monkeypatch.setattr("builtins.ended", ended, raising=False)
    body = """
        def __init__(self, config: Config | None = None):
            import builtins
            if config is not None:
                builtins.constructor_goes_on.wait()
                builtins.ended.append(self)
    """
    site.add(plugin_distribution("slow", config="n: int", body=body))
    registry = site.registry()
    plugin = registry.get(COMPUTE, "slow")
    monkeypatch.setattr(plugin_records, "LOAD_TIMEOUT", 0.2)
    with pytest.raises(PluginStartupError, match="constructor"):
        registry.configure(COMPUTE, "slow", {"n": 1})
    go_on.set()
    eventually(lambda: ended)
    eventually(lambda: gc.collect() >= 0 and len(threads_of("slow")) == 1)
    assert registry.get(COMPUTE, "slow") is plugin
    assert registry.get_config(COMPUTE, "slow") is None
