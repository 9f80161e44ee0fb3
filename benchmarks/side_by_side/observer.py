"""A client that changes FloePlugins and sees when each is judged, as the operator's users would.

It must not take the processor from those it observes: it looks at an object only when an event brings it, and
only if that object is awaited.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config

Object = Mapping[str, Any]
Check = Callable[[Object | None], bool]
"""Whether an object, or None if there is none, is as it is awaited."""

_AT_ONCE = 16
_MERGE = "application/merge-patch+json"


class RequestTimedOut(RuntimeError):
    """The API server has not completed a request in the time that it allows one."""


class Observer:
    """The FloePlugins of one namespace, kept up to date by a watch."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str) -> None:
        self._session = session
        self._collection = f"/apis/floe.dev/v1alpha1/namespaces/{namespace}/floeplugins"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._awaited: dict[str, Check] = {}
        self._done = asyncio.Event()
        self.follows = asyncio.Event()
        """Set once there is a first list."""
        self.objects: dict[str, Object] = {}

    async def request(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Any:
        """Send a request and return the JSON of the answer.

        Raises:
            RequestTimedOut: A part of it may be done.
            RuntimeError: The request failed.
        """
        headers = {"Content-Type": content_type}
        content = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=content, headers=headers) as answer:
            payload = await answer.read()
        if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
            raise RequestTimedOut(f"{method} {path}")
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {payload[:300]!r}")
        return json.loads(payload)

    async def create(self, manifests: Iterable[Object]) -> None:
        """Create objects, sixteen at a time."""
        await _at_once(self.request("POST", self._collection, each) for each in manifests)

    async def change(self, name: str, spec: Object) -> int:
        """Merge `spec` into the spec of one object, and return the object's new generation."""
        changed = await self.request("PATCH", f"{self._collection}/{name}", {"spec": spec}, _MERGE)
        return int(changed["metadata"]["generation"])

    async def change_all(self, specs: Mapping[str, Object]) -> dict[str, int]:
        """Change many objects, sixteen at a time, and return their generations."""
        found: dict[str, int] = {}

        async def change(name: str, spec: Object) -> None:
            found[name] = await self.change(name, spec)

        await _at_once(change(name, spec) for name, spec in specs.items())
        return found

    async def create_secret(self, name: str, value: str) -> None:
        """Create a Secret with the single key `value`."""
        await self.request("POST", self._secrets, {"metadata": {"name": name}, "data": _data(value)})

    async def change_secret(self, name: str, value: str) -> None:
        """Change the value of a Secret."""
        await self.request("PATCH", f"{self._secrets}/{name}", {"data": _data(value)}, _MERGE)

    async def label_secret(self, name: str, value: str) -> None:
        """Change nothing but a label of a Secret."""
        body = {"metadata": {"labels": {"touched": value}}}
        await self.request("PATCH", f"{self._secrets}/{name}", body, _MERGE)

    async def delete_all(self) -> None:
        """Delete all FloePlugins and Secrets of the namespace, in as many requests as that takes."""
        for collection in (self._collection, self._secrets):
            while (await self.request("GET", f"{collection}?limit=1"))["items"]:
                with suppress(RequestTimedOut):
                    await self.request("DELETE", collection)

    async def until(self, checks: Mapping[str, Check], *, within: float) -> float:
        """Wait until each of these objects is as awaited, and return that moment (seconds, monotonic)."""
        self._awaited = {name: check for name, check in checks.items() if not check(self.objects.get(name))}
        self._done.clear()
        try:
            async with asyncio.timeout(within):
                while self._awaited:
                    await self._done.wait()
        except TimeoutError:
            said = f"{len(self._awaited)} of {len(checks)} are not as awaited after {within:.0f} s"
            raise RuntimeError(f"{said}, such as {next(iter(self._awaited))}") from None
        return time.monotonic()

    async def follow(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                listed = await self.request("GET", self._collection)
            except RuntimeError:  # a new CRD is not served immediately
                await asyncio.sleep(0.2)
                continue
            self.follows.set()
            present = {each["metadata"]["name"]: each for each in listed["items"]}
            for name in self.objects.keys() - present.keys():
                self._take(name, None)
            for name, found in present.items():
                self._take(name, found)
            version = listed["metadata"]["resourceVersion"]
            query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "7200"}
            async with self._session.get(self._collection, params=query) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    found = event["object"]
                    self._take(found["metadata"]["name"], None if event["type"] == "DELETED" else found)

    def _take(self, name: str, found: Object | None) -> None:
        if found is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = found
        check = self._awaited.get(name)
        if check is not None and check(found):
            del self._awaited[name]
            if not self._awaited:
                self._done.set()


@asynccontextmanager
async def observing(kubeconfig: Path, namespace: str) -> AsyncIterator[Observer]:
    """Run an observer."""
    found = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=found)  # type: ignore[no-untyped-call]
    context = ssl.create_default_context(cafile=found.ssl_ca_cert)
    context.load_cert_chain(str(found.cert_file), found.key_file)
    async with aiohttp.ClientSession(
        found.host,
        connector=aiohttp.TCPConnector(ssl=context),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=2**20,
    ) as session:
        observer = Observer(session, namespace)
        task = asyncio.create_task(observer.follow())
        try:
            await observer.follows.wait()
            yield observer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def judged(generation: int = 1) -> Check:
    """Return a check that Ready is True or False at this generation or a later one."""

    def check(found: Object | None) -> bool:
        status = (found or {}).get("status", {})
        return status.get("observedGeneration", -1) >= generation and any(
            each["type"] == "Ready" and each["status"] != "Unknown" for each in status.get("conditions", ())
        )

    return check


def ready_because(reason: str) -> Check:
    """Return a check that Ready has this reason."""

    def check(found: Object | None) -> bool:
        conditions = (found or {}).get("status", {}).get("conditions", ())
        return any(each["type"] == "Ready" and each["reason"] == reason for each in conditions)

    return check


def gone(found: Object | None) -> bool:
    """Return True if the object is gone."""
    return found is None


def _data(value: str) -> dict[str, str]:
    return {"value": base64.b64encode(value.encode()).decode()}


async def _at_once(calls: Iterable[Awaitable[Any]]) -> None:
    todo = iter(calls)

    async def work() -> None:
        for call in todo:
            await call

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
