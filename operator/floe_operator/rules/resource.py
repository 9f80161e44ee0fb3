"""FloePlugin as typed models: the same fields, bounds and rules as crds/floeplugins.floe.dev.yaml.

`FloePlugin.parse` reads an object, `to_json` returns what is written. The contract tests keep the models and
the CRD in agreement; neither is generated from the other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.models import CONFIG, Model, Shared, Time
from floe_operator.rules.object_meta import ObjectMeta
from floe_operator.rules.stored_json import as_stored

GROUP = "floe.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FloePlugin"
PLURAL = "floeplugins"
CRD = f"{PLURAL}.{GROUP}"
FIELD_MANAGER = "floe-operator"
"""The field manager for what the operator writes outside status: spec.type, spec.name and the type label."""
STATUS_FIELD_MANAGER = "floe-operator-status"
"""The field manager for everything in status."""
TYPE_LABEL = "floe.dev/plugin-type"

CONDITION_TYPES = (
    "Discovered",
    "Loaded",
    "VersionCompatible",
    "ConfigValid",
    "DependenciesReady",
    "Healthy",
    "Ready",
    "Reconciling",
    "Stalled",
)
"""The operator's conditions, in the order in which it assesses and writes them."""

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
PATH_PATTERN = (
    r"^[A-Za-z_][A-Za-z0-9_]*(\[(0|[1-9][0-9]{0,3})\])*"
    r"(\.[A-Za-z_][A-Za-z0-9_]*(\[(0|[1-9][0-9]{0,3})\])*)*$"
)
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"
CONDITION_TYPE_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
REASON_PATTERN = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"

_NAME = re.compile(NAME_PATTERN.removesuffix("$"))
_LONGEST_NAME = 63

PluginTypeSlug = Literal[
    "compute",
    "orchestrator",
    "catalog",
    "storage",
    "telemetry-backend",
    "lineage-backend",
    "dbt",
    "semantic-layer",
    "ingestion",
    "secrets",
    "identity",
]


def object_name(plugin: PluginId) -> str:
    """Return the name of the plugin's object, such as `identity-keycloak`."""
    return f"{plugin.plugin_type.slug}-{plugin.name}"


def parse_object_name(name: str) -> PluginId | None:
    """Return the plugin whose object has this name, or None if no plugin's object can have it."""
    for plugin_type in PluginType:
        if name.startswith(f"{plugin_type.slug}-"):
            plugin = PluginId(plugin_type, name[len(plugin_type.slug) + 1 :])
            return plugin if is_nameable(plugin) else None
    return None


def is_nameable(plugin: PluginId) -> bool:
    """Return True if an object can carry the plugin's name."""
    return len(plugin.name) <= _LONGEST_NAME and _NAME.fullmatch(plugin.name) is not None


def version_number(resource_version: str) -> int:
    """Return a resourceVersion as a number, larger for a later one; 0 for none.

    Kubernetes 1.35 guarantees that they compare as numbers; no earlier API server used anything else.
    """
    return int(resource_version) if resource_version.isdecimal() and len(resource_version) < 30 else 0


UNNAMEABLE = "no object can have this name: use a-z, 0-9 and '-', at most 63 characters"


class SecretKeyRef(Model):
    """A key of a Secret in the object's own namespace."""

    name: str = Field(min_length=1, max_length=253, pattern=OBJECT_NAME_PATTERN)
    key: str = Field(min_length=1, max_length=253, pattern=KEY_PATTERN)
    optional: bool | None = None


class ConfigMapKeyRef(SecretKeyRef):
    """A key of a ConfigMap in the object's own namespace."""


class ConfigSource(Model):
    """One entry of spec.configFrom; exactly one of the two references is set."""

    secret_key_ref: SecretKeyRef | None = None
    config_map_key_ref: ConfigMapKeyRef | None = None
    path: str | None = Field(default=None, min_length=1, max_length=253, pattern=PATH_PATTERN)

    @property
    def is_optional(self) -> bool:
        """Whether a missing object or key is ignored."""
        reference = self.secret_key_ref or self.config_map_key_ref
        return bool(reference is not None and reference.optional)


class ProbeSpec(Model):
    """How a plugin is probed. The defaults are here, not in the CRD, so that nobody's manifest drifts."""

    period_seconds: int = Field(default=60, ge=1, le=86_400)
    timeout_seconds: int = Field(default=5, ge=1, le=3_600)
    failure_threshold: int = Field(default=3, ge=1, le=100)


