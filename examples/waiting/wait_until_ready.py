"""Wait until a plugin can be used: wait_until_ready.py NAMESPACE NAME SECONDS."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
from kubernetes.aio import client, config, watch


class PluginStalled(Exception):
    """Waiting will not help: the spec or the plugin must change."""


def is_ready(plugin: dict[str, Any]) -> bool:
    """Return whether the plugin can be used with its current spec.

    Raises:
        PluginStalled: Waiting will not help.
    """
    metadata, status = plugin["metadata"], plugin["status"]
    if "deletionTimestamp" in metadata or status["observedGeneration"] != metadata["generation"]:
        return False  # being deleted, or the conditions belong to an earlier spec
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    if "Stalled" in conditions:
        raise PluginStalled("{reason}: {message}".format(**conditions["Stalled"]))
    if "Reconciling" in conditions:
        return False  # even with Ready=True: a change, such as a new Secret value, is being tried
    return "Ready" in conditions and conditions["Ready"]["status"] == "True"


async def wait_until_ready(api: client.CustomObjectsApi, namespace: str, name: str) -> dict[str, Any]:
    """Return the object once it is ready. Cancel the call to give up.

    Raises:
        PluginStalled: The object is stalled.
    """
    while True:
        plugin = await watch_for_ready(api, namespace, name)
        if plugin is not None:
            return plugin
        await asyncio.sleep(1)  # the API server might be down


async def watch_for_ready(api: client.CustomObjectsApi, namespace: str, name: str) -> dict[str, Any] | None:
    """Return the object once it is ready, or None if the watch ended first."""
    # Without a resource version, a watch starts with the current object.
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
                # If the object of an installed plugin is deleted, the operator recreates it.
                if change["type"] != "DELETED" and is_ready(change["object"]):
                    return dict(change["object"])
    except client.ApiException as error:
        if error.status not in (410, 429, 500, 502, 503, 504):
            raise
    except aiohttp.ClientError:
        pass
    return None


async def main(namespace: str, name: str, seconds: float) -> None:
    """Wait for at most `seconds`, print the result, and exit with an error if the plugin is not ready."""
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
