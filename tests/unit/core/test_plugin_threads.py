"""Each plugin object lives on one thread, from its constructor until it is dropped."""

from __future__ import annotations

import contextvars
import gc
import sqlite3
import threading
from collections.abc import Callable

import pytest

from floe_core.plugin_errors import (
    PluginError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, raises, registry_of, threads_of

HEALTHY = HealthStatus(HealthState.HEALTHY)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


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


def test_hooks_never_overlap_while_threads_cannot_be_started_for_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    under_way = 0
    most = 0

    def check() -> HealthStatus:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        begun.set()
        go_on.wait(30)
        under_way -= 1
        return HEALTHY

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    registry = registry_of(Recorder("odd", health_check=check))
    first = threading.Thread(target=registry.health_check_all, args=(30,), daemon=True)
    with monkeypatch.context() as patch:
        start = threading.Thread.start
        patch.setattr(threading.Thread, "start", lambda self: start(self) if self is first else refuse(self))
        first.start()
        assert begun.wait(30)
    starting = threading.Thread(target=registry.activate_plugin, args=(COMPUTE, "odd"), daemon=True)
    starting.start()
    eventually(lambda: threads_of("odd"))
    go_on.set()
    starting.join(30)
    first.join(30)
    assert registry.health_check_all() == {"COMPUTE:odd": HEALTHY}
    assert (most, Recorder.done) == (1, ["start odd"])
    registry.shutdown_all()
