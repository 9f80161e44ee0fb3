"""Secrets and ConfigMaps: a watch on their metadata, and reads of single objects by name.

The watch asks for PartialObjectMetadata and keeps only the name and resourceVersion: annotations can hold
contents too (kubectl's last-applied configuration). Contents are read when a reconcile needs them and are not
kept here. A kind that nobody has asked for is not watched, so it needs no permission.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog

from floe_operator.api import errors, pages
from floe_operator.api.connection import Connection
from floe_operator.api.stream_state import SHORT_SECONDS, WATCH_SECONDS, StreamState
from floe_operator.rules import foreign_json
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.config_merge import Absent, Contents, Denied, SourceObject
from floe_operator.said import Said, gist

_PAGE = 500
_BACKOFF = Backoff(first=2.0, longest=15.0)
_LOST_SECONDS = 30.0
"""Seconds after which a watch that has failed since counts as lost."""

_Kind = Literal["Secret", "ConfigMap"]
_KINDS: tuple[_Kind, ...] = ("Secret", "ConfigMap")

_log = structlog.get_logger(__name__)


class Sources:
    """The Secrets and ConfigMaps of one namespace.

    `on_lost` is called with a kind once its watch has not worked for a while: from then on, whoever uses such
    an object must look at it from time to time.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        on_change: Callable[[SourceObject], None],
        on_lost: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._on_change = on_change
        self._on_lost = on_lost
        self._versions: dict[_Kind, dict[str, str]] = {kind: {} for kind in _KINDS}
        self._in_step: set[_Kind] = set()
        self._short = dict.fromkeys(_KINDS, 0)
        """Number of watches in a row that ended as soon as they began."""
        self._failing: set[_Kind] = set()
        self._doubtful: set[_Kind] = set()
        """The kinds to list again."""
        self._streams = {kind: StreamState() for kind in _KINDS}
        self._wanted = {kind: asyncio.Event() for kind in _KINDS}
        self._said: Said[_Kind] = Said()
        self._said_left_out: Said[_Kind] = Said()
        self.restarts = {SourceObject(kind, "").resource: 0 for kind in _KINDS}
        """How often the watch on each resource failed; its normal end, after 20 seconds, does not count."""

    def version(self, source: SourceObject) -> str | None:
        """Return the object's resourceVersion, or an empty string if the object does not exist.

        None means that its kind is not watched at the moment. The first call for a kind starts the watch.
        """
        self._wanted[source.kind].set()
        if source.kind not in self._in_step:
            return None
        return self._versions[source.kind].get(source.name, "")

    async def read(self, source: SourceObject) -> Contents:
        """Return what the object contains now.

        Raises:
            ClusterError: It cannot be read.
        """
        path = f"/api/v1/namespaces/{self._namespace}/{source.resource}/{source.name}"
        try:
            found = await self._connection.request("GET", path)
        except errors.NotFound:
            return Absent()
        except errors.MissingRight as error:
            return Denied(str(error))
        errors.check_kind(found, source.kind, f"GET {path}")
        if source.kind == "Secret":
            return _decoded(found.get("data"))
        data = foreign_json.mapping(found.get("data"))
        texts = {key: foreign_json.text(value).encode() for key, value in data.items()}
        return {**texts, **_decoded(found.get("binaryData"))}

    async def run(self) -> None:
        """Watch until cancelled; if the permission for a kind is missing, retry from time to time."""
        async with asyncio.TaskGroup() as group:
            for kind in _KINDS:
                group.create_task(self._follow(kind), name=f"watch {kind}s")

    def list_again(self) -> None:
        """List everything again when the present watches end, because their versions may mean nothing now."""
        self._doubtful.update(_KINDS)

    def streams(self) -> dict[str, StreamState]:
        """Return how the watch on each kind is doing, by resource.

        Left out is a kind that nobody asked for, and one whose permission is missing: that is the matter of
        the objects that need it, in their status.
        """
        return {
            SourceObject(kind, "").resource: self._streams[kind]
            for kind in _KINDS
            if self._wanted[kind].is_set() and not self._streams[kind].is_forbidden
        }

    @property
    def obstacle(self) -> str:
        """Why changes of Secrets or ConfigMaps do not arrive, for users; empty if they do."""
        return "; ".join(
            f"{resource}: {stream.obstacle}" for resource, stream in self.streams().items() if stream.obstacle
        )

    async def _follow(self, kind: _Kind) -> None:
        """List and watch a kind; after a failure start again, with growing pauses if it soon fails again."""
        await self._wanted[kind].wait()
        clock = asyncio.get_running_loop().time
        failures = 0
        lost_at = math.inf
        """When the watch counts as lost, if it worked once and has not worked since."""
        while True:
            listed_at = math.inf
            try:
                self._doubtful.discard(kind)
                version = await self._list(kind)
                listed_at = clock()
                self._in_step.add(kind)
                lost_at = math.inf
                if kind in self._failing:
                    self._failing.discard(kind)
                    _log.info("watching sources again", kind=kind)
                while kind not in self._doubtful:
                    version = await self._watch(kind, version)
                continue
            except errors.ClusterError as error:
                fault = error
            if kind in self._in_step:
                self._in_step.discard(kind)
                lost_at = clock() + _LOST_SECONDS
            elif clock() > lost_at:
                lost_at = math.inf
                self._on_lost(kind)
            self.restarts[SourceObject(kind, "").resource] += 1
            if clock() - listed_at > _BACKOFF.longest:
                failures = 0
                self._said.is_over(kind)
            if not isinstance(fault, _Expired):
                self._streams[kind].failed(str(fault), is_forbidden=isinstance(fault, errors.MissingRight))
                self._failing.add(kind)
                self._say(kind, str(fault))
            failures += 1
            await asyncio.sleep(_delay(fault, failures))

    def _say(self, kind: _Kind, reason: str) -> None:
        if self._said.is_new(kind, gist(reason)):
            _log.warning("cannot watch sources", kind=kind, reason=reason)

    async def _list(self, kind: _Kind) -> str:
        """List all objects of a kind, report every difference, and return the listing's resourceVersion."""
        seen: dict[str, str] = {}
        listed = pages.each(
            self._connection,
            self._path(kind),
            f"{kind}s",
            limit=_PAGE,
            accept=pages.METADATA.format("List"),
        )
        version = ""
        async for page in listed:
            version = page.version
            seen.update(map(_name_and_version, page.objects))
            if page.left_out and self._said_left_out.is_new(kind, page.left_out):
                _log.warning("ignoring sources", reason=page.left_out)
        before, self._versions[kind] = self._versions[kind], seen
        for name in before.keys() | seen.keys():
            if before.get(name) != seen.get(name):
                self._on_change(SourceObject(kind, name))
        return version

    async def _watch(self, kind: _Kind, version: str) -> str:
        """Follow changes since a version until the server ends the stream; return the last version seen."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        stream = self._connection.stream(
            self._path(kind),
            query=query,
            accept=pages.METADATA.format(""),
            on_open=self._streams[kind].opened,
        )
        clock = asyncio.get_running_loop().time
        began, changes = clock(), 0
        async for event in stream:
            if event.is_expired:
                raise _Expired("the resource version is too old")
            if event.type == "ERROR":
                raise errors.ClusterUnreachable(f"the watch on {kind}s ended: {event.error}")
            name, version = _name_and_version(event.object)
            if not event.is_change:
                continue
            changes += 1
            if event.type == "DELETED":
                self._versions[kind].pop(name, None)
            else:
                self._versions[kind][name] = version
            self._on_change(SourceObject(kind, name))
        if clock() - began >= SHORT_SECONDS:
            self._short[kind] = 0
            return version
        self._short[kind] += 1
        if self._short[kind] > 1 and not changes:
            raise errors.ClusterUnreachable(f"the watch on {kind}s ended as soon as it began")
        await asyncio.sleep(SHORT_SECONDS)
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
    return errors.pause(fault, _BACKOFF.after(failures))


def _name_and_version(seen: Mapping[str, Any]) -> tuple[str, str]:
    metadata = foreign_json.mapping(seen.get("metadata"))
    return foreign_json.text(metadata.get("name")), foreign_json.text(metadata.get("resourceVersion"))


def _decoded(data: object) -> dict[str, bytes]:
    """Return the contents of `data` or `binaryData`; a value that is not base64 counts as missing."""
    decoded = {}
    for key, value in foreign_json.mapping(data).items():
        with contextlib.suppress(binascii.Error, ValueError):
            decoded[key] = base64.b64decode(foreign_json.text(value))
    return decoded
