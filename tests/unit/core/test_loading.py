"""Loading and describing: hostile modules, non-plugins, and facts that need no constructor."""

from __future__ import annotations

import threading

import pytest

from floe_core._loading.description import PluginDescription, describe
from floe_core._loading.loading import load_class
from floe_core.plugin_errors import NotAPluginError, PluginImportError, PluginLoadError
from floe_core.plugin_types import PluginId, PluginName, PluginType, plugin_id
from tests.support.distributions import Distribution, members_source, plugin_distribution, plugin_source
from tests.unit.core.conftest import Site

PLUGIN = plugin_id(PluginType.COMPUTE, "tried")


def install(site: Site, source: str, value: str = "tried_module:Plugin") -> None:
    points = {"floe.computes": {"tried": value}}
    site.add(Distribution("floe-tried", entry_points=points, modules={"tried_module.py": source}))


def described(site: Site, source: str) -> PluginDescription:
    install(site, source)
    return describe(load_class(site.claim(PLUGIN)), PluginName(*PLUGIN))


@pytest.mark.parametrize(
    ("source", "said", "cause"),
    [
        (
            "raise RuntimeError('boom')",
            "importing tried_module raised RuntimeError: boom",
            RuntimeError,
        ),
        ("import sys; sys.exit(3)", "raised SystemExit: 3", SystemExit),
        ("raise GeneratorExit", "raised GeneratorExit", GeneratorExit),
        (
            "import not_installed_anywhere",
            "needs not_installed_anywhere, which is not installed",
            ImportError,
        ),
        ("def broken(:", "raised SyntaxError", SyntaxError),
        ("def f(): f()\nf()", "raised RecursionError", RecursionError),
        ("", "tried_module:Plugin does not exist", AttributeError),
        (
            "import json\njson.Plugin",
            "importing tried_module raised AttributeError: module 'json' has no attribute",
            AttributeError,
        ),
        (
            "def __getattr__(name): import not_installed_anywhere",
            "tried_module:Plugin needs not_installed_anywhere, which is not installed",
            ImportError,
        ),
        ("def __getattr__(name): raise OSError", "getting tried_module:Plugin raised OSError", OSError),
        (
            "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd",
            "raised Odd; ",
            Exception,
        ),
    ],
)
def test_whatever_an_import_raises_becomes_an_import_error_with_its_cause(
    site: Site, source: str, said: str, cause: type[BaseException]
) -> None:
    install(site, source)
    with pytest.raises(PluginImportError) as caught:
        load_class(site.claim(PLUGIN))
    assert "COMPUTE:tried" in str(caught.value)
    assert said in str(caught.value)
    assert isinstance(caught.value.cause, cause)
    assert caught.value.__cause__ is caught.value.cause


@pytest.mark.parametrize("value", ["tried_module:Plugin.inner", "tried_module:Plugin.inner.most"])
def test_an_entry_point_whose_attribute_is_missing_or_not_a_class_says_so(site: Site, value: str) -> None:
    install(site, "class Plugin:\n    inner = None", value)
    with pytest.raises(PluginLoadError) as caught:
        load_class(site.claim(PLUGIN))
    assert caught.value.reason in (
        f"{value} is an object of type NoneType, not a class",
        f"{value} does not exist",
    )
    assert isinstance(caught.value, PluginImportError) is value.endswith("most")


@pytest.mark.parametrize("value", ["floe_not_there:Plugin", "floe_not_there.inner:Plugin"])
def test_an_entry_point_to_a_missing_module_says_so(site: Site, value: str) -> None:
    install(site, "", value)
    with pytest.raises(PluginImportError, match="there is no module floe_not_there"):
        load_class(site.claim(PLUGIN))


def test_a_keyboard_interrupt_propagates_only_in_the_main_thread(site: Site) -> None:
    install(site, "raise KeyboardInterrupt")
    claim = site.claim(PLUGIN)
    with pytest.raises(KeyboardInterrupt):
        load_class(claim)
    raised: list[BaseException] = []

    def load() -> None:
        try:
            load_class(claim)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert isinstance(raised[0], PluginImportError)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Plugin = 3", "is an object of type int, not a class"),
        ("def Plugin(): ...", "is an object of type function, not a class"),
        ("class Plugin: ...", "does not inherit"),
        (
            "from floe_core import PluginMetadata\n@PluginMetadata.register\nclass Plugin: ...",
            "does not inherit",
        ),
        (
            "from floe_core import PluginMetadata\nclass Plugin(PluginMetadata):\n    name = version = 'x'",
            "does not implement floe_api_version",
        ),
    ],
)
def test_only_a_concrete_plugin_class_is_a_plugin(site: Site, source: str, said: str) -> None:
    install(site, source)
    with pytest.raises(NotAPluginError, match=said):
        load_class(site.claim(PLUGIN))


_METADATA = "name, version, floe_api_version = 'tried', '0.1.0', '1.0'"


