"""The conditions of a FloePlugin and the reasons that each can have, as data.

Tests compare the tables in the README and docs/conditions.md with them. A reason's outcome determines the
status of its condition and, if that is False, whether waiting can help.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Literal

from floe_operator.rules.resource import Condition

MESSAGE_BYTES = 1_024
"""The longest message of a condition, in bytes of UTF-8."""


class Outcome(Enum):
    """What a reason means."""

    TRUE = "True"
    FALSE = "False, but may resolve by itself"
    STALLED = "False until the spec, the plugin's code or its packaging changes"
    STALLED_WITHOUT_SOURCES = "like STALLED if spec.configFrom is empty, else like FALSE"
    IDLE = "False until somebody asks for the plugin; nothing is awaited"
    UNKNOWN = "Unknown"

    @property
    def status(self) -> Literal["True", "False", "Unknown"]:
        """The status of a condition with this outcome."""
        match self:
            case Outcome.TRUE:
                return "True"
            case Outcome.UNKNOWN:
                return "Unknown"
            case _:
                return "False"


class Reason(Enum):
    """Base class of the reasons; each member is a reason's text and its outcome."""

    def __init__(self, text: str, outcome: Outcome) -> None:
        self.text = text
        self.outcome = outcome

    def stalls(self, *, has_sources: bool) -> bool:
        """Return True if waiting cannot help."""
        return self.outcome is Outcome.STALLED or (
            self.outcome is Outcome.STALLED_WITHOUT_SOURCES and not has_sources
        )


class Discovered(Reason):
    """An entry point claims the plugin."""

    INSTALLED = "Installed", Outcome.TRUE
    NOT_INSTALLED = "NotInstalled", Outcome.FALSE
    DUPLICATE_ENTRY_POINT = "DuplicateEntryPoint", Outcome.STALLED
    MALFORMED_ENTRY_POINT = "MalformedEntryPoint", Outcome.STALLED
    SCAN_FAILED = "ScanFailed", Outcome.UNKNOWN


class Loaded(Reason):
    """The plugin's class was imported and described."""

    LOADED = "Loaded", Outcome.TRUE
    IMPORT_FAILED = "ImportFailed", Outcome.STALLED
    NOT_A_PLUGIN = "NotAPlugin", Outcome.STALLED
    LOAD_TIMED_OUT = "LoadTimedOut", Outcome.FALSE
    CRASHED_ON_LOAD = "CrashedOnLoad", Outcome.FALSE
    NOT_DISCOVERED = "NotDiscovered", Outcome.UNKNOWN
    LOADING = "Loading", Outcome.UNKNOWN


class VersionCompatible(Reason):
    """The plugin fits the platform's plugin API, and its version is within spec.version."""

    COMPATIBLE = "Compatible", Outcome.TRUE
    INCOMPATIBLE_API = "IncompatibleApi", Outcome.STALLED
    INVALID_VERSION = "InvalidVersion", Outcome.STALLED
    OUTSIDE_VERSION_RANGE = "OutsideVersionRange", Outcome.STALLED
    INVALID_VERSION_RANGE = "InvalidVersionRange", Outcome.STALLED
    NOT_LOADED = "NotLoaded", Outcome.UNKNOWN


