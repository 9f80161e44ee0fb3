"""The types of plugin, and how a plugin is identified.

A `PluginId` identifies a plugin by its type and the normalised name of its entry point.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_HYPHENS = re.compile("-{2,}")


class PluginType(Enum):
    """A type of plugin; the value is the entry point group that plugins of this type declare."""

    COMPUTE = "floe.computes"
    ORCHESTRATOR = "floe.orchestrators"
    CATALOG = "floe.catalogs"
    STORAGE = "floe.storage"
    TELEMETRY_BACKEND = "floe.telemetry_backends"
    LINEAGE_BACKEND = "floe.lineage_backends"
    DBT = "floe.dbt"
    SEMANTIC_LAYER = "floe.semantic_layers"
    INGESTION = "floe.ingestion"
    SECRETS = "floe.secrets"
    IDENTITY = "floe.identity"

    # Members are singletons, so the identity hash is valid. It is faster than Enum's, which is written in
    # Python, and every plugin lookup hashes a member.
    __hash__ = object.__hash__

    @property
    def entry_point_group(self) -> str:
        """The entry point group, as in `[project.entry-points."floe.computes"]`."""
        return self.value

    @property
    def slug(self) -> str:
        """The name in kebab case (`telemetry-backend`), as in manifests and on the command line."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def _missing_(cls, value: object) -> PluginType | None:
        """Accept the member by its name, too, in kebab case or as messages spell it."""
        if not isinstance(value, str):
            return None
        return _BY_SLUG.get(value.lower().replace("_", "-")) or cls.from_slug(value)

    @classmethod
    def all_entry_point_groups(cls) -> list[str]:
        """Return the eleven entry point groups, in the order of the members."""
        return [member.value for member in cls]

    @classmethod
    def from_entry_point_group(cls, group: str) -> PluginType:
        """Return the plugin type that an entry point group belongs to.

        Raises:
            ValueError: The group is unknown; the message lists the valid groups.
        """
        try:
            return _BY_GROUP[group]
        except KeyError:
            valid = ", ".join(cls.all_entry_point_groups())
            raise ValueError(f"Unknown entry point group {group!r}; valid groups are {valid}") from None

    @classmethod
    def from_slug(cls, slug: str) -> PluginType:
        """Return the plugin type with this kebab-case name.

        Raises:
            ValueError: The name is unknown; the message lists the valid names.
        """
        try:
            return _BY_SLUG[slug]
        except KeyError:
            raise ValueError(f"Unknown plugin type {slug!r}; valid types are {', '.join(_BY_SLUG)}") from None


_BY_GROUP: dict[str, PluginType] = {member.value: member for member in PluginType}
_BY_SLUG = {member.slug: member for member in PluginType}


class PluginId(NamedTuple):
    """The identity of a plugin: its type and the normalised name of its entry point."""

    plugin_type: PluginType
    name: str

    def __str__(self) -> str:
        """Return the plugin's name as written in the registry's messages: `COMPUTE:duckdb`."""
        return f"{self.plugin_type.name}:{self.name}"

    @property
    def slug(self) -> str:
        """The plugin as written in dependencies and in the operator's messages: `compute/duckdb`."""
        return f"{self.plugin_type.slug}/{self.name}"


class PluginName(NamedTuple):
    """A plugin as errors and logs name it: its type, and its name as its entry point spells it."""

    plugin_type: PluginType
    name: str

    def __str__(self) -> str:
        """Return `COMPUTE:DuckDB`."""
        return f"{self.plugin_type.name}:{self.name}"


def plugin_id(plugin_type: PluginType | str, name: str) -> PluginId:
    """Return the id of a plugin, whatever the spelling of its name.

    Raises:
        ValueError: There is no such type; the message lists the valid ones.
    """
    kind = plugin_type if isinstance(plugin_type, PluginType) else PluginType(plugin_type)
    return PluginId(kind, normalize_name(name))


def normalize_name(name: str) -> str:
    """Return a name as PEP 503 compares it: in lower case, with each run of `-`, `_` and `.` as one `-`."""
    normalized = name.lower().replace("_", "-").replace(".", "-")
    return _HYPHENS.sub("-", normalized) if "--" in normalized else normalized
