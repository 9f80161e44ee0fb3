"""The registry finds and loads plugins, and no plugin stops, blocks or hides the others."""

from __future__ import annotations

import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from floe_core._running import plugin_records
from floe_core.plugin_errors import (
    DuplicatePluginError,
    InvalidPluginVersionError,
    NotAPluginError,
    PluginError,
    PluginImportError,
    PluginIncompatibleError,
    PluginLoadError,
    PluginLoadTimeoutError,
    PluginNotFoundError,
    PluginStartupError,
)
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_registry import PluginRegistry, _reset_registry, get_registry
from floe_core.plugin_types import PluginType
from tests.support.distributions import Distribution, plugin_distribution, plugin_source
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import CATALOG, COMPUTE, Recorder, raises, registry_of


def test_the_first_use_discovers_plugins_and_all_callers_share_the_registry(site: Site) -> None:
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


def test_discovery_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("floe_core.plugin_registry.scan", raises(RuntimeError("no")))
    PluginRegistry().discover_all()


def test_a_plugin_is_loaded_at_its_first_use_and_stays_the_same_object(site: Site) -> None:
    site.add(plugin_distribution("lazy", before="import builtins; builtins.lazy_was_imported = True"))
    registry = site.registry()
    assert "lazy" in registry.list_all()[COMPUTE]
    assert "floe_compute_lazy" not in sys.modules
    first = registry.get(COMPUTE, "lazy")
    registry.discover_all()
    assert registry.get(COMPUTE, "LAZY") is first


def test_an_unknown_plugin_is_not_found() -> None:
    with pytest.raises(
        PluginNotFoundError, match="COMPUTE:nothing is neither installed nor registered; list_"
    ):
        PluginRegistry().get(COMPUTE, "nothing")


def test_list_all_contains_every_type_and_loads_nothing(site: Site) -> None:
    site.add(plugin_distribution("zeta", source="raise SystemExit"), plugin_distribution("Alpha_1"))
    registry = site.registry()
    registry.register(COMPUTE, Recorder("mid_dle"))
    listed = registry.list_all()
    assert list(listed) == list(PluginType)
    assert listed[COMPUTE] == sorted(listed[COMPUTE])
    assert {"zeta", "Alpha_1", "mid_dle"} <= set(listed[COMPUTE])


def test_list_leaves_out_a_broken_plugin_and_says_so_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("fine"), plugin_distribution("broken", source="import sys; sys.exit(1)"))
    registry = site.registry()
    for _ in range(3):
        assert "fine" in [plugin.name for plugin in registry.list(COMPUTE)]
    assert capsys.readouterr().out.count("COMPUTE:broken") <= 2  # once in the field, once in the error
    assert "broken" not in [plugin.name for plugin in registry.list(COMPUTE)]


def test_a_failure_in_the_main_thread_is_remembered_until_the_distribution_changes(site: Site) -> None:
    counting = "import builtins; builtins.tries = getattr(builtins, 'tries', 0) + 1\n"
    site.add(plugin_distribution("flaky", source=f"{counting}raise RuntimeError"))
    registry = site.registry()
    for _ in range(3):
        with pytest.raises(PluginImportError):
            registry.get(COMPUTE, "flaky")
        registry.discover_all()
    import builtins

    assert builtins.tries == 2  # type: ignore[attr-defined]  # in a side thread and in the main thread
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


def test_neither_of_two_claims_is_chosen(site: Site) -> None:
    site.add(plugin_distribution("twice"), plugin_distribution("Twice", distribution="floe-second"))
    registry = site.registry()
    with pytest.raises(DuplicatePluginError) as caught:
        registry.get(COMPUTE, "twice")
    assert "floe-compute-twice 0.1.0" in str(caught.value)
    assert "floe-second 0.1.0" in str(caught.value)
    assert str(caught.value).endswith("; uninstall all but one of these distributions")
    assert "twice" in registry.list_all()[COMPUTE]


def test_a_distribution_that_claims_a_name_in_two_spellings_must_declare_it_once(site: Site) -> None:
    claims = {"duck_db": "m:C", "duck-db": "m:C"}
    site.add(Distribution("floe-duck", entry_points={"floe.computes": claims}))
    with pytest.raises(DuplicatePluginError) as caught:
        site.registry().get(COMPUTE, "duck-db")
    assert str(caught.value).endswith("; install a release of floe-duck that declares the name once")


def test_a_plugin_whose_entry_point_has_extras_is_loaded(site: Site) -> None:
    claims = {"fast": "floe_fast:Plugin [fast, large]"}
    site.add(Distribution("floe-fast", "0.1.0", {"floe.computes": claims}, {"floe_fast.py": plugin_source()}))
    assert type(site.registry().get(COMPUTE, "fast")).__module__ == "floe_fast"


def test_a_group_that_is_no_plugin_type_is_logged_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(Distribution("floe-typo", entry_points={"floe.compute": {"x": "m:C"}}))
    registry = site.registry()
    registry.discover_all()
    assert (
        capsys.readouterr().out.count("floe-typo 0.1.0 declares entry points in the group [floe.compute]")
        == 1
    )


@pytest.mark.parametrize(
    ("api_version", "error"),
    [
        ("2.0", PluginIncompatibleError),
        ("1.1", PluginIncompatibleError),
        ("1.0.0", InvalidPluginVersionError),
        ("", InvalidPluginVersionError),
    ],
)
def test_an_incompatible_plugin_api_is_an_error_before_any_constructor_runs(
    site: Site, api_version: str, error: type[PluginIncompatibleError]
) -> None:
    body = "def __init__(self): raise AssertionError"
    site.add(plugin_distribution("old", api_version=api_version, body=body))
    with pytest.raises(error) as caught:
        site.registry().get(COMPUTE, "old")
    assert (caught.value.required_version, caught.value.platform_version) == (api_version, "1.0")


