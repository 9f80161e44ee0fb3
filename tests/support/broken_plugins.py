"""A hundred plugins: fifty that are broken, each in its own way, and fifty that are not.

The good plugins do what trips up a careless host: they print megabytes, close descriptors, change sys.path.
"""

from __future__ import annotations

from dataclasses import dataclass

from floe_core.plugin_types import PluginType
from tests.support.distributions import Distribution, plugin_distribution, plugin_source

HUNDRED = 100


@dataclass(frozen=True)
class Broken:
    """A broken plugin: its first condition that is not True, and the reason."""

    name: str
    condition: str
    reason: str
    distributions: tuple[Distribution, ...]
    says: str = ""
    """A text that the condition's message must contain."""
    ends_or_hangs: bool = False

    @property
    def object_name(self) -> str:
        """The name of its FloePlugin."""
        return f"compute-{self.name}"


def _loads_badly(
    name: str, reason: str, source: str, says: str = "", *, ends_or_hangs: bool = False
) -> Broken:
    return Broken(name, "Loaded", reason, (plugin_distribution(name, source=source),), says, ends_or_hangs)


def _import(name: str, statement: str, says: str, reason: str = "ImportFailed") -> Broken:
    ends_or_hangs = reason in ("CrashedOnLoad", "LoadTimedOut")
    return _loads_badly(
        name, reason, plugin_source(name, before=statement), says, ends_or_hangs=ends_or_hangs
    )


def _no_plugin(name: str, body: str, says: str) -> Broken:
    return _loads_badly(name, "NotAPlugin", plugin_source(name, body=body), says)


def _versions(name: str, version: str, api: str, reason: str, says: str) -> Broken:
    source = plugin_source(name, version, api)
    return Broken(name, "VersionCompatible", reason, (plugin_distribution(name, source=source),), says)


def _api(name: str, api: str) -> Broken:
    return _versions(name, "0.1.0", api, "InvalidVersion", "floe_api_version")


def _own_version(name: str, version: str) -> Broken:
    return _versions(name, version, "1.0", "InvalidVersion", "X.Y.Z")


def _config(
    name: str, reason: str, says: str, *, config: str = "", body: str = "", before: str = ""
) -> Broken:
    source = plugin_source(name, config=config, body=body, before=before)
    return Broken(name, "ConfigValid", reason, (plugin_distribution(name, source=source),), says)


def _needs(name: str, dependencies: list[str], reason: str, says: str) -> Broken:
    source = plugin_source(name, body=f"dependencies = {dependencies!r}")
    return Broken(name, "DependenciesReady", reason, (plugin_distribution(name, source=source),), says)


def _entry_point(name: str, value: str) -> Broken:
    text = f"[floe.computes]\n{name} = {value}\n"
    distribution = Distribution(f"floe-compute-{name}", entry_points_txt=text.encode())
    return Broken(name, "Discovered", "MalformedEntryPoint", (distribution,), name)


def _twice_in_one(name: str, other_spelling: str) -> Broken:
    claims = {"floe.computes": {name: f"{name}:Plugin", other_spelling: f"{name}:Plugin"}}
    distribution = Distribution(f"floe-compute-{name}", "0.1.0", claims, {f"{name}.py": plugin_source(name)})
    return Broken(name, "Discovered", "DuplicateEntryPoint", (distribution,), other_spelling)


_SEGFAULT = "import ctypes\nctypes.string_at(0)"
_KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
_HOLDS_THE_GIL = 'import re\nre.match(r"(a+)+$", "a" * 64 + "b")'
_RAISES = "raise RuntimeError('no')"

