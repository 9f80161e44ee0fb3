"""The least a kopf operator can do with FloePlugins: one status write per change, eight at a time.

Usage: python bare_loop.py NAMESPACE. It asks no plugin and assesses nothing, and needs nothing but kopf.
"""

from __future__ import annotations

import sys
from typing import Any

import kopf

WRITERS = 8


@kopf.on.event("floe.dev", "v1alpha1", "floeplugins")
async def seen(meta: kopf.Meta, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Set a status that says which generation was seen, unless it does."""
    generation = meta["generation"]
    if status.get("observedGeneration") == generation:
        return
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "Written",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": generation,
    }
    patch.status.update(observedGeneration=generation, conditions=[ready])


def main(namespace: str) -> None:
    """Watch and write until the process is ended."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.queueing.worker_limit = WRITERS
    # No worker waits for more events of its object, or for the echo of its write.
    settings.queueing.idle_timeout = 0.001
    settings.persistence.consistency_timeout = 0
    kopf.run(settings=settings, standalone=True, namespaces=[namespace])


if __name__ == "__main__":
    main(sys.argv[1])
