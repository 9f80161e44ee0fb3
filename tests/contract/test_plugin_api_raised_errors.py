"""The attributes of the errors that a registry raises: the bare name as the entry point spells it."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from floe_core import (
    AmbiguousDependencyError,
    CircularDependencyError,
    ConfigurationChangedError,
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
    PluginLoadTimeoutError,
    PluginNotFoundError,
    PluginRegistry,
    PluginSchemaError,
    PluginStartupError,
    PluginTimeoutError,
    PluginType,
)
from floe_core._running import plugin_records
from tests.contract.example_plugin import Example
from tests.support.distributions import Distribution, plugin_distribution

SECRETS = PluginType.SECRETS
NAME = "My_Vault.X"
"""A name that its normalised form, my-vault-x, does not spell."""


def installed(**plugin: str) -> Distribution:
    return plugin_distribution(NAME, SECRETS, distribution="floe-vault", **plugin)


def by_constructor(**plugin: str) -> Distribution:
    return installed(config="path: str", body="def __init__(self, config: Config): ...", **plugin)


def configured(registry: PluginRegistry) -> None:
    registry.configure(SECRETS, NAME, {"path": "x"})


def changed(registry: PluginRegistry) -> None:
    configured(registry)
    registry.activate_plugin(SECRETS, NAME)
    registry.configure(SECRETS, NAME, {"path": "y"})


def got(registry: PluginRegistry) -> None:
    registry.get(SECRETS, "my-vault-x")


def started(registry: PluginRegistry) -> None:
    registry.activate_plugin(SECRETS, "MY.VAULT.X", timeout=0.1)


def started_all(registry: PluginRegistry) -> None:
    for outcome in registry.activate_all().values():
        if outcome is not None:
            raise outcome


RAISED: dict[type[PluginError], tuple[list[Distribution], Callable[[PluginRegistry], object]]] = {
    PluginImportError: ([installed(source="raise RuntimeError")], got),
    NotAPluginError: ([installed(source="Plugin = 1")], got),
    PluginLoadTimeoutError: ([installed(before="import time\ntime.sleep(1)")], got),
    PluginIncompatibleError: ([installed(api_version="2.0")], got),
    InvalidPluginVersionError: ([installed(api_version="1.0.0")], got),
    DuplicatePluginError: (
        [installed(), plugin_distribution(NAME, SECRETS, distribution="floe-other-vault")],
        got,
    ),
    PluginConfigurationError: (
        [installed(config="path: str")],
        lambda registry: registry.configure(SECRETS, NAME, {"path": 1}),
    ),
    ConfigurationRequiredError: ([by_constructor()], got),
    ConfigurationNotAcceptedError: (
        [installed()],
        lambda registry: registry.configure(SECRETS, NAME, {"path": 1}),
    ),
    ConfigurationChangedError: ([by_constructor()], changed),
    PluginSchemaError: (
        [installed(body="def get_config_schema(self): raise ValueError")],
        lambda registry: registry.configure(SECRETS, NAME, {}),
    ),
    PluginStartupError: ([installed(body="def startup(self): raise ValueError")], started),
    MissingDependencyError: ([installed(body="dependencies = ['gone']")], started_all),
    AmbiguousDependencyError: (
        [
            installed(body="dependencies = ['x']"),
            plugin_distribution("x", SECRETS),
            plugin_distribution("x", PluginType.COMPUTE),
        ],
        started_all,
    ),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_an_error_has_the_bare_name_and_its_message_the_type_too(
    site: Path, monkeypatch: pytest.MonkeyPatch, kind: type[PluginError]
) -> None:
    distributions, act = RAISED[kind]
    if kind is PluginLoadTimeoutError:
        monkeypatch.setattr(plugin_records, "LOAD_TIMEOUT", 0.1)
    for each in distributions:
        each.unpack(site)
    registry = PluginRegistry()
    registry.discover_all()
    with pytest.raises(kind) as raised:
        act(registry)
    error = raised.value
    assert type(error) is kind
    attributes = vars(error)
    assert attributes.get("name", attributes.get("plugin_name")) == NAME
    assert attributes["plugin_type"] is SECRETS
    assert f"SECRETS:{NAME}" in str(error)


def test_an_error_about_a_plugin_that_does_not_exist_has_the_name_that_was_asked_for() -> None:
    with pytest.raises(PluginNotFoundError) as raised:
        PluginRegistry().get("secrets", NAME)
    assert (raised.value.plugin_type, raised.value.name) == (SECRETS, NAME)


@pytest.mark.parametrize(
    "error",
    [
        PluginTimeoutError("startup", 5),
        PluginTimeoutError("startup", 5, behind="health_check"),
        PluginLoadTimeoutError(SECRETS, NAME, "the import did not return within 30 s"),
    ],
    ids=str,
)
def test_a_time_out_is_a_timeout_error_whose_copies_keep_message_and_attributes(error: PluginError) -> None:
    assert isinstance(error, TimeoutError)
    for copied in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (type(copied), str(copied), copied.args, vars(copied)) == (
            type(error),
            str(error),
            error.args,
            vars(error),
        )
        assert str(error)


@pytest.mark.parametrize("slug", ["compute", "telemetry-backend", "dbt"])
def test_a_type_can_be_given_by_its_name_in_kebab_case(slug: str) -> None:
    kind = PluginType.from_slug(slug)
    assert PluginType(slug) is kind
    assert PluginType(kind.value) is kind
    registry = PluginRegistry()
    plugin = Example("given")
    registry.register(slug, plugin)
    assert registry.get(slug, "Given") is registry.get(kind, "given") is plugin
    assert registry.list(slug) == [plugin]
    assert registry.configure(slug, "given", {}) is registry.get_config(slug, "given")
    registry.activate_plugin(slug, "given")
    outcomes = registry.activate_all(plugins=[(slug, "given")], plugin_types=[slug])
    assert outcomes == {f"{kind.name}:given": None}


@pytest.mark.parametrize(
    "spelled", ["telemetry-backend", "telemetry_backend", "TELEMETRY_BACKEND", "floe.telemetry_backends"]
)
def test_a_type_can_be_given_as_messages_spell_it(spelled: str) -> None:
    assert PluginType(spelled) is PluginType.TELEMETRY_BACKEND


@pytest.mark.parametrize("wrong", ["computes", "floe.compute", "", None, 1])
def test_an_unknown_type_is_a_value_error(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"compute, orchestrator|not a valid PluginType"):
        PluginType(wrong)
    with pytest.raises(ValueError, match=r"Unknown entry point group|compute"):
        PluginType.from_entry_point_group("compute")


def test_a_plugin_that_needs_only_itself_is_a_cycle_of_one() -> None:
    registry = PluginRegistry()
    registry.register(SECRETS, Example("own", needs=("own",)))
    registry.register(PluginType.COMPUTE, Example("typed", needs=("compute/typed",)))
    outcomes = registry.activate_all()
    for name in ("SECRETS:own", "COMPUTE:typed"):
        error = outcomes[name]
        assert isinstance(error, CircularDependencyError)
        assert error.cycle == [name, name]
