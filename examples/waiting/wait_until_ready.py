"""Waits until a plugin can be used: wait_until_ready.py NAMESPACE NAME SECONDS."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
from kubernetes.aio import client, config, watch


class PluginStalled(Exception):
    """Waiting is of no use: the spec or the plugin must change."""


def is_ready(plugin: dict[str, Any]) -> bool:
    """Whether the plugin can be used as its spec is now; PluginStalled if waiting is of no use."""
    metadata, status = plugin["metadata"], plugin["status"]
    if "deletionTimestamp" in metadata or status["observedGeneration"] != metadata["generation"]:
        return False  # the conditions are those of another spec
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    if "Stalled" in conditions:
        raise PluginStalled("{reason}: {message}".format(**conditions["Stalled"]))
    if "Reconciling" in conditions:
        return False  # beside Ready=True: a changed Secret is being tried
    return "Ready" in conditions and conditions["Ready"]["status"] == "True"


async def wait_until_ready(api: client.CustomObjectsApi, namespace: str, name: str) -> dict[str, Any]:
    """The object, once it is ready; PluginStalled as soon as it is stalled. Cancel it to give up."""
    while True:
        plugin = await watch_for_ready(api, namespace, name)
        if plugin is not None:
            return plugin
        await asyncio.sleep(1)  # the API server may be away


async def watch_for_ready(api: client.CustomObjectsApi, namespace: str, name: str) -> dict[str, Any] | None:
    """The same for one watch; None if that ended."""
    # Without a resource version a watch begins with the object as it is now.
    changes = watch.Watch().stream(
        api.list_namespaced_custom_object,
        "floe.dev",
        "v1alpha1",
        namespace,
        "floeplugins",
        field_selector=f"metadata.name={name}",
        timeout_seconds=240,
    )
    try:
        async with changes:
            async for change in changes:
                # The operator brings back the object of an installed plugin that is deleted.
                if change["type"] != "DELETED" and is_ready(change["object"]):
                    return dict(change["object"])
    except client.ApiException as error:
        if error.status not in (410, 429, 500, 502, 503, 504):
            raise
    except aiohttp.ClientError:
        pass
    return None


async def main(namespace: str, name: str, seconds: float) -> None:
    await config.load_kube_config()
    async with client.ApiClient() as connection:
        waiting = wait_until_ready(client.CustomObjectsApi(connection), namespace, name)
        try:
            await asyncio.wait_for(waiting, seconds)
        except PluginStalled as error:
            sys.exit(f"{name} is stalled: {error}")
        except asyncio.TimeoutError:
            sys.exit(f"{name} is not ready after {seconds:g}s")
    print(f"{name} is ready")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