BROKEN = (
    # The import ends the process, or never returns.
    _import("exits-hard", "import os\nos._exit(3)", "exit", "CrashedOnLoad"),
    _import("segfaults", _SEGFAULT, "SIGSEGV", "CrashedOnLoad"),
    _import("kills-itself", _KILL, "SIGKILL", "CrashedOnLoad"),
    _import("hangs", "import threading\nthreading.Event().wait()", "--load-timeout", "LoadTimedOut"),
    _import("hangs-with-the-gil", _HOLDS_THE_GIL, "--load-timeout", "LoadTimedOut"),
    # The import raises.
    _loads_badly("no-attribute", "ImportFailed", "", ":Plugin does not exist"),
    Broken(
        "no-module",
        "Loaded",
        "ImportFailed",
        (
            Distribution(
                "floe-no-module", entry_points={"floe.computes": {"no-module": "nowhere_at_all:Plugin"}}
            ),
        ),
        "nowhere_at_all",
    ),
    _import("raises", "raise OSError('the disk is on fire')", "the disk is on fire"),
    _import("needs-more", "import a_library_nobody_has", "a_library_nobody_has"),
    _import("sys-exit", "import sys\nsys.exit(7)", "SystemExit"),
    _import("interrupts", "raise KeyboardInterrupt", "KeyboardInterrupt"),
    _import("generator-exit", "raise GeneratorExit", "GeneratorExit"),
    _import("recursion", "def f():\n    f()\nf()", "RecursionError"),
    _import("syntax", "def :", "SyntaxError"),
    _import("not-utf8", "# \x00", "SyntaxError"),
    _import(
        "unprintable-error", "class E(Exception):\n    def __str__(self):\n        raise E\nraise E", "E"
    ),
    _import("long-error", "raise ValueError('\\udcff\\n' + 'x' * 4_000_000)", "ValueError"),
    _import("prints-and-raises", "print('y' * 4_000_000)\nraise LookupError", "LookupError"),
    # The imported object is not a plugin.
    _loads_badly("no-class", "NotAPlugin", "Plugin = object()", "object"),
    _loads_badly("no-subclass", "NotAPlugin", "class Plugin: ...", "PluginMetadata"),
    _loads_badly(
        "abstract",
        "NotAPlugin",
        "from floe_core.plugin_metadata import PluginMetadata\n"
        "class Plugin(PluginMetadata):\n    name = 'a'\n    version = '1.0.0'\n",
        "floe_api_version",
    ),
    _no_plugin("name-raises", "@property\ndef name(self):\n    return self._name", "AttributeError"),
    _no_plugin("name-exits", "@property\ndef name(self):\n    raise SystemExit", "SystemExit"),
    _no_plugin("version-number", "version = 1.0", "float"),
    _no_plugin("version-none", "version = None", "NoneType"),
    _no_plugin("api-raises", f"@property\ndef floe_api_version(self):\n    {_RAISES}", "RuntimeError"),
    _no_plugin("dependencies-raise", f"@property\ndef dependencies(self):\n    {_RAISES}", "RuntimeError"),
    _no_plugin("dependencies-text", "dependencies = 'a,b'", "dependencies"),
    # The packaging is wrong.
    Broken(
        "claimed-twice",
        "Discovered",
        "DuplicateEntryPoint",
        (
            plugin_distribution("claimed-twice", distribution="floe-first"),
            plugin_distribution("Claimed_Twice", distribution="floe-second"),
        ),
        "floe-second",
    ),
    _twice_in_one("twice-in-one", "Twice.In_One"),
    _entry_point("empty-value", ""),
    _entry_point("no-reference", "this is: not a reference"),
    _entry_point("no-class-named", "some_module"),
    # The versions are incompatible or malformed.
    _versions("next-major", "0.1.0", "2.0", "IncompatibleApi", "2.0"),
    _versions("next-minor", "0.1.0", "1.1", "IncompatibleApi", "1.1"),
    _versions("last-major", "0.1.0", "0.9", "IncompatibleApi", "0.9"),
    _api("api-three-parts", "1.0.0"),
    _api("api-empty", ""),
    _api("api-word", "latest"),
    _api("api-negative", "1.-1"),
    _api("api-other-digits", "\u0661.\u0660"),
    _own_version("version-word", "newest"),
    _own_version("version-two-parts", "1.0"),
    # The configuration is required or its schema is broken.
    _config("config-required", "NotConfigured", "realm", config="realm: str"),
    _config(
        "schema-raises", "SchemaFailed", "RuntimeError", body=f"def get_config_schema(self):\n    {_RAISES}"
    ),
    _config("schema-no-model", "SchemaFailed", "model", body="def get_config_schema(self):\n    return dict"),
    # The dependencies cannot be satisfied.
    _needs("needs-missing", ["not-installed"], "DependencyMissing", "not-installed"),
    _needs("needs-either", ["everywhere"], "DependencyAmbiguous", "everywhere"),
    _needs("needs-itself", ["compute/needs-itself"], "DependencyCycle", "needs-itself"),
    _needs("needs-broken", ["no-class"], "DependencyNotReady", "no-class"),
)

_STUMBLING_BLOCKS = {
    "prints-megabytes": "import sys\nprint('z' * 8_000_000)\nprint('z' * 8_000_000, file=sys.stderr)",
    "prints-json": 'print(\'{"jsonrpc": "2.0", "id": 1, "result": {}}\', flush=True)',
    "closes-descriptors": "import os\nfor descriptor in (0, 1, 2):\n    os.close(descriptor)",
    "empties-the-path": "import sys\nsys.path.clear()",
    "starts-a-thread": "import threading\nthreading.Thread(target=threading.Event().wait).start()",
    "starts-a-process": "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'input()'])",
    "changes-folder": "import os\nos.chdir('/')",
    "ignores-signals": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "replaces-stdout": "import sys\nsys.stdout = sys.stderr = None",
    "sets-a-timeout": "import socket\nsocket.setdefaulttimeout(0.001)",
}
_HARMLESS = {
    "description-raises": "@property\ndef description(self):\n    raise RuntimeError",
    "description-long": "description = 'ä' * 1_000_000",
    "declares-another-name": "name = 'quite-different'",
    "version-pre-release": "version = '1.0.0a1.dev3+local.7'",
    "dependencies-set": "dependencies = {'plain-00', 'plain-01'}",
    "dependencies-none": "dependencies = None",
    "needs-that-type": "dependencies = ['storage/everywhere']",
    "constructor-raises": "def __init__(self):\n    raise RuntimeError('never without a probe')",
    "constructor-takes-words": "def __init__(self, *, size: int = 3):\n    self.size = size",
    "optional-config": "def __init__(self, config: 'Config | None' = None):\n    self.config = config",
}


def good_plugins() -> list[Distribution]:
    """Return fifty distributions of one good plugin each."""
    found = [
        plugin_distribution(name, source=plugin_source(name, before=before))
        for name, before in _STUMBLING_BLOCKS.items()
    ]
    found += [
        plugin_distribution(name, source=plugin_source(name, body=body)) for name, body in _HARMLESS.items()
    ]
    found.append(plugin_distribution("With.Dots__and-CASE"))
    for plugin_type in PluginType:
        if plugin_type is not PluginType.COMPUTE:
            found.append(plugin_distribution("everywhere", plugin_type))
    defaults = "threads: int = 4\nsecret: SecretStr = SecretStr('default')"
    found.append(plugin_distribution("all-defaults", source=plugin_source("all-defaults", config=defaults)))
    count = HUNDRED - len(BROKEN) - len(found)
    return found + [plugin_distribution(f"plain-{number:02}") for number in range(count)]


UNNAMEABLE = (
    plugin_distribution("größe", distribution="floe-unnameable-letters"),
    plugin_distribution("a" * 64, distribution="floe-unnameable-length"),
)
"""Good plugins whose names an object cannot have."""
