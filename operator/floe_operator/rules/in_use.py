"""Whether somebody asked for an installed plugin, and which plugins that are not Ready concern nobody.

An installed plugin that nobody asked for is not broken: until somebody does, it may lack a configuration, or
need a plugin that lacks one.
"""

from __future__ import annotations

from floe_operator.rules.conditions import READY, RECONCILING, STALLED
from floe_operator.rules.facts import Readiness
from floe_operator.rules.resource import FIELD_MANAGER, FloePlugin, FloePluginStatus

ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name"})
"""What kubectl's client-side apply and Helm leave on each object that they apply.

They send a patch: of a mirror that already has all of their manifest, they own nothing below spec.
"""
_BARE = {"type", "name"}


def is_in_use(seen: FloePlugin) -> bool:
    """Return True if somebody asked for the plugin: configured it, or applied its object.

    Labels and other annotations do not count: tools put those on everything.
    """
    return (
        not seen.spec.model_fields_set <= _BARE
        or not ANNOTATIONS.isdisjoint(seen.metadata.annotations)
        or any(
            entry.owns_spec and (entry.manager, entry.operation) != (FIELD_MANAGER, "Apply")
            for entry in seen.metadata.managed_fields
        )
    )


def is_idle(status: FloePluginStatus) -> bool:
    """Return True if the plugin is not Ready, but nothing is awaited, since nobody asked for it."""
    ready = status.condition(READY)
    awaited = status.condition(RECONCILING) or status.condition(STALLED)
    return not status.in_use and ready is not None and ready.status == "False" and awaited is None


def readiness(seen: FloePlugin | None) -> Readiness:
    """Return how a plugin is doing, by its object.

    One that was not judged yet counts as idle, which spares its dependents a status that holds for a moment.
    """
    ready = seen.status.condition(READY) if seen is not None and seen.status is not None else None
    if seen is None or seen.status is None or ready is None or ready.status == "Unknown":
        return Readiness.IDLE
    if ready.status == "True":
        return Readiness.READY
    return Readiness.IDLE if is_idle(seen.status) else Readiness.NOT_READY
