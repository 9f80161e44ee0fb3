"""What the signatures of a plugin's constructor and hooks tell before anything is called."""

from __future__ import annotations
import __future__

import functools
import types
from typing import Any

import pytest

from floe_core._loading.signatures import signature_warnings
from floe_core.plugin_metadata import PluginMetadata

HEAD = """
import functools, inspect, typing
from floe_core import HealthState, HealthStatus, PluginMetadata
from pydantic import BaseModel

class Config(BaseModel):
    path: str = ""

class Warm(HealthStatus): ...
class Proto(typing.Protocol):
    state: typing.Any

def passing(function):
    @functools.wraps(function)
    def call(self):
        return function(self, "given")
    return call
"""


def plugin_of(body: str, *, future: bool = False, bases: str = "PluginMetadata") -> type[PluginMetadata]:
    """Return the plugin class with this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{HEAD}\nclass Plugin({bases}):\n    name = version = floe_api_version = 'x'\n{lines}"
    module = types.ModuleType("signatures_under_test")
    flags = __future__.annotations.compiler_flag if future else 0
    exec(compile(source, module.__name__, "exec", flags, dont_inherit=True), vars(module))
    found: type[PluginMetadata] = module.Plugin
    return found


NEEDS_NO_DEFAULT = "which nobody passes: add a default"
CONSTRUCTOR = "which nobody passes: add a default, or take a config instead"
FIX_ANSWER = "not a HealthStatus: return a HealthStatus"

WARNINGS = {
    "async def health_check(self) -> HealthStatus: ...": [
        "its health_check() is async, but nobody awaits it: define it without async"
    ],
    "async def startup(self): ...": ["its startup() is async, but nobody awaits it: define it without async"],
    "async def shutdown(self): yield": [
        "its shutdown() is async, but nobody awaits it: define it without async"
    ],
    "async def configure(self, config): ...": [
        "its configure() is async, but nobody awaits it: define it without async"
    ],
    "async def health_check(self) -> bool: ...": [
        "its health_check() is async, but nobody awaits it: define it without async"
    ],
    "def health_check(self) -> bool: ...": [f"its health_check() is annotated to return bool, {FIX_ANSWER}"],
    "def health_check(self) -> 'bool': ...": [
        f"its health_check() is annotated to return bool, {FIX_ANSWER}"
    ],
    "def health_check(self) -> None: ...": [f"its health_check() is annotated to return None, {FIX_ANSWER}"],
    "def health_check(self) -> dict[str, str]: ...": [
        f"its health_check() is annotated to return dict, {FIX_ANSWER}"
    ],
    "def health_check(self) -> bool | None: ...": [
        f"its health_check() is annotated to return something else, {FIX_ANSWER}"
    ],
    "def health_check(self) -> HealthState: ...": [
        f"its health_check() is annotated to return something else, {FIX_ANSWER}"
    ],
    "def health_check(self, depth) -> bool: ...": [
        f"its health_check() requires depth, {NEEDS_NO_DEFAULT}",
        f"its health_check() is annotated to return bool, {FIX_ANSWER}",
    ],
    "def health_check(self, timeout, /): ...": [f"its health_check() requires timeout, {NEEDS_NO_DEFAULT}"],
    "def startup(self, context, *, force): ...": [
        f"its startup() requires context, force, {NEEDS_NO_DEFAULT}"
    ],
    "startup = None": ["its startup is not a method: define it as one, or leave it out"],
    "shutdown = 5": ["its shutdown is not a method: define it as one, or leave it out"],
    "def shutdown(): ...": ["its shutdown() has no parameter for self: add it"],
    "def health_check(*, timeout): ...": ["its health_check() has no parameter for self: add it"],
    "def __init__(): ...": ["its constructor has no parameter for self: add it"],
    "@staticmethod\ndef startup(context): ...": [f"its startup() requires context, {NEEDS_NO_DEFAULT}"],
    "@classmethod\ndef startup(cls, context): ...": [f"its startup() requires context, {NEEDS_NO_DEFAULT}"],
    "def shutdown(self, a, b, c, d, e, f): ...": [
        f"its shutdown() requires a, b, c, d, e, and more, {NEEDS_NO_DEFAULT}"
    ],
    "def configure(self, config, context): ...": [f"its configure() requires context, {NEEDS_NO_DEFAULT}"],
    "def configure(self): ...": ["its configure() does not take the configuration: add the parameter config"],
    "def configure(self, *, config): ...": [
        f"its configure() requires config, {NEEDS_NO_DEFAULT}",
        "its configure() does not take the configuration: add the parameter config",
    ],
    "def __init__(self, path): ...": [f"its constructor requires path, {CONSTRUCTOR}"],
    "def __init__(self, config: Config, path): ...": [f"its constructor requires path, {CONSTRUCTOR}"],
    "def __init__(self, config, /): ...": [f"its constructor requires config, {CONSTRUCTOR}"],
    "def __new__(cls, path): ...": [f"its constructor requires path, {CONSTRUCTOR}"],
    "def __new__(cls, path): ...\ndef __init__(self, path): ...": [
        f"its constructor requires path, {CONSTRUCTOR}"
    ],
}

NO_WARNING = [
    "",
    "def health_check(self): ...",
    "def health_check(self, timeout: float | None = None) -> HealthStatus: ...",
    "def health_check(self, timeout): ...",
    "def health_check(self, *arguments, **options): ...",
    "def health_check(self) -> 'HealthStatus': ...",
    "def health_check(self) -> Warm: ...",
    "def health_check(self) -> object: ...",
    "def health_check(self) -> typing.Any: ...",
    "def health_check(self) -> Proto: ...",
    "def health_check(self) -> typing.TypeVar('T'): ...",
    "def health_check(self) -> HealthStatus | None: ...",
    "def health_check(self) -> typing.Annotated[HealthStatus, 'x']: ...",
    "def health_check(self) -> 'NotImportedAtRunTime': ...",
    "def health_check(self) -> 'not an expression': ...",
    "def health_check(self) -> 'typing.Optional[NotImported]': ...",
    "def configure(self, config): ...",
    "def configure(self, settings=None): ...",
    "def configure(self, *arguments): ...",
    "def startup(self, context=None): ...",
    "def startup(*arguments): ...",
    "@staticmethod\ndef startup(): ...",
    "@property\ndef startup(self): return print",
    "startup = functools.partial(print, 1)",
    "@passing\ndef startup(self, context): ...",
    "@passing\ndef health_check(self, context) -> bool: ...",
    "def startup(self, context): ...\nstartup.__signature__ = 3",
    "def startup(self): ...\nstartup.__signature__ = inspect.Signature()",
    "startup = None\ndef __init__(self): self.startup = print",
    "async def health_check(self): ...\ndef __init__(self): self.health_check = HealthStatus",
    "def __init__(self): ...",
    "def __init__(self, *, size: int = 3, **options): ...",
    "def __init__(self, config: Config): ...",
    "def __init__(self, *, config: Config | None = None): ...",
    "def __init__(self, *arguments, **options): ...",
]


@pytest.mark.parametrize("body", WARNINGS)
@pytest.mark.parametrize("future", [False, True], ids=["", "text annotations"])
def test_what_cannot_work_is_said_before_it_is_called(body: str, future: bool) -> None:
    assert signature_warnings(plugin_of(body, future=future)) == WARNINGS[body]


@pytest.mark.parametrize("body", NO_WARNING)
@pytest.mark.parametrize("future", [False, True], ids=["", "text annotations"])
def test_what_works_or_cannot_be_read_says_nothing(body: str, future: bool) -> None:
    assert signature_warnings(plugin_of(body, future=future)) == []


def test_a_hook_that_a_class_between_defines_counts() -> None:
    class Between(PluginMetadata):
        async def startup(self) -> None: ...  # type: ignore[override]

    class Plugin(Between):
        pass

    assert len(signature_warnings(Plugin)) == 1  # type: ignore[type-abstract]


def test_the_first_constructor_decides_what_is_passed_on_to_the_next() -> None:
    class Between(PluginMetadata):
        def __init__(self, *, path: str, config: object = None) -> None: ...

    class Plugin(Between):
        def __init__(self, **options: Any) -> None:
            super().__init__(path="x", **options)

    assert signature_warnings(Plugin) == []  # type: ignore[type-abstract]


def test_a_metaclass_that_constructs_by_itself_says_nothing() -> None:
    class Single(type(PluginMetadata)):  # type: ignore[misc]
        __call__ = functools.partialmethod(type.__call__, "path")

    class Plugin(PluginMetadata, metaclass=Single):
        def __init__(self, path: str) -> None: ...

    assert signature_warnings(Plugin) == []  # type: ignore[type-abstract]
