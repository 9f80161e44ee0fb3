"""The protocol between the plugin host and the operator: JSON-RPC 2.0, one message per line.

The host speaks first, with a `ready` notification that carries a `Handshake`. Then the operator calls:

| method | parameters | result |
|---|---|---|
| ping | none | null, immediately; shows that the host can run Python code |
| scan | none or ScanParams | ScanResult, or null if it equals the last one and the call says so |
| describe | DescribeParams | Description, or an error with LoadFailure as its data |
| validate | ValidateParams | Verdict |
| start | StartParams | null, or an error with HookFailure as its data |
| check | HookParams | HealthReport, or an error with HookFailure |
| stop | HookParams | null, or an error with HookFailure |
| shutdown | ShutdownParams | null; every started plugin was stopped, and the process ends |

In a call the id comes before the method and the parameters, so that a call that cannot be read can still be
answered. Answers come in any order.

Plugin text that might contain configuration values is sent only in the fields named `plugin_text`, in
HealthReport.message and in a Description, and what a message quotes of it is repeated in `quoted`, so that
the operator knows what it must scrub. A Description is read before the plugin receives any configuration, but
other plugins of the process may have received theirs.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from floe_core.plugin_types import PluginId, PluginType

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 8 * 1024 * 1024
"""The longest message in bytes, including its newline; a longer answer becomes an error of that call."""

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
LOAD_FAILED = 1
HOOK_FAILED = 2
ANSWER_TOO_LARGE = 3
NOT_FOUND = 4
"""The plugin is not installed (any more) in the host's environment."""
NOT_STARTED = 5


class Message(BaseModel):
    """Base class of everything that crosses the pipe; unknown fields from a newer host are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Handshake(Message):
    """The versions of the host."""

    protocol: int
    floe_core: str
    python: str
    platform_api_version: str


class DistributionRef(Message):
    """An installed distribution; its name and version are as in its metadata."""

    name: str
    version: str


class PluginRef(Message):
    """Names a plugin by the slug of its type and its normalised name."""

    type: str
    name: str

    @property
    def plugin(self) -> PluginId:
        """The plugin that is named.

        Raises:
            ValueError: Unknown type.
        """
        return PluginId(PluginType.from_slug(self.type), self.name)


class FoundPlugin(PluginRef):
    """One entry point, as its file declares it."""

    entry_point: str
    distribution: DistributionRef
    fingerprint: str
    """Changes whenever the distribution is reinstalled, upgraded or moved."""


class BrokenClaim(PluginRef):
    """A type and name that the scan found but that cannot be loaded; `detail` says who claims it, and how."""

    reason: Literal["DuplicateEntryPoint", "MalformedEntryPoint"]
    detail: str
    claims: tuple[FoundPlugin, ...]


class Unreadable(Message):
    """A distribution or a directory of the path that could not be read, or a damaged file in it."""

    where: str
    detail: str
    plugins_unknown: bool
    """Whether it might hide plugins, which makes the scan partial."""
    project: str = ""
    """The normalised name of the project whose plugins it might hide; empty if it might hide any."""


class UnknownGroup(Message):
    """A group of entry points called `floe.…` that is none of the plugin types' groups."""

    group: str
    distribution: DistributionRef
    detail: str
    """A sentence that names the group, the distribution and the most similar group."""


class ScanResult(Message):
    """What is installed; `complete` if everything was read and nothing had to be chosen."""

    complete: bool
    fingerprint: str
    """Changes whenever any distribution is added, removed or upgraded, and with the path itself."""
    path_fingerprint: str = ""
    """Changes whenever a new interpreter would search other directories. Older hosts do not send it."""
    distributions: int
    plugins: tuple[FoundPlugin, ...]
    broken: tuple[BrokenClaim, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    unknown_groups: tuple[UnknownGroup, ...] = ()
    core_fault: str = ""
    """What is wrong with the installation of floe-core; empty if nothing is. Older hosts do not send it."""


class ScanParams(Message):
    """How a scan is answered."""

    unless_changed: bool = False
    """Whether the answer is null if it would be the same as the last one. Older hosts ignore this."""


class DescribeParams(PluginRef):
    """Asks for a plugin's description; the first time, the plugin is imported for it."""

    accepted_schema: bool = False
    """Whether `config_schema` is to describe all that validation accepts. Older hosts ignore this."""


class Description(Message):
    """A plugin's description, read before its constructor runs."""

    declared_name: str
    version: str
    floe_api_version: str
    description: str = ""
    dependencies: tuple[str, ...] = ()
    takes_config: bool
    """Whether there is a configuration schema, usable or not."""
    required_fields: tuple[str, ...] = ()
    """The required fields at the root of the schema, by the names that a configuration uses for them."""
    config_schema: dict[str, Any] | None = None
    """The JSON schema that was asked for; None if there is none or it does not fit in a message."""
    schema_error: str | None = None
    """Why the schema is missing or unusable; such a plugin is SchemaFailed."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the class although it loads, and how to fix it. Older hosts do not send it."""


class LoadFailure(Message):
    """Why a plugin cannot be described. `summary` is the host's own text, `plugin_text` the plugin's."""

    reason: Literal["ImportFailed", "NotAPlugin"]
    summary: str
    plugin_text: str = ""
    fix: str = ""
    """How to fix it, in the host's words; empty if only the reason tells. Older hosts do not send it."""
    quoted: str = ""
    """What the summary repeats of the plugin's exception. Older hosts do not send it."""


class ValidateParams(PluginRef):
    """A resolved configuration, and the part of it that was given in plain text (not from a Secret)."""

    config: dict[str, Any]
    plain: dict[str, Any]


class ConfigFault(Message):
    """One fault: its dotted path, a sentence without any value, and pydantic's error type."""

    field: str
    message: str
    type: str
    plugin_text: str = ""
    """What the plugin's own validator said. Older hosts do not send it."""
    quoted: str = ""
    """What message and type quote, which is from the schema or, if a validator chose it, might be a value.
    Older hosts do not send it."""
    secrets: tuple[str, ...] = ()
    """Paths of the secret fields that matter for fixing it: those at a missing or misshapen field or below
    it, and those that an unknown field might be meant for. Older hosts do not send it."""


class Verdict(Message):
    """The plugin host's answer on a configuration; `faults` are in the order of the schema."""

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
    """Asks the host to construct, configure and start a plugin."""

    config: dict[str, Any]


class HookParams(PluginRef):
    """Parameters of a hook. `timeout` (seconds) goes to hooks that accept it; the operator enforces it."""

    timeout: float | None = None


class ShutdownParams(Message):
    """Parameters of the shutdown; `timeout` (seconds) covers all plugins together."""

    timeout: float


class HealthReport(Message):
    """What health_check() returned; `message` is the plugin's own text."""

    state: Literal["healthy", "degraded", "unhealthy"]
    message: str = ""


class HookFailure(Message):
    """Which hook failed and how; `plugin_text` is the text of the plugin's exception."""

    hook: Literal["constructor", "configure", "startup", "health_check", "shutdown"]
    summary: str
    plugin_text: str = ""
