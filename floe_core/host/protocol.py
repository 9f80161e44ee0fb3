"""What the plugin host and the operator say to each other: JSON-RPC 2.0, one message a line.

The host speaks first, with a `ready` notification that carries a `Handshake`. Then the operator calls:

| method | parameters | result |
|---|---|---|
| ping | none | null, at once: the host can run Python code |
| scan | none | ScanResult |
| describe | PluginRef | Description, or an error with LoadFailure as its data |
| validate | ValidateParams | Verdict |
| start | StartParams | null, or an error with HookFailure as its data |
| check | HookParams | HealthReport, or an error with HookFailure |
| stop | HookParams | null, or an error with HookFailure |
| shutdown | ShutdownParams | null; every started plugin was stopped, and the process ends |

In a call the id stands before the method and the parameters, so that a call that cannot be read can still be
answered. Answers come in any order.

Text of a plugin that may hold what it was configured with travels in the fields named `plugin_text` and in
HealthReport.message only, so that the operator knows what it must scrub. A Description is read before the
plugin is given anything.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from floe_core.plugin_types import PluginId, PluginType

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 8 * 1024 * 1024
"""The longest message, its newline included; an answer above it becomes an error of that call."""

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
LOAD_FAILED = 1
HOOK_FAILED = 2
ANSWER_TOO_LARGE = 3
NOT_FOUND = 4
"""The plugin is not installed (any more) in the host's environment."""
NOT_STARTED = 5


class Message(BaseModel):
    """The base of what crosses the pipe; unknown fields of a newer host are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Handshake(Message):
    """Who the host is."""

    protocol: int
    floe_core: str
    python: str
    platform_api_version: str


class DistributionRef(Message):
    """An installed distribution: name and version as its metadata has them."""

    name: str
    version: str


class PluginRef(Message):
    """Names a plugin: its type's slug, and its name, normalised."""

    type: str
    name: str

    @property
    def plugin(self) -> PluginId:
        """The plugin; ValueError for a type that there is not."""
        return PluginId(PluginType.from_slug(self.type), self.name)


class FoundPlugin(PluginRef):
    """One entry point, as its file has it."""

    entry_point: str
    distribution: DistributionRef
    fingerprint: str
    """Another text whenever the distribution was reinstalled, upgraded or moved."""


class BrokenClaim(PluginRef):
    """A type and name that the scan knows and nobody can load. `detail` names who claims it, and how."""

    reason: Literal["DuplicateEntryPoint", "MalformedEntryPoint"]
    detail: str
    claims: tuple[FoundPlugin, ...]


class Unreadable(Message):
    """A distribution (or a directory of the path) that could not be read, or a file in it that is damaged."""

    where: str
    detail: str
    plugins_unknown: bool
    """True where plugins may hide behind it, which makes the scan partial."""


class ScanResult(Message):
    """What is installed. `complete`: every directory was listed and every entry_points.txt read."""

    complete: bool
    fingerprint: str
    """Another text whenever any distribution on the path was added, removed or upgraded."""
    distributions: int
    plugins: tuple[FoundPlugin, ...]
    broken: tuple[BrokenClaim, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


class Description(Message):
    """What a plugin says of itself before any constructor ran."""

    declared_name: str
    version: str
    floe_api_version: str
    description: str = ""
    dependencies: tuple[str, ...] = ()
    takes_config: bool
    """Whether there is a configuration schema."""
    required_fields: tuple[str, ...] = ()
    """The schema's required fields at the root, by the name under which they are given."""
    config_schema: dict[str, Any] | None = None
    """The JSON schema; None for one that would not fit in a message, too."""
    schema_error: str | None = None
    """Why the schema cannot be had; such a plugin is SchemaFailed."""


class LoadFailure(Message):
    """Why a plugin cannot be described. `summary` is ours; `plugin_text` is what the plugin's code said."""

    reason: Literal["ImportFailed", "NotAPlugin"]
    summary: str
    plugin_text: str = ""


class ValidateParams(PluginRef):
    """A resolved configuration, and the part of it that was given in plain (not from a Secret)."""

    config: dict[str, Any]
    plain: dict[str, Any]


class ConfigFault(Message):
    """One fault: dotted path, a sentence without any value, and pydantic's error type."""

    field: str
    message: str
    type: str


class Verdict(Message):
    """What the plugin's schema says of a configuration. `faults` are in the order of the schema."""

    reason: Literal[
        "Valid",
        "NothingToConfigure",
        "ConfigRequired",
        "ValidationFailed",
        "PlaintextSecret",
        "ConfigNotAccepted",
        "SchemaFailed",
    ]
    faults: tuple[ConfigFault, ...] = ()


class StartParams(PluginRef):
    """Construct, configure, start."""

    config: dict[str, Any]


class HookParams(PluginRef):
    """`timeout` is handed to hooks that take one, seconds; the operator's own clock decides."""

    timeout: float | None = None


class ShutdownParams(Message):
    """`timeout` is for all plugins together, seconds."""

    timeout: float


class HealthReport(Message):
    """What health_check() returned; `message` is the plugin's own text."""

    state: Literal["healthy", "degraded", "unhealthy"]
    message: str = ""


class HookFailure(Message):
    """Which hook failed and how; `plugin_text` is what the plugin's code said."""

    hook: Literal["constructor", "configure", "startup", "health_check", "shutdown"]
    summary: str
    plugin_text: str = ""
