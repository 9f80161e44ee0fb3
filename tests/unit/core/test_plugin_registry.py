"""The registry: the life of a plugin, and that no plugin can stop, hang or hide the others."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest

from floe_core import plugin_records
from floe_core.plugin_errors import (
    AmbiguousDependencyError,
    CircularDependencyError,
    ConfigurationNotAcceptedError,
    ConfigurationRequiredError,
    DuplicatePluginError,
    InvalidPluginVersionError,
    MissingDependencyError,
    NotAPluginError,
    PluginConfigurationError,
    PluginError,
    PluginImportError,
    PluginIncompatibleError,
    PluginLoadError,
    PluginLoadTimeoutError,
    PluginNotFoundError,
    PluginSchemaError,
    PluginStartupError,
    PluginTimeoutError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_registry import PluginRegistry, _reset_registry, get_registry
from floe_core.plugin_types import PluginType
from tests.support.distributions import plugin_distribution, plugin_source
from tests.support.polling import eventually
from tests.unit.core.conftest import Site

COMPUTE, CATALOG = PluginType.COMPUTE, PluginType.CATALOG


class Recorder(PluginMetadata):
    """A plugin made by a test, which keeps what was done with it."""

    version = "1.0.0"
    floe_api_version = "1.0"
    done: list[str] = []  # noqa: RUF012

    def __init__(self, name: str = "recorder", dependencies: tuple[str, ...] = (), **hooks: Any) -> None:
        self._name = name
        self._needs = list(dependencies)
        self._hooks = hooks

    @property
    def name(self) -> str:
        return self._name

    @property
    def dependencies(self) -> list[str]:
        return self._needs

    def startup(self) -> None:
        Recorder.done.append(f"start {self._name}")
        self._hooks.get("startup", lambda: None)()

    def shutdown(self) -> None:
        Recorder.done.append(f"stop {self._name}")
        self._hooks.get("shutdown", lambda: None)()

    def health_check(self) -> HealthStatus:
        return self._hooks.get("health_check", lambda: HealthStatus(HealthState.HEALTHY))()  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    Recorder.done.clear()


def registry_of(*plugins: PluginMetadata) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(COMPUTE, plugin)
    return registry


def raises(error: BaseException) -> Any:
    def hook() -> None:
        raise error

    return hook


# finding and loading


def test_the_first_use_discovers_and_later_ones_share(site: Site) -> None:
    site.add(plugin_distribution("shared"))
    _reset_registry()
    try:
        registries: list[PluginRegistry] = []
        threads = [threading.Thread(target=lambda: registries.append(get_registry())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(registries)) == 1
        assert get_registry().get(COMPUTE, "shared").name == "shared"
    finally:
        _reset_registry()


def test_discovering_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("floe_core.plugin_registry.scan", raises(RuntimeError("no")))
    PluginRegistry().discover_all()


def test_a_plugin_is_loaded_at_its_first_use_and_is_then_the_same_object(site: Site) -> None:
    site.add(plugin_distribution("lazy", before="import builtins; builtins.lazy_was_imported = True"))
    registry = site.registry()
    assert "lazy" in registry.list_all()[COMPUTE]
    assert "floe_compute_lazy" not in sys.modules
    first = registry.get(COMPUTE, "lazy")
    registry.discover_all()
    assert registry.get(COMPUTE, "LAZY") is first


def test_a_plugin_nobody_knows_is_not_found() -> None:
    with pytest.raises(PluginNotFoundError, match="COMPUTE:nothing"):
        PluginRegistry().get(COMPUTE, "nothing")


def test_list_all_has_every_type_and_loads_nothing(site: Site) -> None:
    site.add(plugin_distribution("zeta", source="raise SystemExit"), plugin_distribution("Alpha_1"))
    registry = site.registry()
    registry.register(COMPUTE, Recorder("mid_dle"))
    listed = registry.list_all()
    assert list(listed) == list(PluginType)
    assert listed[COMPUTE] == sorted(listed[COMPUTE])
    assert {"zeta", "Alpha_1", "mid_dle"} <= set(listed[COMPUTE])


def test_list_leaves_out_what_is_broken_and_says_so_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("fine"), plugin_distribution("broken", source="import sys; sys.exit(1)"))
    registry = site.registry()
    for _ in range(3):
        assert "fine" in [plugin.name for plugin in registry.list(COMPUTE)]
    assert capsys.readouterr().out.count("COMPUTE:broken") <= 2  # as the field, and in the error
    assert "broken" not in [plugin.name for plugin in registry.list(COMPUTE)]


def test_a_failure_is_remembered_until_the_distribution_is_another(site: Site) -> None:
    counting = "import builtins; builtins.tries = getattr(builtins, 'tries', 0) + 1\n"
    site.add(plugin_distribution("flaky", source=f"{counting}raise RuntimeError"))
    registry = site.registry()
    for _ in range(3):
        with pytest.raises(PluginImportError):
            registry.get(COMPUTE, "flaky")
        registry.discover_all()
    import builtins

    assert builtins.tries == 1  # type: ignore[attr-defined]
    shutil.rmtree(site.folder / "floe_compute_flaky-0.1.0.dist-info")
    site.add(plugin_distribution("flaky", version="0.2.0"))
    registry.discover_all()
    assert registry.get(COMPUTE, "flaky").version == "0.2.0"


def test_an_uninstalled_plugin_is_not_found_after_the_next_scan(site: Site) -> None:
    site.add(plugin_distribution("leaving"))
    registry = site.registry()
    shutil.rmtree(site.folder / "floe_compute_leaving-0.1.0.dist-info")
    registry.discover_all()
    with pytest.raises(PluginNotFoundError):
        registry.get(COMPUTE, "leaving")


def test_two_claims_are_chosen_by_nobody(site: Site) -> None:
    site.add(plugin_distribution("twice"), plugin_distribution("Twice", distribution="floe-second"))
    registry = site.registry()
    with pytest.raises(DuplicatePluginError) as caught:
        registry.get(COMPUTE, "twice")
    assert "floe-compute-twice 0.1.0" in str(caught.value)
    assert "floe-second 0.1.0" in str(caught.value)
    assert "twice" in registry.list_all()[COMPUTE]


@pytest.mark.parametrize(
    ("api_version", "error"),
    [
        ("2.0", PluginIncompatibleError),
        ("1.1", PluginIncompatibleError),
        ("1.0.0", InvalidPluginVersionError),
        ("", InvalidPluginVersionError),
    ],
)
def test_another_plugin_api_is_incompatible_before_any_constructor_runs(
    site: Site, api_version: str, error: type[PluginIncompatibleError]
) -> None:
    body = "def __init__(self): raise AssertionError"
    site.add(plugin_distribution("old", api_version=api_version, body=body))
    with pytest.raises(error) as caught:
        site.registry().get(COMPUTE, "old")
    assert (caught.value.required_version, caught.value.platform_version) == (api_version, "1.0")


def test_a_class_that_declares_another_name_is_used_and_the_difference_is_said(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("entry-name", source=plugin_source("declared-name")))
    assert site.registry().get(COMPUTE, "entry_name").name == "declared-name"
    assert "declared-name" in capsys.readouterr().out


def test_an_import_that_hangs_is_an_error_within_its_limit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = "import builtins\nbuiltins.import_goes_on.wait()\n"
    go_on = threading.Event()
    monkeypatch.setattr("builtins.import_goes_on", go_on, raising=False)
    site.add(plugin_distribution("slow", before=hang), plugin_distribution("quick"))
    registry = site.registry()
    with monkeypatch.context() as patch:
        patch.setattr(plugin_records, "LOAD_TIMEOUT", 0.2)
        with pytest.raises(PluginLoadTimeoutError, match=r"COMPUTE:slow"):
            registry.get(COMPUTE, "slow")
    assert registry.get(COMPUTE, "quick").name == "quick"
    go_on.set()

    def loaded_after_all() -> bool:
        try:
            return registry.get(COMPUTE, "slow").name == "slow"
        except PluginError as error:
            raise AssertionError(str(error)) from error

    eventually(loaded_after_all)


def test_many_threads_load_a_plugin_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.made", [], raising=False)
    body = "def __init__(self):\n    import builtins; builtins.made.append(self)"
    site.add(plugin_distribution("popular", body=body))
    registry = site.registry()
    got: list[PluginMetadata] = []
    threads = [
        threading.Thread(target=lambda: got.append(registry.get(COMPUTE, "popular"))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    import builtins

    assert len(builtins.made) == 1  # type: ignore[attr-defined]
    assert set(map(id, got)) == {id(builtins.made[0])}  # type: ignore[attr-defined]


ASKING = """
from floe_core import PluginType, get_registry
try:
    other = get_registry().get(PluginType.COMPUTE, {other!r})