class FloePluginSpec(Model):
    """How a plugin is configured; the first two fields identify the plugin and never change."""

    type: PluginTypeSlug = Field(frozen=True)
    name: str = Field(frozen=True, min_length=1, max_length=_LONGEST_NAME, pattern=NAME_PATTERN)
    version: str | None = Field(default=None, max_length=256)
    config: dict[str, Any] | None = None
    config_from: tuple[ConfigSource, ...] = Field(default=(), max_length=32)
    probe: ProbeSpec | None = None

    @property
    def plugin(self) -> PluginId:
        """The plugin that the object stands for."""
        return PluginId(PluginType.from_slug(self.type), self.name)


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition with the fields of metav1.Condition."""

    type: Shared = Field(min_length=1, max_length=316, pattern=CONDITION_TYPE_PATTERN)
    status: Literal["True", "False", "Unknown"]
    reason: Shared = Field(min_length=1, max_length=1_024, pattern=REASON_PATTERN)
    message: Shared = Field(max_length=1_024)
    observed_generation: int | None = Field(default=None, ge=0)
    last_transition_time: Time

    @property
    def is_judged(self) -> bool:
        """Whether the status is True or False."""
        return self.status != "Unknown"


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class Distribution:
    """The Python distribution that the plugin comes from."""

    name: Shared = Field(max_length=256)
    version: Shared = Field(max_length=128)


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class FloePluginStatus:
    """What the operator found; `conditions` has only the operator's own, in the order of CONDITION_TYPES."""

    observed_generation: int | None = Field(default=None, ge=-1)
    in_use: bool | None = None
    version: str | None = Field(default=None, max_length=128)
    plugin_api_version: str | None = Field(default=None, max_length=64)
    platform_api_version: str | None = Field(default=None, max_length=64)
    distribution: Distribution | None = None
    entry_point: str | None = Field(default=None, max_length=512)
    description: str | None = Field(default=None, max_length=512)
    dependencies: tuple[Annotated[str, Field(max_length=128)], ...] | None = Field(
        default=None, max_length=32
    )
    config_schema: dict[str, Any] | None = None
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16)

    @field_validator("config_schema", mode="before")
    @classmethod
    def _as_the_api_server_keeps_it(cls, schema: object) -> object:
        try:
            return as_stored(schema) if isinstance(schema, Mapping) else schema
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @field_validator("conditions", mode="after")
    @classmethod
    def _own_and_in_order(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        own = [condition for condition in conditions if condition.type in CONDITION_TYPES]
        return tuple(sorted(own, key=lambda condition: CONDITION_TYPES.index(condition.type)))

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of a type, or None if there is none."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def without(self, fields: Collection[str]) -> FloePluginStatus:
        """Return the status without those of these fields, spelt as in the CRD, that it can do without."""
        if not fields:
            return self
        left_out: dict[str, Any] = {name: None for name, key in OPTIONAL_FIELDS.items() if key in fields}
        return dataclasses.replace(self, **left_out)

    def to_json(self) -> dict[str, Any]:
        """Return the status as the API server takes it; fields that are None are left out."""
        written: dict[str, Any] = _STATUS.dump_python(self, mode="json", by_alias=True, exclude_none=True)
        return written

    @property
    def size(self) -> int:
        """The length of `to_json` as compact JSON, in bytes."""
        return len(_STATUS.dump_json(self, by_alias=True, exclude_none=True))


_STATUS = TypeAdapter(FloePluginStatus)
OPTIONAL_FIELDS = {
    field.name: to_camel(field.name)
    for field in dataclasses.fields(FloePluginStatus)
    if field.name != "conditions"
}
"""The fields of a status that it can do without, as they are spelt here and in the CRD."""


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class FloePlugin:
    """A FloePlugin object."""

    metadata: ObjectMeta
    spec: FloePluginSpec
    status: FloePluginStatus | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> FloePlugin:
        """Parse an object from the API server.

        A status that does not match the CRD (written for an older CRD, or edited) is ignored; it will be
        rewritten.

        Raises:
            pydantic.ValidationError: The spec does not match the CRD.
        """
        parts = {key: raw[key] for key in ("metadata", "spec", "status") if raw.get(key) is not None}
        try:
            return _OBJECT.validate_python(parts)
        except ValidationError as error:
            if "status" not in parts or any(fault["loc"][:1] != ("status",) for fault in error.errors()):
                raise
            del parts["status"]
            return _OBJECT.validate_python(parts)

    @property
    def plugin(self) -> PluginId:
        """The plugin that the object stands for."""
        return self.spec.plugin

    @property
    def is_going(self) -> bool:
        """Whether the object is being deleted."""
        return self.metadata.deletion_timestamp is not None


_OBJECT = TypeAdapter(FloePlugin)
