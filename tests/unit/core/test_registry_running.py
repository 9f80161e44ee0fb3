"""The registry starts, checks and stops plugins in the order of their dependencies."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from floe_core.plugin_errors import (
    AmbiguousDependencyError,
    CircularDependencyError,
    MissingDependencyError,
    PluginError,
    PluginImportError,
    PluginStartupError,
    PluginTimeoutError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugin_registry import PluginRegistry
from floe_core.plugins import StoragePlugin
from tests.support.distributions import plugin_distribution, plugin_source
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import CATALOG, COMPUTE, Recorder, raises, registry_of


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


def test_a_plugin_starts_once_and_stops_once() -> None:
    registry = registry_of(Recorder("one"))
    for _ in range(2):
        registry.activate_plugin(COMPUTE, "one")
    assert registry.shutdown_all() == {"COMPUTE:one": None}
    assert registry.shutdown_all() == {}
    assert Recorder.done == ["start one", "stop one"]


def test_dependencies_start_first_and_stop_last() -> None:
    registry = registry_of(Recorder("app", ("db",)), Recorder("db", ("compute/disk",)), Recorder("disk"))
    assert list(registry.activate_all()) == ["COMPUTE:disk", "COMPUTE:db", "COMPUTE:app"]
    registry.shutdown_all()
    assert Recorder.done == [*("start disk", "start db", "start app"), *("stop app", "stop db", "stop disk")]


def test_only_dependents_of_a_failed_plugin_do_not_start_and_each_says_why() -> None:
    failing = Recorder("failing", startup=raises(RuntimeError("boom")))
    registry = registry_of(
        failing,
        Recorder("above", ("failing",)),
        Recorder("top", ("above",)),
        Recorder("lost", ("gone",)),
        Recorder("ok"),
    )
    outcomes = registry.activate_all()
    assert {name: type(outcome) for name, outcome in outcomes.items()} == {
        "COMPUTE:failing": PluginStartupError,
        "COMPUTE:above": PluginStartupError,
        "COMPUTE:top": PluginStartupError,
        "COMPUTE:lost": MissingDependencyError,
        "COMPUTE:ok": type(None),
    }
    assert "COMPUTE:failing did not start" in str(outcomes["COMPUTE:above"])
    failure = outcomes["COMPUTE:failing"]
    assert isinstance(failure, PluginStartupError)
    assert isinstance(failure.cause, RuntimeError)


def test_outcomes_and_health_name_a_plugin_as_its_entry_point_does(site: Site) -> None:
    site.add(plugin_distribution("Duck_DB", distribution="floe-duck"))
    registry = site.registry()
    assert registry.activate_all().keys() == {"COMPUTE:Duck_DB"}
    assert registry.health_check_all().keys() == {"COMPUTE:Duck_DB"}
    assert registry.shutdown_all().keys() == {"COMPUTE:Duck_DB"}


@pytest.mark.parametrize("needs", ["gone", "own", "failing"])
def test_a_plugin_that_is_started_is_an_outcome_without_error_whatever_it_needs(needs: str) -> None:
    failing = Recorder("failing", startup=raises(RuntimeError()))
    registry = registry_of(Recorder("own", (needs,)), failing)
    registry.activate_plugin(COMPUTE, "own")
    assert registry.activate_all()["COMPUTE:own"] is None


def test_activating_all_reports_a_broken_plugin_as_an_outcome(site: Site) -> None:
    site.add(plugin_distribution("broken", source="raise RuntimeError"), plugin_distribution("fine"))
    outcomes = site.registry().activate_all(plugins=[(COMPUTE, "broken"), (COMPUTE, "fine")])
    assert isinstance(outcomes["COMPUTE:broken"], PluginImportError)
    assert outcomes["COMPUTE:fine"] is None


def test_activating_chosen_plugins_starts_only_them_and_what_they_need() -> None:
    app = Recorder("app", ("db",))
    registry = registry_of(app, Recorder("db"), Recorder("other"))
    assert list(registry.activate_all(plugins=[app])) == ["COMPUTE:db", "COMPUTE:app"]
    assert registry.activate_all(plugin_types=[CATALOG]) == {}


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), TimeoutError("its own"), ValueError("x")]
)
def test_whatever_a_startup_raises_is_a_startup_error(error: BaseException) -> None:
    registry = registry_of(Recorder("raising", startup=raises(error)))
    with pytest.raises(PluginStartupError) as caught:
        registry.activate_plugin(COMPUTE, "raising")
    assert caught.value.cause is error


ODD_PLUGINS = {
    "startup is a property that raises": "startup = property(lambda self: 1 / 0)",
    "the constructor returns no plugin": "def __new__(cls): return None",
}


@pytest.mark.parametrize("body", ODD_PLUGINS.values(), ids=ODD_PLUGINS)
def test_an_odd_plugin_is_an_outcome_and_stops_no_other(site: Site, body: str) -> None:
    site.add(plugin_distribution("odd", body=body), plugin_distribution("fine"))
    registry = site.registry()
    outcomes = registry.activate_all()
    assert isinstance(outcomes["COMPUTE:odd"], PluginStartupError)
    assert outcomes["COMPUTE:fine"] is None
    assert None not in registry.list(COMPUTE)


def test_a_plugin_that_starts_too_late_is_shut_down_again() -> None:
    go_on = threading.Event()
    registry = registry_of(Recorder("late", startup=go_on.wait))
    began = time.monotonic()
    with pytest.raises(PluginStartupError) as caught:
        registry.activate_plugin(COMPUTE, "late", timeout=0.1)
    assert isinstance(caught.value.cause, PluginTimeoutError)
    assert time.monotonic() - began < 20
    with pytest.raises(PluginStartupError):
        registry.activate_plugin(COMPUTE, "late", timeout=0.1)
    assert registry.shutdown_all() == {}
    go_on.set()
    eventually(lambda: Recorder.done == ["start late", "stop late"])

    def started_again() -> bool:
        try:
            registry.activate_plugin(COMPUTE, "late")
        except PluginStartupError as error:
            raise AssertionError(str(error)) from error
        return True

    eventually(started_again)


def test_a_startup_that_activates_its_own_plugin_is_an_error_not_a_deadlock() -> None:
    registry = PluginRegistry()
    errors: list[PluginError] = []

    def startup() -> None:
        try:
            registry.activate_plugin(COMPUTE, "self")
        except PluginError as error:
            errors.append(error)

    registry.register(COMPUTE, Recorder("self", startup=startup))
    registry.activate_plugin(COMPUTE, "self")
    assert "is waiting for" in str(errors[0])


def test_shutdown_continues_after_errors_and_timeouts() -> None:
    hang = threading.Event()
    hooks = [raises(ValueError("x")), raises(SystemExit()), hang.wait, lambda: None]
    registry = registry_of(*[Recorder(f"p{n}", shutdown=hook) for n, hook in enumerate(hooks)])
    registry.activate_all()
    outcomes = registry.shutdown_all(timeout=1)
    hang.set()
    assert list(outcomes) == ["COMPUTE:p3", "COMPUTE:p2", "COMPUTE:p1", "COMPUTE:p0"]
    assert [type(outcome) for outcome in outcomes.values()] == [
        type(None),
        PluginTimeoutError,
        PluginError,
        ValueError,
    ]


def test_health_checks_run_in_parallel_and_a_failed_check_is_unhealthy() -> None:
    hang = threading.Event()
    hooks: dict[str, Any] = {
        "fine": lambda: HealthStatus(HealthState.DEGRADED, "slow"),
        "raising": raises(ValueError("x")),
        "exiting": raises(SystemExit()),
        "wrong": lambda: None,
        "odd": lambda: HealthStatus("healthy"),  # type: ignore[arg-type]
        **{f"hanging{n}": hang.wait for n in range(20)},
    }
    registry = registry_of(*[Recorder(name, health_check=hook) for name, hook in hooks.items()])
    began, before = time.monotonic(), threading.active_count()
    answers = registry.health_check_all(timeout=1)
    again = registry.health_check_all(timeout=1)
    assert time.monotonic() - began < 20
    threads = threading.active_count() - before
    hang.set()
    assert answers["COMPUTE:fine"].state is HealthState.DEGRADED
    assert {status.state for name, status in answers.items() if name != "COMPUTE:fine"} == {
        HealthState.UNHEALTHY
    }
    assert "within 1 s" in answers["COMPUTE:hanging3"].message
    assert "earlier" in again["COMPUTE:hanging3"].message
    assert threads <= len(hooks)


def test_a_health_check_receives_its_time_limit_if_it_accepts_one() -> None:
    class Timed(Recorder):
        def health_check(self, timeout: float | None = None) -> HealthStatus:
            return HealthStatus(HealthState.HEALTHY, f"{timeout:g}")

    class Positional(Recorder):
        def health_check(self, timeout: float = 3, /) -> HealthStatus:
            return HealthStatus(HealthState.HEALTHY, f"{timeout:g}")

    assert registry_of(Positional()).health_check_all(timeout=7)["COMPUTE:recorder"].message == "3"
    assert registry_of(Timed()).health_check_all(timeout=7)["COMPUTE:recorder"].message == "7"
    assert registry_of(Timed()).health_check_all()["COMPUTE:recorder"].message == "5"


def test_plugin_objects_are_ordered_by_their_dependencies() -> None:
    a, b, c = Recorder("a", ("b", "c")), Recorder("b", ("c",)), Recorder("c")
    assert PluginRegistry().resolve_dependencies([a, b, c]) == [c, b, a]


def test_resolving_plugin_objects_raises_their_dependency_faults() -> None:
    registry = PluginRegistry()
    with pytest.raises(CircularDependencyError) as cycle:
        registry.resolve_dependencies([Recorder("a", ("b",)), Recorder("b", ("a",))])
    assert cycle.value.cycle == ["a", "b", "a"]
    with pytest.raises(MissingDependencyError) as missing:
        registry.resolve_dependencies([Recorder("a", ("gone", "lost"))])
    assert (missing.value.plugin_name, missing.value.missing_dependencies) == ("a", ["gone", "lost"])
    with pytest.raises(AmbiguousDependencyError, match=r"needs 'b', which names 2 of the given plugins$"):
        registry.resolve_dependencies([Recorder("a", ("b",)), Recorder("b"), Recorder("b")])


class Keeper(Recorder, StoragePlugin):
    """A plugin whose base class tells its type."""

    get_pyiceberg_fileio = get_warehouse_uri = get_dbt_profile_config = None  # type: ignore[assignment]
    get_dagster_io_manager_config = get_helm_values_override = None  # type: ignore[assignment]


def test_unregistered_objects_have_the_types_of_their_base_classes() -> None:
    registry = PluginRegistry()
    a, x, keeper = Recorder("a", ("storage/x",)), Recorder("x"), Keeper("x")
    assert registry.resolve_dependencies([a, x, keeper]) == [x, keeper, a]
    with pytest.raises(MissingDependencyError, match="Plugin a needs storage/x: not among the given plugins"):
        registry.resolve_dependencies([a, x])
    needing = Keeper("needing", ("gone",))
    with pytest.raises(MissingDependencyError, match="Plugin STORAGE:needing needs gone") as missing:
        registry.resolve_dependencies([needing])
    assert missing.value.plugin_name == "needing"


def test_plugins_of_the_registry_are_ordered_by_the_names_of_their_entry_points(site: Site) -> None:
    site.add(
        plugin_distribution("Entry_Name", distribution="floe-one", source=plugin_source("declared")),
        plugin_distribution("needing", body="dependencies = ['entry.name']"),
    )
    registry = site.registry()
    one, needing = registry.get(COMPUTE, "entry-name"), registry.get(COMPUTE, "needing")
    assert registry.resolve_dependencies([needing, one]) == [one, needing]


@pytest.mark.parametrize("dependency", ["x", "storage/x"])
def test_an_unregistered_object_that_needs_only_itself_is_a_cycle_of_one(dependency: str) -> None:
    keeper = Keeper("x", (dependency,))
    with pytest.raises(CircularDependencyError) as cycle:
        PluginRegistry().resolve_dependencies([Recorder("y"), keeper])
    assert cycle.value.cycle == ["STORAGE:x", "STORAGE:x"]
    other = Recorder("x")
    if dependency == "x":
        assert PluginRegistry().resolve_dependencies([keeper, other]) == [other, keeper]


def test_faults_name_registered_plugins_by_type_and_say_what_to_declare_instead() -> None:
    registry = PluginRegistry()
    asker, compute, catalog = Recorder("a", ("x",)), Recorder("x", ("a",)), Recorder("x")
    registry.register(COMPUTE, asker)
    registry.register(COMPUTE, compute)
    registry.register(CATALOG, catalog)
    with pytest.raises(AmbiguousDependencyError) as ambiguous:
        registry.resolve_dependencies([asker, compute, catalog])
    assert str(ambiguous.value) == (
        "Plugin COMPUTE:a needs 'x', which could be compute/x or catalog/x: write one of these instead"
    )
    for each in ambiguous.value.candidates:
        named = Recorder("named", (each,))
        assert registry.resolve_dependencies([named, Recorder("a"), compute, catalog])
    with pytest.raises(CircularDependencyError, match=r"COMPUTE:a -> COMPUTE:x -> COMPUTE:a$"):
        registry.resolve_dependencies([asker, compute])
    with pytest.raises(MissingDependencyError, match=r"COMPUTE:a needs x: not among the given plugins$"):
        registry.resolve_dependencies([asker])
