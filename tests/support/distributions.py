"""Real distributions for tests: quickly built wheels, and environments that pip installs them into.

`Distribution` describes a wheel, `plugin_source` writes the module of a minimal good plugin,
`plugin_distribution` does both for the usual case, and `Environment` is a virtual environment that sees
floe_core and its requirements and nothing else of the environment in which the tests run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from abc import ABCMeta
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import floe_core
from floe_core import PluginMetadata, PluginType

REPOSITORY = Path(__file__).resolve().parents[2]
_EPOCH = (1980, 1, 1, 0, 0, 0)
BASES: Mapping[PluginType, ABCMeta] = {
    PluginType.COMPUTE: floe_core.ComputePlugin,
    PluginType.ORCHESTRATOR: floe_core.OrchestratorPlugin,
    PluginType.CATALOG: floe_core.CatalogPlugin,
    PluginType.STORAGE: floe_core.StoragePlugin,
    PluginType.TELEMETRY_BACKEND: floe_core.TelemetryBackendPlugin,
    PluginType.LINEAGE_BACKEND: floe_core.LineageBackendPlugin,
    PluginType.DBT: floe_core.DBTPlugin,
    PluginType.SEMANTIC_LAYER: floe_core.SemanticLayerPlugin,
    PluginType.INGESTION: floe_core.IngestionPlugin,
    PluginType.SECRETS: floe_core.SecretsPlugin,
    PluginType.IDENTITY: floe_core.IdentityPlugin,
}
"""The base class of each type of plugin."""


@dataclass(frozen=True)
class Distribution:
    """The description of a wheel: its metadata, its entry points by group, and its modules by path."""

    name: str
    version: str = "0.1.0"
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    requires: Sequence[str] = ()
    entry_points_txt: bytes | None = None
    """The raw content of the file, instead of `entry_points`: for damaged files."""

    def build(self, folder: Path) -> Path:
        """Write the wheel into `folder`, always byte for byte the same, and return its path."""
        stem = f"{re.sub(r'[-_.]+', '_', self.name)}-{self.version}"
        info = f"{stem}.dist-info"
        files = {path: source.encode() for path, source in self.modules.items()}
        files[f"{info}/METADATA"] = self._metadata().encode()
        files[f"{info}/WHEEL"] = (
            b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        declared = self.entry_points_txt if self.entry_points_txt is not None else self._entry_points()
        if declared:
            files[f"{info}/entry_points.txt"] = declared
        record = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()

        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, content in files.items():
                entry = zipfile.ZipInfo(path, _EPOCH)
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, content)
        return wheel

    def unpack(self, folder: Path) -> None:
        """Put into `folder` what pip would put there: faster, for tests that do not depend on pip."""
        with tempfile.TemporaryDirectory() as wheels, zipfile.ZipFile(self.build(Path(wheels))) as archive:
            archive.extractall(folder)

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        return "\n".join([*lines, *(f"Requires-Dist: {requirement}" for requirement in self.requires), ""])

    def _entry_points(self) -> bytes:
        blocks = [
            "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""])
            for group, entries in self.entry_points.items()
        ]
        return "\n".join(blocks).encode()


@dataclass(frozen=True)
class Environment:
    """A separate virtual environment, into which the real pip installs."""

    folder: Path
    python: Path
    site_packages: Path

    @classmethod
    def create(
        cls, folder: Path, base_python: str = sys.executable, *, sees: Sequence[str] = ()
    ) -> Environment:
        """Create an environment in `folder`; `base_python` is a Python that has floe_core's requirements.

        `sees` names more of its distributions that the environment sees, with what they require.
        """
        requirements = _requirements(base_python, *sees)
        subprocess.run([base_python, "-m", "venv", "--without-pip", folder], check=True)
        version = ".".join(map(str, requirements.python))
        environment = cls(
            folder, folder / "bin" / "python", folder / "lib" / f"python{version}" / "site-packages"
        )
        shared = folder / "shared"
        shared.mkdir()
        (shared / "floe_core").symlink_to(REPOSITORY / "floe_core")
        for entry in requirements.entries:
            (shared / entry.name).symlink_to(entry)
        (environment.site_packages / "floe_core.pth").write_text(f"{shared}\n")
        return environment

    def install(self, *distributions: Distribution) -> None:
        """Build the wheels and install them in one call of pip, replacing distributions of the same names."""
        wheels = [distribution.build(self.folder / "wheels") for distribution in distributions]
        options = ["--no-index", "--no-deps", "--no-compile", "--force-reinstall"]
        self._pip("install", *options, *map(str, wheels))

    def add(self, *distributions: Distribution) -> None:
        """Unpack distributions that are new to the environment, without pip."""
        for distribution in distributions:
            distribution.unpack(self.site_packages)

    def uninstall(self, *names: str) -> None:
        """Remove distributions with pip."""
        self._pip("uninstall", "--yes", *names)

    def run(self, code: str, *, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run Python code in a new process of the environment; any exit code is accepted."""
        arguments = [str(self.python), "-c", textwrap.dedent(code)]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, check=False)

    def _pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", *arguments]
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        done = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"pip {' '.join(arguments)}:\n{done.stdout}{done.stderr}"