def class_source(bases: str, *members: str, head: str = "") -> str:
    """Return the source of a class with these bases and members and all metadata."""
    lines = [head, f"class Plugin({bases}):", f"    {_METADATA}", *(f"    {member}" for member in members)]
    return "\n".join(["from floe_core import *", *lines])


@pytest.mark.parametrize(
    ("source", "base", "lacks"),
    [
        (
            class_source("PluginMetadata"),
            "PluginMetadata",
            (
                "generate_dbt_profile, get_required_dbt_packages, get_resource_requirements, is_self_hosted, "
                "validate_connection"
            ),
        ),
        (
            class_source("SecretsPlugin", members_source(PluginType.SECRETS)),
            "SecretsPlugin",
            (
                "generate_dbt_profile, get_required_dbt_packages, get_resource_requirements, is_self_hosted, "
                "validate_connection"
            ),
        ),
        (
            class_source(
                "PluginMetadata",
                "is_self_hosted = generate_dbt_profile = validate_connection = None",
                "def __getattr__(self, name): return None",
            ),
            "PluginMetadata",
            "get_required_dbt_packages, get_resource_requirements",
        ),
        (
            class_source("DBTPlugin", "is_self_hosted = generate_dbt_profile = validate_connection = None"),
            "DBTPlugin",
            "get_required_dbt_packages, get_resource_requirements",
        ),
    ],
    ids=["bare", "of another type", "has some, and answers to any name", "abstract in another type"],
)
def test_a_class_without_the_members_of_its_types_base_class_is_not_a_plugin(
    site: Site, source: str, base: str, lacks: str
) -> None:
    install(site, source)
    with pytest.raises(NotAPluginError) as caught:
        load_class(site.claim(PLUGIN))
    assert caught.value.reason == (
        f"tried_module:Plugin inherits from {base}, not from ComputePlugin, as a plugin of the group "
        f"floe.computes should, and does not implement {lacks}: change its base class or its group"
    )


@pytest.mark.parametrize(
    ("source", "warning"),
    [
        (
            class_source("PluginMetadata", members_source(PluginType.COMPUTE)),
            (
                "it inherits from PluginMetadata, not from ComputePlugin, but has all its members: "
                "derive it from ComputePlugin"
            ),
        ),
        (
            class_source(
                "IdentityPlugin", members_source(PluginType.COMPUTE), members_source(PluginType.IDENTITY)
            ),
            (
                "it inherits from IdentityPlugin, not from ComputePlugin, but has all its members: "
                "derive it from ComputePlugin"
            ),
        ),
        (
            class_source(
                "Mixin, SecretsPlugin",
                members_source(PluginType.SECRETS),
                head=f"class Mixin:\n    {members_source(PluginType.COMPUTE)}",
            ),
            (
                "it inherits from SecretsPlugin, not from ComputePlugin, but has all its members: "
                "derive it from ComputePlugin"
            ),
        ),
    ],
    ids=["bare", "of another type", "with the members in another class of the MRO"],
)
def test_a_class_with_the_members_but_not_the_base_class_of_its_type_loads_with_a_warning(
    site: Site, source: str, warning: str
) -> None:
    assert described(site, source).warnings == (warning,)


@pytest.mark.parametrize("plugin_type", PluginType)
def test_a_class_that_extends_the_base_class_of_its_type_loads_without_a_warning(
    site: Site, plugin_type: PluginType
) -> None:
    site.add(plugin_distribution("proper", plugin_type))
    plugin = plugin_id(plugin_type, "proper")
    assert describe(load_class(site.claim(plugin)), PluginName(*plugin)).warnings == ()


def test_a_description_warns_of_the_base_class_and_of_each_signature_that_cannot_work(site: Site) -> None:
    hooks = "async def startup(self): ...", "def configure(self): ..."
    source = class_source("PluginMetadata", members_source(PluginType.COMPUTE), *hooks)
    assert [warning.partition(":")[0] for warning in described(site, source).warnings] == [
        "it inherits from PluginMetadata, not from ComputePlugin, but has all its members",
        "its configure() does not take the configuration",
        "its startup() is async, but nobody awaits it",
    ]


def test_a_class_that_extends_several_base_classes_can_be_a_plugin_of_either_type(site: Site) -> None:
    members = members_source(PluginType.COMPUTE), members_source(PluginType.SECRETS)
    assert described(site, class_source("SecretsPlugin, ComputePlugin", *members)).warnings == ()


def test_a_nested_class_can_be_a_plugin(site: Site) -> None:
    install(site, plugin_source() + "class Holder:\n    Inner = Plugin\n", "tried_module:Holder.Inner")
    assert load_class(site.claim(PLUGIN)).__name__ == "Plugin"


def test_a_module_installed_after_its_directory_was_listed_is_found(site: Site) -> None:
    install(site, plugin_source(), "late_module:Plugin")
    claim = site.claim(PLUGIN)
    with pytest.raises(PluginImportError):
        load_class(claim)
    (site.folder / "late_module.py").write_text(plugin_source())
    assert load_class(claim).__name__ == "Plugin"


