"""Secrets and ConfigMaps: a watch on their metadata, and reads of single objects by name.

The watch asks for PartialObjectMetadata and keeps only the name and resourceVersion: annotations can hold
contents too (kubectl's last-applied configuration). Contents are read when a reconcile needs them and are not
kept here. A kind that nobody has asked for is not watched, so it needs no permission.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.config_merge import Absent, Contents, Denied, SourceObject
from floe_operator.said import Said

_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_PAGE = 500
_WATCH_SECONDS = 300
_BACKOFF = Backoff(first=2.0, longest=15.0)
_SHORT_SECONDS = 1.0
"""Seconds below which a watch without an event counts as failed, as in client-go."""

_Kind = Literal["Secret", "ConfigMap"]
_KINDS: tuple[_Kind, ...] = ("Secret", "ConfigMap")

_log = structlog.get_logger(__name__)


class Sources:
    """The Secrets and ConfigMaps of one namespace."""

    def __init__(
        self, connection: Connection, namespace: str, on_change: Callable[[SourceObject], None]
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._on_change = on_change
        self._versions: dict[_Kind, dict[str, str]] = {kind: {} for kind in _KINDS}
        self._in_step: set[_Kind] = set()
        self._wanted = {kind: asyncio.Event() for kind in _KINDS}
        self._said: Said[_Kind] = Said()
        self.restarts = 0
        """How often a watch failed; its normal end, after some minutes, does not count."""

    def version(self, source: SourceObject) -> str | None:
        """Return the object's resourceVersion, or an empty string if the object does not exist.

        None means that its kind is not watched at the moment. The first call for a kind starts the watch.
        """
        self._wanted[source.kind].set()
        if source.kind not in self._in_step:
            return None
        return self._versions[source.kind].get(source.name, "")

    async def read(self, source: SourceObject) -> Contents:
        """Return what the object contains now."""
        path = f"/api/v1/namespaces/{self._namespace}/{source.resource}/{source.name}"
        try:
            found = await self._connection.request("GET", path)
        except errors.NotFound:
            return Absent()
        except errors.MissingRight as error:
            return Denied(str(error))
        if source.kind == "Secret":
            return _decoded(found.get("data"))
        texts = {key: str(text).encode() for key, text in (found.get("data") or {}).items()}
        return {**texts, **_decoded(found.get("binaryData"))}

    async def run(self) -> None:
        """Watch until cancelled; if the permission for a kind is missing, retry from time to time."""
        async with asyncio.TaskGroup() as group:
            for kind in _KINDS:
                group.create_task(self._follow(kind), name=f"watch {kind}s")

    async def _follow(self, kind: _Kind) -> None:
        """List and watch a kind; after a failure start again, with growing pauses if it soon fails again."""
        await self._wanted[kind].wait()
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            listed_at = math.inf
            try:
                version = await self._list(kind)
                listed_at = clock()
                self._in_step.add(kind)
                while True:
                    version = await self._watch(kind, version)
            except errors.ClusterError as error:
                fault = error
            self._in_step.discard(kind)
            self.restarts += 1
            if clock() - listed_at > _BACKOFF.longest:
                failures = 0
                self._said.is_over(kind)
            if not isinstance(fault, _Expired):
                self._say(kind, str(fault))
            failures += 1
            await asyncio.sleep(_delay(fault, failures))

    def _say(self, kind: _Kind, reason: str) -> None:
        if self._said.is_new(kind, reason):
            _log.warning(
                "cannot watch sources: changes are noticed only at the next scan", kind=kind, reason=reason
            )

    async def _list(self, kind: _Kind) -> str:
        """List all objects of a kind, report every difference, and return the listing's resourceVersion."""
        seen: dict[str, str] = {}
        query = {"limit": str(_PAGE)}
        while True:
            page = await self._connection.request(
                "GET", self._path(kind), query=query, accept=_METADATA.format("List")
            )
            seen.update(map(_name_and_version, page.get("items") or ()))
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query = {"limit": str(_PAGE), "continue": metadata["continue"]}
        before, self._versions[kind] = self._versions[kind], seen
        for name in before.keys() | seen.keys():
            if before.get(name) != seen.get(name):
                self._on_change(SourceObject(kind, name))
        return str(metadata.get("resourceVersion", ""))

    async def _watch(self, kind: _Kind, version: str) -> str:
        """Follow changes since a version until the server ends the stream; return the last version seen."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        stream = self._connection.stream(
            self._path(kind), query=query, accept=_METADATA.format(""), timeout=_WATCH_SECONDS + 30
        )
        clock = asyncio.get_running_loop().time
        began, changes = clock(), 0
        async for event in stream:
            what, seen = event.get("type"), event["object"]
            if what == "ERROR":
                if seen.get("code") == 410:
                    raise _Expired("the resource version is too old")
                raise errors.ClusterUnreachable(f"the watch on {kind}s ended: {seen.get('message')}")
            name, version = _name_and_version(seen)
            if what == "BOOKMARK":
                continue
            changes += 1
            if what == "DELETED":
                self._versions[kind].pop(name, None)
            else:
                self._versions[kind][name] = version
            self._on_change(SourceObject(kind, name))
        if not changes and clock() - began < _SHORT_SECONDS:
            raise errors.ClusterUnreachable(f"the watch on {kind}s ended as soon as it began")
        return version

    def _path(self, kind: _Kind) -> str:
        return f"/api/v1/namespaces/{self._namespace}/{SourceObject(kind, '').resource}"


class _Expired(errors.ClusterError):
    """The resource version is too old; list again."""


def _delay(fault: errors.ClusterError, failures: int) -> float:
    """Return the seconds until the next attempt, after this many failures in a row."""
    if isinstance(fault, errors.MissingRight):
        return _BACKOFF.longest
    if isinstance(fault, _Expired) and failures == 1:
        return 0.0
    return _BACKOFF.after(failures)


def _name_and_version(seen: Mapping[str, Any]) -> tuple[str, str]:
    metadata = seen.get("metadata") or {}
    return str(metadata.get("name", "")), str(metadata.get("resourceVersion", ""))


def _decoded(data: Mapping[str, str] | None) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(text) for key, text in (data or {}).items()}
    except binascii.Error:
        return {}