except Exception as error:
    other = error
"""


def test_an_import_may_ask_for_another_plugin(site: Site) -> None:
    site.add(plugin_distribution("asker", before=ASKING.format(other="asked")), plugin_distribution("asked"))
    _reset_registry()
    try:
        plugin = get_registry().get(COMPUTE, "asker")
        assert sys.modules[type(plugin).__module__].other.name == "asked"
    finally:
        _reset_registry()


@pytest.mark.parametrize("others", [("me", "me"), ("you", "me")])
def test_imports_that_ask_for_each_other_end(site: Site, others: tuple[str, str]) -> None:
    site.add(
        plugin_distribution("me", before=ASKING.format(other=others[0])),
        plugin_distribution("you", before=ASKING.format(other=others[1])),
    )
    _reset_registry()
    try:
        registry = get_registry()
        ended: list[object] = []

        def load(name: str) -> None:
            try:
                ended.append(registry.get(COMPUTE, name))
            except PluginError as error:
                ended.append(error)

        threads = [threading.Thread(target=load, args=(name,), daemon=True) for name in ("me", "you")]
        for thread in threads:
            thread.start()
        eventually(lambda: len(ended) == 2, within=20)
        assert isinstance(sys.modules["floe_compute_me"].other, (PluginLoadError, PluginMetadata))
    finally:
        _reset_registry()


# registering


def test_a_registered_plugin_is_like_an_installed_one() -> None:
    plugin = Recorder("given")
    registry = registry_of(plugin)
    assert registry.get(COMPUTE, "given") is plugin
    assert registry.list(COMPUTE) == [plugin]


def test_registering_a_name_twice_is_a_duplicate(site: Site) -> None:
    site.add(plugin_distribution("taken"))
    registry = site.registry()
    with pytest.raises(DuplicatePluginError):
        registry.register(COMPUTE, Recorder("Taken"))
    registry.register(CATALOG, Recorder("taken"))


def test_registering_what_is_no_plugin_or_fits_not_is_an_error() -> None:
    registry = PluginRegistry()
    with pytest.raises(NotAPluginError):
        registry.register(COMPUTE, object())  # type: ignore[arg-type]
    plugin = Recorder()
    plugin.floe_api_version = "9.0"
    with pytest.raises(PluginIncompatibleError):
        registry.register(COMPUTE, plugin)


# configuring

CONSTRUCTORS = {
    "no argument": "",
    "keywords, and configure": "def __init__(self, threads=1): ...",
    "optional config": "def __init__(self, config: Config | None = None):\n    self._config = config",
    "required config": "def __init__(self, config: Config):\n    self._config = config",
    "required keyword": "def __init__(self, *, config):\n    self._config = config",
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_a_configuration_reaches_every_kind_of_constructor(site: Site, constructor: str) -> None:
    body = CONSTRUCTORS[constructor]
    site.add(plugin_distribution("taker", config="threads: int = 4\npath: str", body=body))
    registry = site.registry()
    if "required" in constructor:
        with pytest.raises(ConfigurationRequiredError, match="before it is configured"):
            registry.get(COMPUTE, "taker")
    else:
        assert not registry.get(COMPUTE, "taker").is_configured
    kept = registry.configure(COMPUTE, "taker", {"path": "x"})
    assert kept is not None
    assert kept.model_dump() == {"threads": 4, "path": "x"}
    assert registry.get_config(COMPUTE, "taker") is kept
    assert registry.get(COMPUTE, "taker").__dict__["_config"] is kept
    again = registry.configure(COMPUTE, "taker", {"path": "y"})
    assert registry.get(COMPUTE, "taker").__dict__["_config"] is again


def test_a_wrong_configuration_changes_nothing(site: Site) -> None:
    site.add(plugin_distribution("strict", config="path: str"))
    registry = site.registry()
    kept = registry.configure(COMPUTE, "strict", {"path": "x"})
    with pytest.raises(PluginConfigurationError) as caught:
        registry.configure(COMPUTE, "strict", {"path": ["hunter2"]})
    assert caught.value.errors[0]["field"] == "path"
    trace = caught.value.__traceback__
    while trace is not None:
        if "floe_core" in trace.tb_frame.f_code.co_filename:
            assert "hunter2" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next
    with pytest.raises(ConfigurationRequiredError):
        registry.configure(COMPUTE, "strict", {})
    assert registry.get_config(COMPUTE, "strict") is kept


def test_a_plugin_without_a_schema_takes_no_configuration(site: Site) -> None:
    site.add(plugin_distribution("bare"))
    registry = site.registry()
    assert registry.configure(COMPUTE, "bare", {}) is None
    with pytest.raises(ConfigurationNotAcceptedError):
        registry.configure(COMPUTE, "bare", {"a": 1})


def test_a_broken_schema_is_an_error_of_configuring_only(site: Site) -> None:
    site.add(plugin_distribution("odd", body="def get_config_schema(self): raise ValueError"))
    registry = site.registry()
    assert registry.get(COMPUTE, "odd").name == "odd"
    with pytest.raises(PluginSchemaError):
        registry.configure(COMPUTE, "odd", {})


def test_a_plugin_that_refuses_a_valid_configuration_does_not_have_it(site: Site) -> None:
    body = "def configure(self, config):\n    Config(path=['hunter2'])"
    site.add(plugin_distribution("refusing", config="path: str", body=body))
    registry = site.registry()
    with pytest.raises(PluginStartupError) as caught:
        registry.configure(COMPUTE, "refusing", {"path": "x"})
    assert caught.value.hook == "configure"
    assert "hunter2" not in f"{caught.value}{caught.value.cause!r}"
    assert registry.get_config(COMPUTE, "refusing") is None


# running


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


def test_a_failed_startup_stops_its_dependents_only_and_says_so_for_each() -> None:
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


def test_a_broken_plugin_is_an_outcome_of_activating_all(site: Site) -> None:
    site.add(plugin_distribution("broken", source="raise RuntimeError"), plugin_distribution("fine"))
    outcomes = site.registry().activate_all(plugins=[(COMPUTE, "broken"), (COMPUTE, "fine")])
    assert isinstance(outcomes["COMPUTE:broken"], PluginImportError)
    assert outcomes["COMPUTE:fine"] is None


def test_choosing_plugins_starts_what_they_need_and_no_more() -> None:
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


def test_a_startup_that_is_late_is_shut_down_again() -> None:
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


def test_a_startup_that_starts_itself_is_an_error_and_no_deadlock() -> None:
    registry = PluginRegistry()
    errors: list[PluginError] = []

    def startup() -> None:
        try:
            registry.activate_plugin(COMPUTE, "self")
        except PluginError as error:
            errors.append(error)

    registry.register(COMPUTE, Recorder("self", startup=startup))
    registry.activate_plugin(COMPUTE, "self")
    assert "waits for" in str(errors[0])


def test_shutting_down_goes_on_after_errors_and_time_outs() -> None:
    hang = threading.Event()
    hooks = [raises(ValueError("x")), raises(SystemExit()), hang.wait, lambda: None]
    registry = registry_of(*[Recorder(f"p{n}", shutdown=hook) for n, hook in enumerate(hooks)])
    registry.activate_all()
    outcomes = registry.shutdown_all(timeout=2)
    hang.set()
    assert list(outcomes) == ["COMPUTE:p3", "COMPUTE:p2", "COMPUTE:p1", "COMPUTE:p0"]
    assert [type(outcome) for outcome in outcomes.values()] == [
        type(None),
        PluginTimeoutError,
        PluginError,
        ValueError,
    ]


def test_health_checks_run_side_by_side_and_faults_are_unhealthy() -> None:
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
    began = time.monotonic()
    answers = registry.health_check_all(timeout=2)
    again = registry.health_check_all(timeout=2)
    assert time.monotonic() - began < 20
    threads = threading.active_count()
    hang.set()
    assert answers["COMPUTE:fine"].state is HealthState.DEGRADED
    assert {status.state for name, status in answers.items() if name != "COMPUTE:fine"} == {
        HealthState.UNHEALTHY
    }
    assert "within 2 s" in answers["COMPUTE:hanging3"].message
    assert "earlier" in again["COMPUTE:hanging3"].message
    assert threads < 40


def test_a_health_check_gets_its_time_limit_where_it_takes_one() -> None:
    class Timed(Recorder):
        def health_check(self, timeout: float | None = None) -> HealthStatus:
            return HealthStatus(HealthState.HEALTHY, f"{timeout:g}")

    assert registry_of(Timed()).health_check_all(timeout=7)["COMPUTE:recorder"].message == "7"
    assert registry_of(Timed()).health_check_all()["COMPUTE:recorder"].message == "5"


# ordering objects


def test_objects_are_ordered_by_what_they_need() -> None:
    a, b, c = Recorder("a", ("b", "c")), Recorder("b", ("c",)), Recorder("c")
    assert PluginRegistry().resolve_dependencies([a, b, c]) == [c, b, a]


def test_faults_of_objects_dependencies_are_raised() -> None:
    registry = PluginRegistry()
    with pytest.raises(CircularDependencyError) as cycle:
        registry.resolve_dependencies([Recorder("a", ("b",)), Recorder("b", ("a",))])
    assert cycle.value.cycle == ["a", "b", "a"]
    with pytest.raises(MissingDependencyError) as missing:
        registry.resolve_dependencies([Recorder("a", ("gone", "lost"))])
    assert (missing.value.plugin_name, missing.value.missing_dependencies) == ("a", ["gone", "lost"])
    with pytest.raises(AmbiguousDependencyError):
        registry.resolve_dependencies([Recorder("a", ("b",)), Recorder("b"), Recorder("b")])


# the process


def run(code: str, site: Site) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site.folder), *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_hook_that_hangs_never_keeps_the_process_from_exiting(site: Site) -> None:
    hang = "import time\ntime.sleep(3600)"
    site.add(
        plugin_distribution("hung-import", before=hang),
        plugin_distribution(
            "hung-start", body=f"def startup(self):\n    {hang.splitlines()[0]}; time.sleep(3600)"
        ),
    )
    done = run(
        """
        from floe_core import plugin_records, PluginType, get_registry
        for name, load_timeout in (("hung-import", 0.2), ("hung-start", 30)):
            plugin_records.LOAD_TIMEOUT = load_timeout
            try:
                get_registry().activate_plugin(PluginType.COMPUTE, name, timeout=0.2)
            except Exception as error:
                print(type(error).__name__)
        """,
        site,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["PluginLoadTimeoutError", "PluginStartupError"]


WAITING = """
import os, signal, time
print("waiting", flush=True)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(3600)
"""


def test_the_users_interrupt_ends_the_waiting(site: Site) -> None:
    site.add(plugin_distribution("hung", before=WAITING))
    done = run(
        """
        from floe_core import PluginType, get_registry
        try:
            get_registry().get(PluginType.COMPUTE, "hung")
        except KeyboardInterrupt:
            print("interrupted")
        """,
        site,
    )
    assert done.stdout.split() == ["waiting", "interrupted"]
    assert done.returncode == 0


def test_plugins_can_be_shut_down_at_exit(site: Site) -> None:
    site.add(plugin_distribution("closing", body="def shutdown(self): print('closed', flush=True)"))
    done = run(
        """
        import atexit
        from floe_core import PluginType, get_registry
        registry = get_registry()
        atexit.register(registry.shutdown_all)
        registry.activate_plugin(PluginType.COMPUTE, "closing")
        """,
        site,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["closed"], "")


def test_errors_that_are_raised_again_do_not_grow(site: Site) -> None:
    site.add(plugin_distribution("failing", source="raise RuntimeError"))
    registry = site.registry()
    lengths = set()
    for _ in range(3):
        with pytest.raises(PluginImportError) as caught:
            registry.get(COMPUTE, "failing")
        lengths.add(len(caught.traceback))
    gc.collect()
    assert len(lengths) <= 2