@pytest.mark.parametrize(
    ("api_version", "fits"), [("0.9", False), ("1.1", False), ("1.2", True), ("1.3", True), ("1.4", False)]
)
def test_only_a_plugin_api_within_the_accepted_range_is_compatible(
    monkeypatch: pytest.MonkeyPatch, api_version: str, fits: bool
) -> None:
    monkeypatch.setattr(plugin_records, "FLOE_PLUGIN_API_MIN_VERSION", "1.2")
    monkeypatch.setattr(plugin_records, "FLOE_PLUGIN_API_VERSION", "1.3")
    plugin = Recorder()
    plugin.floe_api_version = api_version
    if fits:
        assert registry_of(plugin).get(COMPUTE, "recorder") is plugin
    else:
        with pytest.raises(PluginIncompatibleError) as caught:
            registry_of(plugin)
        assert f"plugin API {api_version}, but the platform offers 1.2 to 1.3" in str(caught.value)
        assert caught.value.platform_version == "1.3"


def test_a_class_that_declares_a_different_name_is_used_and_the_difference_is_logged(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("entry-name", source=plugin_source("declared-name")))
    assert site.registry().get(COMPUTE, "entry_name").name == "declared-name"
    assert "declared-name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("declared", "logged"), [("1.1.0", True), ("1.4", False), ("1.4.0", False), ("newest", False)]
)
def test_a_class_that_declares_another_version_than_its_distribution_is_used_and_the_difference_is_logged(
    site: Site, capfd: pytest.CaptureFixture[str], declared: str, logged: bool
) -> None:
    site.add(plugin_distribution("old", version="1.4.0", source=plugin_source("old", declared)))
    assert site.registry().get(COMPUTE, "old").version == declared
    said = capfd.readouterr().out
    assert ("different versions" in said and "floe-compute-old 1.4.0" in said) is logged


def test_a_plugin_that_departs_from_the_plugin_api_is_logged_once(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    source = plugin_source("bare").replace("(ComputePlugin)", "(PluginMetadata)")
    site.add(plugin_distribution("bare", source=f"from floe_core import PluginMetadata\n{source}"))
    registry = site.registry()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: registry.get(COMPUTE, "bare"), range(8)))
    registry.discover_all()
    registry.list(COMPUTE)
    said = capfd.readouterr().out
    assert said.count("derive it from ComputePlugin") == 1
    assert "COMPUTE:bare" in said


def test_a_constructor_that_nothing_can_call_is_logged_before_it_is_called(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("greedy", body="def __init__(self, path): ..."))
    with pytest.raises(PluginStartupError):
        site.registry().get(COMPUTE, "greedy")
    assert "its constructor requires path, which nobody passes" in capfd.readouterr().out


def test_a_hanging_import_is_an_error_once_its_time_limit_has_passed(
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


def test_an_import_can_ask_for_another_plugin(site: Site) -> None:
    site.add(plugin_distribution("asker", before=ASKING.format(other="asked")), plugin_distribution("asked"))
    _reset_registry()
    try:
        plugin = get_registry().get(COMPUTE, "asker")
        assert sys.modules[type(plugin).__module__].other.name == "asked"
    finally:
        _reset_registry()


@pytest.mark.parametrize("others", [("me", "me"), ("you", "me")])
def test_imports_that_ask_for_each_other_do_not_hang(site: Site, others: tuple[str, str]) -> None:
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


def test_a_registered_plugin_is_used_like_an_installed_plugin() -> None:
    plugin = Recorder("given")
    registry = registry_of(plugin)
    assert registry.get(COMPUTE, "given") is plugin
    assert registry.list(COMPUTE) == [plugin]


def test_registering_a_name_twice_is_a_duplicate(site: Site) -> None:
    site.add(plugin_distribution("taken"))
    registry = site.registry()
    with pytest.raises(DuplicatePluginError, match=r"COMPUTE:Taken: it already exists$"):
        registry.register(COMPUTE, Recorder("Taken"))
    registry.register(CATALOG, Recorder("taken"))


def test_registering_a_non_plugin_or_an_incompatible_plugin_is_an_error() -> None:
    registry = PluginRegistry()
    with pytest.raises(NotAPluginError):
        registry.register(COMPUTE, object())  # type: ignore[arg-type]
    plugin = Recorder()
    plugin.floe_api_version = "9.0"
    with pytest.raises(PluginIncompatibleError):
        registry.register(COMPUTE, plugin)


def test_the_traceback_of_an_error_that_is_raised_again_does_not_grow(site: Site) -> None:
    site.add(plugin_distribution("failing", source="raise RuntimeError"))
    registry = site.registry()
    lengths = set()
    for _ in range(3):
        with pytest.raises(PluginImportError) as caught:
            registry.get(COMPUTE, "failing")
        lengths.add(len(caught.traceback))
    assert len(lengths) <= 2


def test_a_version_that_is_not_three_numbers_is_logged_once_and_the_plugin_is_used(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.add(plugin_distribution("short", version="1.4"), plugin_distribution("fine", version="1.4.0rc1"))
    registry = site.registry()
    given = Recorder("given")
    given.version = "latest"
    registry.register(COMPUTE, given)
    for _ in range(2):
        registry.list(COMPUTE)
        assert registry.get(COMPUTE, "short").version == "1.4"
    said = [line for line in capfd.readouterr().out.splitlines() if "invalid version" in line]
    assert [name for name in ("short", "fine", "given") for line in said if f"COMPUTE:{name}" in line] == [
        "short",
        "given",
    ]