class ConfigValid(Reason):
    """The resolved configuration matches the plugin's schema."""

    VALID = "Valid", Outcome.TRUE
    NOTHING_TO_CONFIGURE = "NothingToConfigure", Outcome.TRUE
    NOT_CONFIGURED = "NotConfigured", Outcome.IDLE
    CONFIG_REQUIRED = "ConfigRequired", Outcome.STALLED_WITHOUT_SOURCES
    VALIDATION_FAILED = "ValidationFailed", Outcome.STALLED_WITHOUT_SOURCES
    PLAINTEXT_SECRET = "PlaintextSecret", Outcome.STALLED
    CONFIG_NOT_ACCEPTED = "ConfigNotAccepted", Outcome.STALLED
    SECRET_NOT_FOUND = "SecretNotFound", Outcome.FALSE
    SECRET_KEY_MISSING = "SecretKeyMissing", Outcome.FALSE
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound", Outcome.FALSE
    CONFIG_MAP_KEY_MISSING = "ConfigMapKeyMissing", Outcome.FALSE
    FORBIDDEN = "Forbidden", Outcome.FALSE
    NOT_TEXT = "NotText", Outcome.FALSE
    NOT_A_MAPPING = "NotAMapping", Outcome.FALSE
    PATH_CONFLICT = "PathConflict", Outcome.STALLED
    SCHEMA_FAILED = "SchemaFailed", Outcome.STALLED
    VALIDATION_CRASHED = "ValidationCrashed", Outcome.FALSE
    NOT_LOADED = "NotLoaded", Outcome.UNKNOWN


class DependenciesReady(Reason):
    """Every plugin that this one needs is Ready."""

    NO_DEPENDENCIES = "NoDependencies", Outcome.TRUE
    ALL_READY = "AllReady", Outcome.TRUE
    DEPENDENCY_MISSING = "DependencyMissing", Outcome.FALSE
    DEPENDENCY_AMBIGUOUS = "DependencyAmbiguous", Outcome.STALLED
    DEPENDENCY_NOT_READY = "DependencyNotReady", Outcome.FALSE
    DEPENDENCY_CYCLE = "DependencyCycle", Outcome.STALLED
    NOT_LOADED = "NotLoaded", Outcome.UNKNOWN


class Healthy(Reason):
    """The plugin runs and its checks pass; assessed only if spec.probe is set."""

    HEALTHY = "Healthy", Outcome.TRUE
    DEGRADED = "Degraded", Outcome.TRUE
    UNHEALTHY = "Unhealthy", Outcome.FALSE
    STARTUP_FAILED = "StartupFailed", Outcome.FALSE
    CRASHED_WHILE_RUNNING = "CrashedWhileRunning", Outcome.FALSE
    PROBING = "Probing", Outcome.UNKNOWN


READY = "Ready"
"""The summary condition, and its reason while it is True; if not, its reason is the deciding condition's."""
RECONCILING = "Reconciling"
STALLED = "Stalled"

TABLE: Mapping[str, type[Reason]] = MappingProxyType(
    {
        table.__name__: table
        for table in (Discovered, Loaded, VersionCompatible, ConfigValid, DependenciesReady, Healthy)
    }
)
"""The assessed conditions in order, each with its reasons."""

_BY_TEXT = {(kind, reason.text): reason for kind, table in TABLE.items() for reason in table}


def reason_of(condition: Condition) -> Reason | None:
    """Return the reason of a condition, or None if the operator never writes such a condition."""
    reason = _BY_TEXT.get((condition.type, condition.reason))
    return reason if reason is not None and reason.outcome.status == condition.status else None


def condition(
    kind: str,
    status: Literal["True", "False", "Unknown"],
    reason: str,
    message: str,
    *,
    generation: int,
    before: Condition | None,
    now: datetime,
) -> Condition:
    """Return a condition assessed now; its transition time moves only if its status changed."""
    kept = before is not None and before.status == status
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=bounded(message),
        observed_generation=generation,
        last_transition_time=before.last_transition_time
        if before is not None and kept
        else now.replace(microsecond=0),
    )


def bounded(text: str, limit: int = MESSAGE_BYTES) -> str:
    """Return a text as one line of at most `limit` bytes of UTF-8, ending with an ellipsis if it was cut."""
    line = " ".join(_printable(text).split())
    encoded = line.encode()
    if len(encoded) <= limit:
        return line
    return encoded[: limit - len("…".encode())].decode("utf-8", "ignore").rstrip() + "…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    replaced = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else " " for char in replaced)
