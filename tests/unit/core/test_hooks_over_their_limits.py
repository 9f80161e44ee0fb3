"""A hook that hangs keeps its thread, and costs nobody else anything."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable

import pytest

from floe_core._running import plugin_records
from floe_core.plugin_errors import (
    PluginStartupError,
    PluginTimeoutError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, registry_of, threads_of

HEALTHY = HealthStatus(HealthState.HEALTHY)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


def hanging(go_on: threading.Event, begun: threading.Event | None = None) -> Callable[[], HealthStatus]:
    """Return a health check that sets `begun` and waits for `go_on`."""

    def check() -> HealthStatus:
        if begun is not None:
            begun.set()
        go_on.wait()
        return HEALTHY

    return check


def test_a_hook_over_its_limit_keeps_the_thread_and_only_shutdown_passes_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    go_on = threading.Event()

    registry = registry_of(Recorder("stuck", health_check=hanging(go_on)), Recorder("free"))
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

    registry = registry_of(Recorder("slow", health_check=hanging(go_on, begun)))
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

    registry = registry_of(Recorder("stuck", health_check=hanging(go_on)))
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
            eventually(
                lambda: all(each == HEALTHY for each in registry.health_check_all(timeout=30).values())
            )
    finally:
        sys.setswitchinterval(before)


def test_what_has_not_begun_within_its_limit_never_begins() -> None:
    begun, go_on = threading.Event(), threading.Event()

    registry = registry_of(Recorder("busy", health_check=hanging(go_on, begun)))
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
