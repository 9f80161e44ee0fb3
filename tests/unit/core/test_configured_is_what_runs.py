"""Whatever was done before, a plugin has the configuration that get_config() returns."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from floe_core.plugin_errors import (
    ConfigurationChangedError,
    ConfigurationRequiredError,
    PluginConfigurationError,
    PluginError,
    PluginStartupError,
)
from floe_core.plugin_registry import PluginRegistry
from tests.support.distributions import plugin_distribution
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, raises, registry_of

REFUSED = 13
"""A valid number that every plugin refuses in its constructor or configure()."""
SCHEMA = f"number: int\nnote: str = 'none'\nREFUSED: ClassVar[int] = {REFUSED}"
_TAKE = """
def _take(self, config):
    if config is not None and config.number == config.REFUSED:
        raise ValueError("refused")
    self.has = config
def startup(self):
    self.started_with = self.has
"""
_BY_CONSTRUCTOR = {
    "optional config": "def __init__(self, config: Config | None = None): self._take(config)",
    "required config": "def __init__(self, config: Config): self._take(config)",
    "required keyword": "def __init__(self, *, config: Config): self._take(config)",
    "required config, and its annotation is the schema": (
        "def __init__(self, config: Config): self._take(config)\ndef get_config_schema(self): return None"
    ),
}
_BY_CONFIGURE = {
    "no argument": "has = property(lambda self: self._config)\ndef _take(self, config): ...",
    "keywords, and configure": (
        "has = None\ndef __init__(self, threads=1): ...\ndef configure(self, config): self._take(config)"
    ),
    "optional config, and configure": (
        "def __init__(self, config: Config | None = None): self._take(config)\n"
        "def configure(self, config): self._take(config)"
    ),
    "required config, and configure": (
        "def __init__(self, config: Config): self._take(config)\n"
        "def configure(self, config): self._take(config)"
    ),
}
FORMS = {**_BY_CONSTRUCTOR, **_BY_CONFIGURE}
NAMES = {form: f"form-{index}" for index, form in enumerate(FORMS)}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        for form, name in NAMES.items():
            distribution = plugin_distribution(
                name, before="from typing import ClassVar", config=SCHEMA, body=f"{_TAKE}\n{FORMS[form]}"
            )
            distribution.unpack(Path(folder))
        sys.path.insert(0, folder)
        yield
        sys.path.remove(folder)


@pytest.fixture
def registry() -> PluginRegistry:
    registry = PluginRegistry()
    registry.discover_all()
    return registry


def has(plugin: object) -> Any:
    """Return what a plugin of this module says it has."""
    return plugin.has  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMS)
def test_before_it_is_started_every_plugin_gets_the_configuration_of_each_configure(
    registry: PluginRegistry, form: str
) -> None:
    name = NAMES[form]
    registry.list(COMPUTE)  # constructs what can exist without a configuration
    for number in (1, 2):
        kept = registry.configure(COMPUTE, name, {"number": number})
        assert registry.get_config(COMPUTE, name) is kept is has(registry.get(COMPUTE, name))
        assert registry.get(COMPUTE, name).is_configured or "and configure" in form
    registry.activate_plugin(COMPUTE, name)
    assert registry.get(COMPUTE, name).__dict__["started_with"] is kept
    registry.shutdown_all()


@pytest.mark.parametrize("form", _BY_CONSTRUCTOR)
def test_a_started_plugin_that_is_configured_by_its_constructor_keeps_object_and_configuration(
    registry: PluginRegistry, form: str
) -> None:
    name = NAMES[form]
    kept = registry.configure(COMPUTE, name, {"number": 1})
    registry.activate_plugin(COMPUTE, name)
    plugin = registry.get(COMPUTE, name)
    with pytest.raises(
        ConfigurationChangedError,
        match=f"COMPUTE:{name} .* it is started: shut it down, configure it, start it$",
    ):
        registry.configure(COMPUTE, name, {"number": 2})
    assert registry.get_config(COMPUTE, name) is kept is has(plugin)
    assert registry.get(COMPUTE, name) is plugin
    registry.shutdown_all()
    changed = registry.configure(COMPUTE, name, {"number": 2})
    assert changed is has(registry.get(COMPUTE, name))
    assert registry.get(COMPUTE, name) is not plugin


@pytest.mark.parametrize("form", _BY_CONFIGURE)
def test_a_started_plugin_that_is_configured_by_configure_is_handed_the_new_configuration(
    registry: PluginRegistry, form: str
) -> None:
    name = NAMES[form]
    registry.configure(COMPUTE, name, {"number": 1})
    registry.activate_plugin(COMPUTE, name)
    plugin = registry.get(COMPUTE, name)
    changed = registry.configure(COMPUTE, name, {"number": 2})
    assert registry.get(COMPUTE, name) is plugin
    assert registry.get_config(COMPUTE, name) is changed is has(plugin)
    registry.shutdown_all()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_an_equal_configuration_changes_nothing(registry: PluginRegistry, form: str, started: bool) -> None:
    name = NAMES[form]
    kept = registry.configure(COMPUTE, name, {"number": 1})
    plugin = registry.get(COMPUTE, name)
    if started:
        registry.activate_plugin(COMPUTE, name)
    assert registry.configure(COMPUTE, name, {"note": "none", "number": 1}) is kept
    assert registry.get(COMPUTE, name) is plugin
    assert registry.get_config(COMPUTE, name) is kept is has(plugin)
    registry.shutdown_all()


@pytest.mark.parametrize("form", FORMS)
def test_a_configuration_that_was_changed_in_place_is_not_taken_for_what_the_plugin_got(
    registry: PluginRegistry, form: str
) -> None:
    name = NAMES[form]
    kept: Any = registry.configure(COMPUTE, name, {"number": 1})
    kept.number = 2
    changed = registry.configure(COMPUTE, name, {"number": 2})
    assert changed is not kept
    assert registry.get_config(COMPUTE, name) is changed is has(registry.get(COMPUTE, name))


def test_the_traceback_of_a_refused_configuration_holds_no_value_of_it(registry: PluginRegistry) -> None:
    name = NAMES["required config"]
    registry.configure(COMPUTE, name, {"number": 1})
    registry.activate_plugin(COMPUTE, name)
    with pytest.raises(ConfigurationChangedError) as refused:
        registry.configure(COMPUTE, name, {"number": 2, "note": "hunter2"})
    trace = refused.value.__traceback__
    while trace is not None:
        if "floe_core" in trace.tb_frame.f_code.co_filename:
            assert "hunter2" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next
    registry.shutdown_all()


@pytest.mark.parametrize("form", _BY_CONSTRUCTOR)
def test_a_constructor_that_refuses_the_new_configuration_changes_nothing(
    registry: PluginRegistry, form: str
) -> None:
    name = NAMES[form]
    kept = registry.configure(COMPUTE, name, {"number": 1})
    plugin = registry.get(COMPUTE, name)
    with pytest.raises(PluginStartupError) as refused:
        registry.configure(COMPUTE, name, {"number": REFUSED})
    assert refused.value.hook == "constructor"
    assert registry.get(COMPUTE, name) is plugin
    assert registry.get_config(COMPUTE, name) is kept is has(plugin)


def test_after_a_configure_that_failed_an_equal_configuration_is_handed_over_again(
    registry: PluginRegistry,
) -> None:
    name = NAMES["keywords, and configure"]
    kept = registry.configure(COMPUTE, name, {"number": 1})
    with pytest.raises(PluginStartupError):
        registry.configure(COMPUTE, name, {"number": REFUSED})
    assert registry.get_config(COMPUTE, name) is kept
    again = registry.configure(COMPUTE, name, {"number": 1})
    assert registry.get_config(COMPUTE, name) is again is has(registry.get(COMPUTE, name))


class _Schema(BaseModel):
    number: int


class _Given(Recorder):
    """An object that its embedder constructed, with a configuration or without."""

    def __init__(self, config: _Schema | None = None, **hooks: Any) -> None:
        super().__init__("given", **hooks)
        self.has = config

    def get_config_schema(self) -> type[BaseModel]:
        return _Schema


def test_a_registered_object_is_never_replaced_nor_refused_for_a_missing_configuration() -> None:
    plugin = _Given(_Schema(number=1))
    registry = registry_of(plugin)
    assert registry.activate_all() == {"COMPUTE:given": None}
    kept = registry.configure(COMPUTE, "given", {"number": 2})
    assert registry.get(COMPUTE, "given") is plugin
    assert registry.get_config(COMPUTE, "given") is kept is plugin._config
    registry.shutdown_all()


@pytest.mark.parametrize("form", FORMS)
def test_no_installed_plugin_starts_without_the_configuration_that_its_schema_requires(
    registry: PluginRegistry, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    name = NAMES[form]
    for _ in range(2):
        outcome = registry.activate_all(plugins=[(COMPUTE, name)])[f"COMPUTE:{name}"]
        with pytest.raises(ConfigurationRequiredError, match=r"not configured: number: Field required$"):
            registry.activate_plugin(COMPUTE, name)
        assert isinstance(outcome, ConfigurationRequiredError)
        assert [each["field"] for each in outcome.errors] == ["number"]
    said = [line for line in capfd.readouterr().out.splitlines() if "Plugin not started" in line]
    assert len(said) == 1
    registry.configure(COMPUTE, name, {"number": 1})
    assert registry.activate_all(plugins=[(COMPUTE, name)]) == {f"COMPUTE:{name}": None}
    registry.shutdown_all()


def test_a_plugin_whose_own_rules_require_something_does_not_start_without(site: Site) -> None:
    rules = """
        one: str = ""
        other: str = ""
        @model_validator(mode="after")
        def _one_of_them(self):
            if not self.one and not self.other:
                raise ValueError
            return self
    """
    site.add(plugin_distribution("ruled", before="from pydantic import model_validator", config=rules))
    registry = site.registry()
    with pytest.raises(ConfigurationRequiredError):
        registry.activate_plugin(COMPUTE, "ruled")
    registry.configure(COMPUTE, "ruled", {"other": "x"})
    registry.activate_plugin(COMPUTE, "ruled")
    registry.shutdown_all()


def test_a_failed_start_is_logged_once_until_the_plugin_has_started(
    capfd: pytest.CaptureFixture[str],
) -> None:
    failing = Recorder("failing", startup=raises(RuntimeError("hunter2")))
    registry = registry_of(failing, Recorder("above", ("failing",)))

    def said() -> list[str]:
        registry.activate_all()
        return [line for line in capfd.readouterr().out.splitlines() if "Plugin not started" in line]

    first = said()
    assert len(first) == 2
    assert "startup failed: RuntimeError" in first[0]
    assert "its dependency COMPUTE:failing did not start" in first[1]
    assert "hunter2" not in "".join(first)
    assert said() == []
    failing._hooks.clear()
    assert said() == []
    registry.shutdown_all()
    failing._hooks["startup"] = raises(RuntimeError())
    assert len(said()) == 2


ACTIONS = st.one_of(
    st.tuples(st.just("configure"), st.sampled_from([1, 2, REFUSED, "not a number"])),
    st.tuples(st.sampled_from(["get", "list", "activate", "shutdown", "check"]), st.none()),
)


def act(registry: PluginRegistry, name: str, action: str, number: object) -> None:
    """Do something with a plugin; the registry may refuse."""
    try:
        if action == "configure":
            registry.configure(COMPUTE, name, {"number": number})
        elif action == "get":
            registry.get(COMPUTE, name)
        elif action == "list":
            registry.list(COMPUTE)
        elif action == "activate":
            registry.activate_plugin(COMPUTE, name)
        elif action == "shutdown":
            registry.shutdown_all()
        else:
            registry.health_check_all()
    except (PluginStartupError, PluginConfigurationError):
        return


@given(st.sampled_from(sorted(FORMS)), st.lists(ACTIONS, max_size=12))
def test_whatever_is_done_in_whatever_order_the_plugin_has_what_get_config_returns(
    form: str, actions: list[tuple[str, Any]]
) -> None:
    registry, name = PluginRegistry(), NAMES[form]
    registry.discover_all()
    for action, number in actions:
        act(registry, name, action, number)
        try:
            plugin = registry.get(COMPUTE, name)
        except ConfigurationRequiredError:
            assert registry.get_config(COMPUTE, name) is None
        else:
            assert has(plugin) is registry.get_config(COMPUTE, name)
            if action == "activate" and form in _BY_CONSTRUCTOR:  # it cannot have changed since it started
                kept = registry.get_config(COMPUTE, name)
                assert plugin.__dict__.get("started_with", kept) is kept
    registry.shutdown_all()


@pytest.mark.parametrize("form", FORMS)
def test_the_plugin_has_what_get_config_returns_after_many_threads_worked_on_it(
    registry: PluginRegistry, form: str
) -> None:
    name, seed = NAMES[form], random.randrange(2**32)
    unexpected: list[BaseException] = []

    def work(chance: random.Random) -> None:
        try:
            for _ in range(40):
                action = chance.choice(["configure", "configure", "get", "activate", "shutdown", "check"])
                act(registry, name, action, chance.choice([1, 2, 3, REFUSED]))
        except BaseException as error:
            unexpected.append(error)

    threads = [threading.Thread(target=work, args=(random.Random(seed + n),), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert unexpected == [], f"seed {seed}"
    assert not any(thread.is_alive() for thread in threads)
    try:
        plugin = registry.get(COMPUTE, name)
    except PluginError:
        assert registry.get_config(COMPUTE, name) is None
    else:
        assert has(plugin) is registry.get_config(COMPUTE, name)
    registry.shutdown_all()
