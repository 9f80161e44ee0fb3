"""The registry validates, keeps and delivers configurations."""

from __future__ import annotations

import threading

import pytest
from pydantic import BaseModel

from floe_core.plugin_errors import (
    ConfigurationNotAcceptedError,
    ConfigurationRequiredError,
    PluginConfigurationError,
    PluginSchemaError,
    PluginStartupError,
)
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE, Recorder, registry_of

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
        with pytest.raises(ConfigurationRequiredError) as missing:
            registry.get(COMPUTE, "taker")
        assert str(missing.value) == "Plugin COMPUTE:taker is not configured: call configure() first"
    else:
        assert not registry.get(COMPUTE, "taker").is_configured
    with pytest.raises(
        ConfigurationRequiredError, match=r"COMPUTE:taker is not configured: path: Field required$"
    ):
        registry.configure(COMPUTE, "taker", {})
    kept = registry.configure(COMPUTE, "taker", {"path": "x"})
    assert kept is not None
    assert kept.model_dump() == {"threads": 4, "path": "x"}
    assert registry.get_config(COMPUTE, "taker") is kept
    assert registry.get(COMPUTE, "taker").__dict__["_config"] is kept
    again = registry.configure(COMPUTE, "taker", {"path": "y"})
    assert registry.get(COMPUTE, "taker").__dict__["_config"] is again


def test_an_invalid_configuration_changes_nothing(site: Site) -> None:
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


def test_a_broken_schema_is_an_error_only_when_configuring(site: Site) -> None:
    site.add(plugin_distribution("odd", body="def get_config_schema(self): raise ValueError"))
    registry = site.registry()
    assert registry.get(COMPUTE, "odd").name == "odd"
    lengths = set()
    for _ in range(3):
        with pytest.raises(PluginSchemaError) as caught:
            registry.configure(COMPUTE, "odd", {})
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


def test_a_configuration_that_the_plugin_refuses_is_not_kept(site: Site) -> None:
    body = "def configure(self, config):\n    Config(path=['hunter2'])"
    site.add(plugin_distribution("refusing", config="path: str", body=body))
    registry = site.registry()
    with pytest.raises(PluginStartupError) as caught:
        registry.configure(COMPUTE, "refusing", {"path": "x"})
    assert caught.value.hook == "configure"
    assert "hunter2" not in f"{caught.value}{caught.value.cause!r}"
    assert registry.get_config(COMPUTE, "refusing") is None


def test_the_plugin_and_the_registry_agree_after_concurrent_configuration() -> None:
    class Config(BaseModel):
        number: int

        def model_post_init(self, context: object) -> None:
            judged.append(self.number)

    class Slow(Recorder):
        has: BaseModel | None = None

        def get_config_schema(self) -> type[BaseModel]:
            return Config

        def configure(self, config: BaseModel | None) -> None:
            go_on.wait()
            self.has = config

    judged: list[int] = []
    go_on = threading.Event()
    plugin = Slow("slow")
    registry = registry_of(plugin)
    threads = [
        threading.Thread(target=registry.configure, args=(COMPUTE, "slow", {"number": number}), daemon=True)
        for number in (1, 2)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(judged) == 2)
    go_on.set()
    for thread in threads:
        thread.join()
    assert plugin.has is not None
    assert plugin.has is registry.get_config(COMPUTE, "slow")


def test_a_configure_that_configures_its_own_plugin_is_refused_at_once() -> None:
    class Config(BaseModel):
        number: int

    class Nested(Recorder):
        def get_config_schema(self) -> type[BaseModel]:
            return Config

        def configure(self, config: BaseModel | None) -> None:
            registry.configure(COMPUTE, "nested", {"number": 2})

    registry = registry_of(Nested("nested"))
    with pytest.raises(PluginStartupError, match="is waiting for something that is waiting for it") as caught:
        registry.configure(COMPUTE, "nested", {"number": 1})
    assert caught.value.hook == "configure"
    assert registry.get_config(COMPUTE, "nested") is None
