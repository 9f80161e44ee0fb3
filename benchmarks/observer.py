"""A client that changes FloePlugins and sees when each is assessed, as the operator's users would."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

GROUP_PATH = "/apis/floe.dev/v1alpha1"
_AT_ONCE = 16


class Observer:
    """The FloePlugins of one namespace, kept up to date by a watch."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._changed = asyncio.Event()
        self.objects: dict[str, dict[str, Any]] = {}

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Send a request and return the JSON of the answer.

        Raises:
            RuntimeError: The request failed.
        """
        answer = await self._send(method, path, body, content_type)
        payload = await answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {payload[:300]!r}")
        return dict(json.loads(payload))

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = ""
    ) -> Any:
        arguments = await self._api.param_serialize(
            method,
            path,
            header_params={"Content-Type": content_type or "application/json", "Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        method, url, headers, _, _ = arguments
        limits = aiohttp.ClientTimeout(total=None)
        return await self._api.call_api(method, url, headers, body=body, _request_timeout=limits)

    @property
    def _collection(self) -> str:
        return f"{GROUP_PATH}/namespaces/{self._namespace}/floeplugins"

    async def create(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Create objects, sixteen at a time."""
        await _at_once(self.request("POST", self._collection, each) for each in manifests)

    async def change(self, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `spec` into the spec of one object, and return the object."""
        path = f"{self._collection}/{name}"
        return await self.request("PATCH", path, {"spec": dict(spec)}, "application/merge-patch+json")

    async def change_all(self, specs: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
        """Change many objects, sixteen at a time, and return their generations."""
        found: dict[str, int] = {}

        async def change(name: str, spec: Mapping[str, Any]) -> None:
            found[name] = (await self.change(name, spec))["metadata"]["generation"]

        await _at_once(change(name, spec) for name, spec in specs.items())
        return found

    async def secret(self, name: str, value: str, *, create: bool = False) -> None:
        """Create or change a Secret with the single key `value`."""
        path = f"/api/v1/namespaces/{self._namespace}/secrets"
        data = {"value": base64.b64encode(value.encode()).decode()}
        if create:
            await self.request("POST", path, {"metadata": {"name": name}, "data": data})
        else:
            await self.request("PATCH", f"{path}/{name}", {"data": data}, "application/merge-patch+json")

    async def until(self, check: Callable[[], bool], *, within: float = 180.0) -> float:
        """Wait until the watch makes `check` true, and return that moment (seconds, monotonic)."""
        async with asyncio.timeout(within):
            while not check():
                self._changed.clear()
                await self._changed.wait()
        return time.monotonic()

    async def follow(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                listed = await self.request("GET", self._collection)
            except RuntimeError:  # a new CRD is not served immediately
                await asyncio.sleep(0.2)
                continue
            self.objects = {each["metadata"]["name"]: each for each in listed["items"]}
            self._changed.set()
            query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
            answer = (await self._send("GET", f"{self._collection}?{urlencode(query)}")).response
            buffered = b""
            async for chunk in answer.content.iter_any():
                *lines, buffered = (buffered + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                self._changed.set()

    def _take(self, event: Mapping[str, Any]) -> None:
        found = event["object"]
        if event["type"] == "DELETED":
            self.objects.pop(found["metadata"]["name"], None)
        elif event["type"] in ("ADDED", "MODIFIED"):
            self.objects[found["metadata"]["name"]] = found


@asynccontextmanager
async def observing(kubeconfig: Path, namespace: str) -> AsyncIterator[Observer]:
    """Run an observer."""
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with client.ApiClient(configuration) as api:
        observer = Observer(api, namespace)
        task = asyncio.create_task(observer.follow())
        try:
            yield observer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def is_judged(found: Mapping[str, Any], generation: int = 1) -> bool:
    """Return True if Ready is True or False at this generation or a later one."""
    status = found.get("status", {})
    return status.get("observedGeneration", -1) >= generation and any(
        each["type"] == "Ready" and each["status"] != "Unknown" for each in status.get("conditions", ())
    )


def reason(found: Mapping[str, Any]) -> str:
    """Return the reason of Ready."""
    conditions = found.get("status", {}).get("conditions", ())
    return next((str(each["reason"]) for each in conditions if each["type"] == "Ready"), "")


async def _at_once(calls: Iterable[Awaitable[Any]]) -> None:
    todo = iter(calls)

    async def work() -> None:
        for call in todo:
            await call

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