REQUIRED_CONFIG = """
    def __init__(self, config: Config) -> None:
        self.config = config
"""


def test_everything_is_read_without_the_constructor(site: Site) -> None:
    body = """
    description = "does things"
    dependencies = ["a", "catalog/b", "a"]
    def __init__(self):
        raise RuntimeError("must not run")
    """
    found = described(site, plugin_source("declared", "1.2.3", "1.0", config="x: int", body=body))
    assert (found.declared_name, found.version, found.floe_api_version) == ("declared", "1.2.3", "1.0")
    assert (found.description, found.dependencies) == ("does things", ("a", "catalog/b"))
    assert found.config_schema is not None
    assert found.config_schema.__name__ == "Config"


@pytest.mark.parametrize(
    ("head", "parameter"),
    [
        ("", "config: Config"),
        ("", "config: 'Config'"),
        ("", "*, config: Config | None"),
        ("import typing", "config: typing.Optional[Config]"),
        ("import typing", "config: typing.Annotated[Config, 'x'], other: 'NotImported' = None"),
    ],
)
@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_the_model_of_a_required_config_is_the_schema_if_none_is_declared(
    site: Site, head: str, parameter: str, future: str
) -> None:
    source = f"""{future}
{head}
from pydantic import BaseModel
from floe_core import ComputePlugin
class Config(BaseModel):
    x: int
class Base(ComputePlugin):
    name = version = "x"
    floe_api_version = "1.0"
    {members_source(PluginType.COMPUTE)}
    def __init__(self, {parameter}) -> None: ...
class Plugin(Base):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
"""
    found = described(site, source)
    assert found.schema_error is None
    assert found.config_schema is not None
    assert found.config_schema.__name__ == "Config"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def get_config_schema(self): raise ValueError('x')", "get_config_schema() raised ValueError"),
        ("def get_config_schema(self): return dict", "did not return a pydantic model"),
        ("def get_config_schema(self): return 3", "did not return a pydantic model"),
        ("def get_config_schema(self): return Unfinished", "building the schema raised"),
        ("def __init__(self, config): ...", "is not annotated with a pydantic model"),
        ("def __init__(self, config: dict): ...", "is not annotated with a pydantic model"),
    ],
)
def test_a_plugin_without_a_usable_schema_is_still_described(site: Site, body: str, said: str) -> None:
    before = "class Unfinished(BaseModel):\n    x: 'Nowhere'"
    found = described(site, plugin_source(before=before, body=body))
    assert found.declared_name == "example"
    assert found.config_schema is None
    assert said in str(found.schema_error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("name = 3", "its name is of type int, not str"),
        ("version = None", "its version is of type NoneType, not str"),
        (
            "@property\ndef floe_api_version(self): return self._api",
            "the value must not depend on the constructor",
        ),
        ("@property\ndef version(self): raise SystemExit", "the attempt raised SystemExit"),
        ("dependencies = 'abc'", "its dependencies are not a list of str"),
        ("dependencies = [3]", "its dependencies are not a list of str"),
        ("@property\ndef dependencies(self): return self._d", "its dependencies cannot be read"),
    ],
)
def test_an_attribute_that_cannot_be_read_or_has_the_wrong_type_is_an_error(
    site: Site, body: str, said: str
) -> None:
    with pytest.raises(NotAPluginError, match=said):
        described(site, plugin_source(body=body))


@pytest.mark.parametrize("body", ["description = None", "@property\ndef description(self): return self.x"])
def test_a_description_that_cannot_be_read_is_empty(site: Site, body: str) -> None:
    assert described(site, plugin_source(body=body)).description == ""


def test_texts_can_always_be_encoded(site: Site) -> None:
    assert described(site, plugin_source(body="description = 'a\\udc80'")).description == "a\\udc80"


def test_a_load_error_names_the_plugin_and_keeps_plugin_text_out_of_its_reason(site: Site) -> None:
    site.add(plugin_distribution("secretive", source="raise RuntimeError('hunter2')"))
    plugin: PluginId = plugin_id(PluginType.COMPUTE, "secretive")
    with pytest.raises(PluginLoadError) as caught:
        load_class(site.claim(plugin))
    assert "hunter2" not in caught.value.reason


@pytest.mark.parametrize(
    "member",
    [
        "def health_check(self) -> Exits: ...",
        "def health_check(self) -> 'exit(3)': ...",
        "def __init__(self, config: 'exit(3)' = None): ...",
        "__init__ = Raises()",
    ],
)
def test_a_signature_that_raises_when_it_is_read_costs_no_description(site: Site, member: str) -> None:
    head = """
class Meta(type):
    def __subclasscheck__(cls, other): raise SystemExit(3)
class Exits(metaclass=Meta): ...
class Raises:
    @property
    def __signature__(self): raise RuntimeError
    def __call__(self): ...
"""
    source = class_source("ComputePlugin", members_source(PluginType.COMPUTE), member, head=head)
    assert described(site, source).warnings == ()
