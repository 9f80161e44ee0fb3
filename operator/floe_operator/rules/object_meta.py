"""An object's metadata: which object this is, in which version, and who has written what into it.

Of the annotations, and of the fields that each manager owns, only what a rule asks for is kept: both can be
as large as the object.
"""

from __future__ import annotations

import functools
import sys
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic.dataclasses import dataclass

from floe_operator.rules.foreign_json import mapping
from floe_operator.rules.models import CONFIG, Shared, Time

APPLIERS = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name"})
"""The annotations that kubectl's client-side apply and Helm leave on each object that they apply.

They send a patch: of an object that already has all of their manifest, they own nothing below spec.
"""


class OwnedFields(NamedTuple):
    """The fields of an object that a manager owns."""

    labels: tuple[str, ...] = ()
    """The names of its labels."""
    spec: bool = False
    """Whether it owns a field below spec."""


def _owned(fields: object) -> OwnedFields:
    """Return a set of fields, as managedFields writes it."""
    labels = mapping(mapping(mapping(fields).get("f:metadata")).get("f:labels"))
    return OwnedFields(
        labels=tuple(sys.intern(name.removeprefix("f:")) for name in labels if name.startswith("f:")),
        spec=any(name.startswith("f:") for name in mapping(mapping(fields).get("f:spec"))),
    )


def _of_appliers(annotations: object) -> list[str]:
    return [name for name in mapping(annotations) if name in APPLIERS]


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class ManagedFieldsEntry:
    """A field manager that owns fields of the object."""

    manager: Shared = ""
    operation: str = ""
    subresource: str = ""
    # Not under another name: dataclasses of old pydantic ignore an alias.
    fields_v1: Annotated[OwnedFields, PlainValidator(_owned)] = OwnedFields()


@functools.lru_cache(maxsize=256)
def _shared(entries: tuple[ManagedFieldsEntry, ...]) -> tuple[ManagedFieldsEntry, ...]:
    """Return equal entries: those of a thousand objects have the same."""
    return entries


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: Shared = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: Annotated[tuple[Shared, ...], BeforeValidator(_of_appliers)] = ()
    """The names of those that are in `APPLIERS`."""
    deletion_timestamp: Time | None = None
    managed_fields: Annotated[tuple[ManagedFieldsEntry, ...], AfterValidator(_shared)] = ()
