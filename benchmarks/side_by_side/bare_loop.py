"""The least a kopf operator can do with FloePlugins: one status write per change, eight at a time.

Usage: python -m benchmarks.side_by_side.bare_loop NAMESPACE. It asks no plugin, assesses nothing and keeps no
state but the generation it wrote.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import kopf
from kubernetes.aio import client, config

GROUP, VERSION, PLURAL = "floe.dev", "v1alpha1", "floeplugins"
WRITERS = 8


async def run(namespace: str) -> None:
    """Watch and write until the process is ended."""
    await config.load_kube_config()  # type: ignore[no-untyped-call]
    api = client.CustomObjectsApi()
    due: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    written: dict[str, int] = {}
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True

    @kopf.on.event(GROUP, VERSION, PLURAL)
    async def seen(name: str, meta: Any, **_: Any) -> None:
        generation = meta["generation"]
        if written.get(name, 0) < generation:
            written[name] = generation
            due.put_nowait((name, generation))

    async def write() -> None:
        while True:
            name, generation = await due.get()
            ready = {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "Written",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": generation,
            }
            await api.patch_namespaced_custom_object_status(
                GROUP,
                VERSION,
                namespace,
                PLURAL,
                name,
                {"status": {"observedGeneration": generation, "conditions": [ready]}},
                _content_type="application/merge-patch+json",
            )

    writers = [asyncio.create_task(write()) for _ in range(WRITERS)]
    try:
        await kopf.operator(settings=settings, standalone=True, namespaces=[namespace])
    finally:
        for writer in writers:
            writer.cancel()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
