"""Whether somebody asked for an installed plugin, and which plugins that are not Ready concern nobody.

An installed plugin that nobody asked for is not broken: until somebody does, it may lack a configuration, or
need a plugin that lacks one.
"""

from __future__ import annotations

from floe_operator.rules.conditions import READY, RECONCILING, STALLED
from floe_operator.rules.facts import Readiness
from floe_operator.rules.resource import FIELD_MANAGER, FloePlugin, FloePluginStatus

_IDENTITY = frozenset({"type", "name"})
_NOT_ASKING = frozenset({(FIELD_MANAGER, "Apply"), ("before-first-apply", "Update")})
"""The operator, and the manager to which the API server gives all fields after managedFields were cleared:
https://github.com/kubernetes/apimachinery/blob/master/pkg/util/managedfields/internal/skipnonapplied.go"""


def is_in_use(seen: FloePlugin) -> bool:
    """Return True if somebody asked for the plugin: configured it, or applied its object.

    Labels and other annotations do not count: tools put those on everything.
    """
    return (
        not seen.spec.model_fields_set <= _IDENTITY
        or bool(seen.metadata.annotations)
        or any(
            entry.fields_v1.spec and (entry.manager, entry.operation) not in _NOT_ASKING
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

    Until it is judged, and before it has an object, a plugin that nobody asked for counts as idle: this
    spares its dependents a status that holds for a moment.
    """
    if seen is None:
        return Readiness.IDLE
    ready = seen.status.condition(READY) if seen.status is not None else None
    if seen.status is None or ready is None or not ready.is_judged:
        return Readiness.NOT_READY if is_in_use(seen) else Readiness.IDLE
    if ready.status == "True":
        return Readiness.READY
    return Readiness.IDLE if is_idle(seen.status) else Readiness.NOT_READY
