"""The kinds of plugin there are, and how one plugin is named.

Everything else refers to a plugin by its `PluginId`: the type and the entry point's name, normalised.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_SEPARATORS = re.compile(r"[-_.]+")


class PluginType(Enum):
    """A kind of plugin; the value is the entry point group that its plugins declare."""

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

    # Members are singletons; Enum's own is written in Python, and every look-up of a plugin hashes one.
    __hash__ = object.__hash__

    @property
    def entry_point_group(self) -> str:
        """The entry point group, as `[project.entry-points."floe.computes"]` names it."""
        return self.value

    @property
    def slug(self) -> str:
        """The name in kebab case (`telemetry-backend`), as manifests and the command line write it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def all_entry_point_groups(cls) -> list[str]:
        """The eleven entry point groups, in the order of the members."""
        return [member.value for member in cls]

    @classmethod
    def from_entry_point_group(cls, group: str) -> PluginType:
        """The type of an entry point group; ValueError lists the valid groups."""
        try:
            return cls(group)
        except ValueError:
            valid = ", ".join(cls.all_entry_point_groups())
            raise ValueError(f"Unknown entry point group {group!r}; valid groups are {valid}") from None

    @classmethod
    def from_slug(cls, slug: str) -> PluginType:
        """The type of a kebab case name; ValueError lists the valid names."""
        try:
            return _BY_SLUG[slug]
        except KeyError:
            raise ValueError(f"Unknown plugin type {slug!r}; valid types are {', '.join(_BY_SLUG)}") from None


_BY_SLUG = {member.slug: member for member in PluginType}


class PluginId(NamedTuple):
    """What tells a plugin from all others: its type and its normalised entry point name."""

    plugin_type: PluginType
    name: str

    def __str__(self) -> str:
        """As messages name a plugin: `COMPUTE:duckdb`."""
        return f"{self.plugin_type.name}:{self.name}"

    @property
    def slug(self) -> str:
        """As dependencies and the command line name a plugin: `compute/duckdb`."""
        return f"{self.plugin_type.slug}/{self.name}"


def plugin_id(plugin_type: PluginType, name: str) -> PluginId:
    """The id of a plugin named in any spelling."""
    return PluginId(plugin_type, normalize_name(name))


def normalize_name(name: str) -> str:
    """A name as PEP 503 compares it: lower case, runs of `-`, `_` and `.` as one `-`."""
    return _SEPARATORS.sub("-", name).lower()
