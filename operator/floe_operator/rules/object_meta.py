"""An object's metadata: which object this is, in which version, and who has written what into it.

Of the annotations, and of the fields that each manager owns, only what a rule asks for is kept: both can be
as large as the object.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from floe_operator.rules.foreign_json import mapping
from floe_operator.rules.models import CONFIG, Model, Shared, Time

APPLIERS = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name"})
"""The annotations that kubectl's client-side apply and Helm leave on each object that they apply.

They send a patch: of an object that already has all of their manifest, they own nothing below spec.
"""


def _labels_in(fields: object) -> list[str]:
    """Return the names of the labels in a set of fields, as managedFields writes it."""
    labels = mapping(mapping(mapping(fields).get("f:metadata")).get("f:labels"))
    return [name.removeprefix("f:") for name in labels if name.startswith("f:")]


def _has_spec(fields: object) -> bool:
    """Return True if a set of fields, as managedFields writes it, has one below spec."""
    return any(name.startswith("f:") for name in mapping(mapping(fields).get("f:spec")))


def _of_appliers(annotations: object) -> list[str]:
    return [name for name in mapping(annotations) if name in APPLIERS]


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class ManagedFieldsEntry:
    """A field manager that owns fields of the object."""

    manager: Shared = ""
    operation: str = ""
    subresource: str = ""
    labels: Annotated[tuple[Shared, ...], BeforeValidator(_labels_in)] = Field(default=(), alias="fieldsV1")
    """The names of the labels that it owns."""
    owns_spec: Annotated[bool, BeforeValidator(_has_spec)] = Field(default=False, alias="fieldsV1")
    """Whether it owns a field below spec."""


class ObjectMeta(Model):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    applied_by: Annotated[tuple[Shared, ...], BeforeValidator(_of_appliers)] = Field(
        default=(), alias="annotations"
    )
    """The names of those of its annotations that are in `APPLIERS`."""
    deletion_timestamp: Time | None = None
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()
