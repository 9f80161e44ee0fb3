"""Schemas that derive from BaseSettings take what a configuration gives, and nothing else."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from floe_core._configuring import given_values
from floe_core._configuring.configuration import assess, json_schema, required_fields, validate
from floe_core.plugin_errors import ConfigurationRequiredError
from floe_core.plugin_types import PluginName, PluginType
from tests.support.distributions import plugin_distribution
from tests.unit.core.conftest import Site
from tests.unit.core.recorder import COMPUTE

PLUGIN = PluginName(PluginType.COMPUTE, "store")
FOREIGN = "from-the-process"
T = TypeVar("T")


class Store(BaseSettings):
    floe_test_path: str
    floe_test_size: int = 3


class Sealed(BaseSettings):
    floe_test_token: SecretStr


class Outer(BaseModel):
    store: Store
    more: list[Store] = []
    by_name: dict[str, Store] = {}
    text: Json[Store] | None = None


class Prefixed(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="floe_test_", env_nested_delimiter="__", case_sensitive=True)
    path: str
    store: Store | None = None


class FromFiles(BaseSettings):
    model_config = SettingsConfigDict(env_file="floe-test.env", secrets_dir="secrets")
    floe_test_path: str = "default"
    floe_test_secret: str = "default"


class Aliased(BaseSettings):
    path: str = Field(validation_alias=AliasChoices("given-path", "FLOE_TEST_PATH"))
    size: int = Field(default=3, alias="FLOE_TEST_SIZE")


class Customised(BaseSettings):
    floe_test_path: str

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, *more: Any, **sources: Any) -> Any:
        return lambda: {"floe_test_path": FOREIGN}, *more, *sources.values()


class Constructed(BaseSettings):
    floe_test_path: str

    def __init__(self, **values: Any) -> None:
        super().__init__(_env_file="floe-test.env", _case_sensitive=False, **values)


class Positional(BaseSettings):
    floe_test_path: str

    def __init__(self, **values: Any) -> None:
        super().__init__(False, **values)


class Frozen(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore")
    floe_test_path: str


class Open(BaseSettings):
    model_config = SettingsConfigDict(extra="allow")
    floe_test_path: str = "default"


class Listing(RootModel[list[Store]]):
    pass


class Box(BaseSettings, Generic[T]):
    content: T


class Disk(BaseSettings):
    kind: Literal["disk"]
    floe_test_path: str


class Bucket(BaseSettings):
    kind: Literal["bucket"]
    floe_test_name: str


class Either(BaseSettings):
    where: Annotated[Disk | Bucket, Field(discriminator="kind")]


class FactoryOfModel(BaseModel):
    value: Any = Field(default_factory=Store)


class FactoryOfField(BaseModel):
    value: Store = Field(default_factory=lambda: Store())


class FactoryOfText(BaseModel):
    value: str = Field(default_factory=lambda: Store().floe_test_path)


class FactoryOfAny(BaseModel):
    value: Any = Field(default_factory=lambda: Store())


class FactoryOfPrivate(BaseModel):
    _value: Store = PrivateAttr(default_factory=Store)


class Rewriting(BaseSettings):
    floe_test_path: str = "default"

    @field_validator("floe_test_path")
    @classmethod
    def _louder(cls, value: str) -> str:
        return f"{value}!"

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        return {"floe_test_path": values["path"]} if "path" in values else values


class Dispatching(BaseModel):
    store: Any

    @field_validator("store")
    @classmethod
    def _made(cls, value: Any) -> Any:
        return Store(_env_file=None, **value)


ACCEPTED: dict[str, tuple[type[BaseModel], dict[str, Any], dict[str, Any]]] = {
    "a given value": (Store, {"floe_test_path": "x"}, {"floe_test_path": "x", "floe_test_size": 3}),
    "nested models": (
        Outer,
        {
            "store": {"floe_test_path": "x"},
            "more": [{"floe_test_path": "y"}],
            "by_name": {"a": {"floe_test_path": "z"}},
            "text": '{"floe_test_path": "j"}',
        },
        {
            "store": {"floe_test_path": "x", "floe_test_size": 3},
            "more": [{"floe_test_path": "y", "floe_test_size": 3}],
            "by_name": {"a": {"floe_test_path": "z", "floe_test_size": 3}},
            "text": {"floe_test_path": "j", "floe_test_size": 3},
        },
    ),
    "a prefix": (Prefixed, {"path": "x"}, {"path": "x", "store": None}),
    "files": (FromFiles, {}, {"floe_test_path": "default", "floe_test_secret": "default"}),
    "an alias": (Aliased, {"given-path": "x"}, {"path": "x", "size": 3}),
    "another alias": (Aliased, {"FLOE_TEST_PATH": "x", "FLOE_TEST_SIZE": "8"}, {"path": "x", "size": 8}),
    "sources of its own": (Customised, {"floe_test_path": "x"}, {"floe_test_path": "x"}),
    "a constructor of its own": (Constructed, {"floe_test_path": "x"}, {"floe_test_path": "x"}),
    "a positional option": (Positional, {"floe_test_path": "x"}, {"floe_test_path": "x"}),
    "unknown keys ignored": (
        Frozen,
        {"floe_test_path": "x", "_env_file": "floe-test.env", "other": 1},
        {"floe_test_path": "x"},
    ),
    "unknown keys allowed": (
        Open,
        {"_env_file": "floe-test.env", "_secrets_dir": "secrets", "values": 1},
        {
            "floe_test_path": "default",
            "_env_file": "floe-test.env",
            "_secrets_dir": "secrets",
            "values": 1,
        },
    ),
    "a generic model": (
        Box[Store],
        {"content": {"floe_test_path": "x"}},
        {"content": {"floe_test_path": "x", "floe_test_size": 3}},
    ),
    "a union": (
        Either,
        {"where": {"kind": "bucket", "floe_test_name": "x"}},
        {"where": {"kind": "bucket", "floe_test_name": "x"}},
    ),
    "validators": (Rewriting, {"path": "x"}, {"floe_test_path": "x!"}),
    "a default": (Rewriting, {}, {"floe_test_path": "default!"}),
    "a validator that constructs": (
        Dispatching,
        {"store": {"floe_test_path": "x"}},
        {"store": {"floe_test_path": "x", "floe_test_size": 3}},
    ),
}

REFUSED: dict[str, tuple[type[BaseModel], dict[str, Any], list[tuple[str, str]]]] = {
    "a required field": (Store, {}, [("floe_test_path", "missing")]),
    "a secret": (Sealed, {}, [("floe_test_token", "missing")]),
    "nested models": (
        Outer,
        {"store": {}, "more": [{}, {"floe_test_path": "y"}], "by_name": {"a": {}}, "text": "{}"},
        [
            ("store.floe_test_path", "missing"),
            ("more.0.floe_test_path", "missing"),
            ("by_name.*.floe_test_path", "missing"),
            ("text.floe_test_path", "missing"),
        ],
    ),
    "a prefix": (Prefixed, {}, [("path", "missing")]),
    "a nested delimiter": (Prefixed, {"path": "x", "store": {}}, [("store.floe_test_path", "missing")]),
    "an alias": (Aliased, {}, [("given-path", "missing")]),
    "sources of its own": (Customised, {}, [("floe_test_path", "missing")]),
    "a constructor of its own": (Constructed, {}, [("floe_test_path", "missing")]),
    "a positional option": (Positional, {}, [("floe_test_path", "missing")]),
    "an option's key": (
        Store,
        {"floe_test_path": "x", "_env_file": "floe-test.env"},
        [("_env_file", "extra_forbidden")],
    ),
    "only an option's key": (
        Store,
        {"_secrets_dir": "secrets"},
        [("floe_test_path", "missing"), ("_secrets_dir", "extra_forbidden")],
    ),
    "an option's key below": (
        Outer,
        {"store": {"floe_test_path": "x", "_cli_parse_args": ["--floe_test_path=y"]}},
        [("store._cli_parse_args", "extra_forbidden")],
    ),
    "the name of a parameter": (
        Store,
        {"floe_test_path": "x", "self": 1, "values": 2},
        [("self", "extra_forbidden"), ("values", "extra_forbidden")],
    ),
    "a root model": (Listing, {}, [("", "list_type")]),
    "a generic model": (Box[Store], {"content": {}}, [("content.floe_test_path", "missing")]),
    "a union": (Either, {"where": {"kind": "disk"}}, [("where.floe_test_path", "missing")]),
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer a value for each field by every source that settings models have."""
    for name in ("PATH", "SIZE", "TOKEN", "NAME", "SECRET"):
        monkeypatch.setenv(f"FLOE_TEST_{name}", "77" if name == "SIZE" else FOREIGN)
    monkeypatch.setenv("floe_test_path", FOREIGN)
    monkeypatch.setenv("floe_test_store__floe_test_path", FOREIGN)
    (tmp_path / "floe-test.env").write_text(f"FLOE_TEST_PATH={FOREIGN}\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "floe_test_secret").write_text(FOREIGN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["plugin", f"--floe_test_path={FOREIGN}"])


@pytest.mark.parametrize("json_mode", [False, True])
@pytest.mark.parametrize("what", ACCEPTED)
def test_a_configuration_has_the_given_values_and_the_defaults(what: str, json_mode: bool) -> None:
    schema, config, expected = ACCEPTED[what]
    assert validate(schema, config, plugin=PLUGIN, json_mode=json_mode).model_dump() == expected


@pytest.mark.parametrize("json_mode", [False, True])
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_given_is_missing_and_an_unknown_key_is_unknown(what: str, json_mode: bool) -> None:
    schema, config, expected = REFUSED[what]
    refused = assess(schema, config, plugin=PLUGIN, json_mode=json_mode)
    assert isinstance(refused, list)
    found = [(fault.field, fault.type) for fault in refused]
    if places_are_kept():
        assert found == expected
    else:
        assert {kind for _, kind in found} <= {kind for _, kind in expected}


def places_are_kept() -> bool:
    """Return False for releases of pydantic that lose the place in a model with a constructor of its own."""

    class Inner(BaseModel):
        value: int

        def __init__(self, **values: Any) -> None:
            super().__init__(**values)

    class Whole(BaseModel):
        inner: Inner

    with pytest.raises(ValidationError) as raised:
        Whole.model_validate({"inner": {}})
    return raised.value.errors()[0]["loc"] == ("inner", "value")


@pytest.mark.parametrize(
    "schema", [FactoryOfModel, FactoryOfField, FactoryOfText, FactoryOfAny, FactoryOfPrivate]
)
def test_a_factory_of_defaults_reads_nothing_either(schema: type[BaseModel]) -> None:
    assert isinstance(assess(schema, {}, plugin=PLUGIN), list)


class Application(BaseSettings):
    floe_test_name: str = "nobody"


class Asking(BaseModel):
    name: str
    _private: Store = PrivateAttr(default_factory=lambda: Store(floe_test_path="x"))

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        return f"{value} of {Application().floe_test_name}, {Application.model_validate({}).floe_test_name}"


def test_settings_that_a_validator_makes_for_itself_read_nothing_either() -> None:
    validated = validate(Asking, {"name": "x"}, plugin=PLUGIN)
    assert validated.model_dump() == {"name": "x of nobody, nobody"}


class Watching(BaseModel):
    seen: ClassVar[list[str]] = []
    name: str

    @field_validator("name")
    @classmethod
    def _watched(cls, value: str) -> str:
        thread = threading.Thread(target=lambda: cls.seen.append(Store().floe_test_path))
        thread.start()
        thread.join()
        raise SystemExit


def test_settings_are_what_they_were_outside_of_a_validation() -> None:
    Watching.seen.clear()
    assert isinstance(assess(Watching, {"name": "x"}, plugin=PLUGIN), list)
    assert Watching.seen == [FOREIGN]
    own = Prefixed(store={"floe_test_size": 4}, _case_sensitive=False)
    assert own.model_dump() == {"path": FOREIGN, "store": {"floe_test_path": FOREIGN, "floe_test_size": 4}}
    assert FromFiles(_env_file=None, _secrets_dir=None).floe_test_secret == FOREIGN
    assert "_env_file" in inspect.signature(BaseSettings.__init__).parameters


class Reading(BaseModel):
    store: Any

    @field_validator("store")
    @classmethod
    def _other(cls, value: Any) -> Any:
        validate(Store, value, plugin=PLUGIN)
        return Store(**value, floe_test_size=5)


def test_a_validation_within_a_validation_ends_only_itself() -> None:
    refused = assess(Reading, {"store": {"floe_test_path": "x", "_env_file": "y"}}, plugin=PLUGIN)
    assert isinstance(refused, list)
    accepted = validate(Reading, {"store": {"floe_test_path": "x"}}, plugin=PLUGIN)
    assert accepted.model_dump() == {"store": {"floe_test_path": "x", "floe_test_size": 5}}


def test_another_import_of_floe_core_uses_what_the_first_has_taught() -> None:
    validate(Store, {"floe_test_path": "x"}, plugin=PLUGIN)
    taught = BaseSettings.__init__
    spec = importlib.util.spec_from_file_location("another_given_values", given_values.__file__)
    assert spec is not None
    assert spec.loader is not None
    another = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(another)
    with another.only_given({}), pytest.raises(ValidationError):
        Store.model_validate({})
    assert BaseSettings.__init__ is taught


def test_a_schema_without_settings_imports_none() -> None:
    code = """
import sys
from pydantic import BaseModel
from floe_core._configuring.configuration import validate
from floe_core.plugin_types import PluginName, PluginType

class Plain(BaseModel):
    path: str

validate(Plain, {"path": "x"}, plugin=PluginName(PluginType.COMPUTE, "plain"))
assert "pydantic_settings" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=given_values.__file__.split("floe_core")[0], check=True)


class PlainAliased(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Aliased")
    path: str = Field(validation_alias=AliasChoices("given-path", "FLOE_TEST_PATH"))
    size: int = Field(default=3, alias="FLOE_TEST_SIZE")


@pytest.mark.parametrize("of_all_accepted", [False, True])
def test_the_schema_says_what_is_required_whatever_the_environment_has(of_all_accepted: bool) -> None:
    written = json_schema(Aliased, of_all_accepted=of_all_accepted)
    assert written == json_schema(PlainAliased, of_all_accepted=of_all_accepted)
    assert required_fields(Aliased) == ("given-path",)
    assert required_fields(Store) == ("floe_test_path",)
    assert json_schema(Store)["required"] == ["floe_test_path"]


SETTINGS = """
from pydantic_settings import BaseSettings

class Config(BaseSettings):
    floe_test_path: str
    floe_test_size: int = 3
"""


@pytest.mark.parametrize(
    "constructor", ["", "def __init__(self, config: Config):\n    self._config = config"]
)
def test_the_registry_delivers_only_what_was_given(site: Site, constructor: str) -> None:
    body = f"def get_config_schema(self):\n    return Config\n{constructor}"
    site.add(plugin_distribution("settings", before=SETTINGS, body=body))
    registry = site.registry()
    with pytest.raises(ConfigurationRequiredError):
        registry.configure(COMPUTE, "settings", {})
    assert isinstance(registry.activate_all()["COMPUTE:settings"], ConfigurationRequiredError)
    kept = registry.configure(COMPUTE, "settings", {"floe_test_path": "x"})
    assert registry.configure(COMPUTE, "settings", {"floe_test_path": "x"}) is kept
    assert registry.activate_all() == {"COMPUTE:settings": None}
    running = registry.get(COMPUTE, "settings").__dict__["_config"]
    assert running is kept
    assert running is registry.get_config(COMPUTE, "settings")
    assert kept is not None
    assert kept.model_dump() == {"floe_test_path": "x", "floe_test_size": 3}
    registry.shutdown_all()


@dataclasses.dataclass
class Holder:
    store: Store = dataclasses.field(default_factory=Store)


def test_a_default_that_read_the_environment_is_not_shown_in_a_json_schema() -> None:
    class Defaulted(BaseModel):
        store: Store = Store()
        other: Annotated[Store | None, Field(default=Store())]
        held: Holder = Holder()
        size: int = 3

    for of_all_accepted in (False, True):
        written = json_schema(Defaulted, of_all_accepted=of_all_accepted)
        assert FOREIGN not in str(written)
        assert written["properties"]["size"]["default"] == 3