def plugin_distribution(
    name: str,
    plugin_type: PluginType = PluginType.COMPUTE,
    *,
    version: str = "0.1.0",
    source: str | None = None,
    distribution: str | None = None,
    **plugin: str,
) -> Distribution:
    """Return a distribution of one plugin, from `source` or from arguments of `plugin_source`.

    It is called `floe-<type>-<name>` by default.
    """
    distribution = distribution or f"floe-{plugin_type.slug}-{name}"
    module = re.sub(r"\W+", "_", distribution)
    text = source if source is not None else plugin_source(name, version, plugin_type=plugin_type, **plugin)
    claims = {plugin_type.entry_point_group: {name: f"{module}:Plugin"}}
    return Distribution(distribution, version, claims, {f"{module}.py": text})


def plugin_source(
    name: str = "example",
    version: str = "0.1.0",
    api_version: str = "1.0",
    *,
    plugin_type: PluginType = PluginType.COMPUTE,
    class_name: str = "Plugin",
    before: str = "",
    config: str = "",
    body: str = "",
) -> str:
    """Return the source of the module of a minimal good plugin, which extends the base class of its type.

    `before` is put at the top of the module; `config` is the body of a pydantic model `Config`, which
    becomes the schema; `body` is added to the plugin's class (hooks, `dependencies`, a constructor).
    """
    parts = [
        "from pydantic import BaseModel, Field, SecretBytes, SecretStr\n",
        f"from floe_core import HealthState, HealthStatus, {BASES[plugin_type].__name__}\n",
        textwrap.dedent(before),
        f"class Config(BaseModel):\n{_indented(config)}" if config else "",
        f"class {class_name}({BASES[plugin_type].__name__}):",
        f"    name = {name!r}\n    version = {version!r}\n    floe_api_version = {api_version!r}",
        f"    {members_source(plugin_type)}",
        "    def get_config_schema(self):\n        return Config" if config else "",
        _indented(body),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def members_source(plugin_type: PluginType) -> str:
    """Return one line of source that implements what the type's base class requires besides the metadata."""
    members = sorted(BASES[plugin_type].__abstractmethods__ - PluginMetadata.__abstractmethods__)
    return f"{' = '.join(members)} = lambda self, *arguments, **options: None"


def _indented(text: str) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class _Requirements:
    python: tuple[int, int]
    entries: tuple[Path, ...]


# Run by the base interpreter, since no other interpreter can load its compiled packages.
_LIST_REQUIREMENTS = """
import importlib.metadata, json, sys
from packaging.requirements import Requirement

entries, todo, done = set(), ["packaging", "pydantic", "structlog", *sys.argv[1:]], set()
while todo:
    name = todo.pop()
    if name in done:
        continue
    done.add(name)
    distribution = importlib.metadata.distribution(name)
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            todo.append(requirement.name)
    tops = {file.parts[0] for file in distribution.files}
    entries.update(str(distribution.locate_file(top)) for top in tops - {"..", "__pycache__"})
print(json.dumps({"python": sys.version_info[:2], "entries": sorted(entries)}))
"""


@functools.cache
def _requirements(base_python: str, *more: str) -> _Requirements:
    listed = subprocess.run(
        [base_python, "-c", _LIST_REQUIREMENTS, *more], capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, f"{base_python} lacks a requirement:\n{listed.stderr}"
    answer = json.loads(listed.stdout)
    return _Requirements(tuple(answer["python"]), tuple(map(Path, answer["entries"])))
