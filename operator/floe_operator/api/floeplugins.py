"""All requests about the FloePlugins of one namespace, except the watch.

Server-side apply uses two field managers: one for what the operator puts into an object (never forced), and
one for the status (forced, since nobody else may write it). There is no rate limit: the API server says when
it has too much to do, and then all writes wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.api import errors, pages
from floe_operator.api.connection import Connection
from floe_operator.api.served_crd import NOT_INSTALLED, ServedCrd
from floe_operator.rules import foreign_json
from floe_operator.rules.resource import (
    FIELD_MANAGER,
    GROUP,
    KIND,
    PLURAL,
    STATUS_FIELD_MANAGER,
    VERSION,
    object_name,
)
from floe_operator.said import Said

RIGHTS = (
    ("list", PLURAL),
    ("watch", PLURAL),
    ("create", PLURAL),
    ("patch", PLURAL),
    ("delete", PLURAL),
    ("patch", f"{PLURAL}/status"),
)
"""The (verb, resource) pairs that the operator needs; manifests/base grants only these."""

_log = structlog.get_logger(__name__)

_PATIENCE = 2.0
"""Seconds that a write waits at most because the API server asked to."""
_PAGE = 250
_QUICK_SECONDS = 10.0
"""Timeout, in seconds, of a request that the API server can answer immediately."""
_REFUSAL_SECONDS = 180.0
"""Seconds for which a refusal counts if it does not recur; a write that is still needed is retried sooner."""
_APPLY = "application/apply-patch+yaml"
_ALL = "all"


class Newest(NamedTuple):
    """The collection at one moment."""

    version: str
    """Its resourceVersion."""
    number: int | None
    """How many objects it has, or None if the API server does not say."""


class FloePlugins:
    """The FloePlugins of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self.namespace = namespace
        self._welcome_at = -math.inf
        """Until when the API server asked to wait, in seconds of the monotonic clock."""
        self._unlisted: dict[str, str] = {}
        """Why each kind of listing failed, until it succeeds, or a listing of everything does."""
        self._refusals: dict[str, tuple[str, float]] = {}
        self._said: Said[str] = Said()
        self.collection = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        """The path of the objects."""
        self.crd = ServedCrd(connection)

    @property
    def refusals(self) -> dict[str, str]:
        """The kinds of writes that fail for lack of a permission or the namespace, and how to fix each."""
        horizon = time.monotonic() - _REFUSAL_SECONDS
        return {kind: reason for kind, (reason, at) in self._refusals.items() if at > horizon}

    async def is_served(self) -> bool:
        """Return True if the API server serves FloePlugins: the CRD is installed and established."""
        try:
            found = await self._connection.request("GET", f"/apis/{GROUP}/{VERSION}", timeout=_QUICK_SECONDS)
        except errors.NotFound:
            return False
        if not isinstance(found.get("resources"), list):
            raise errors.Refused("the API server's answer is no list of resources")
        resources = map(foreign_json.mapping, found["resources"])
        served = {resource.get("name") for resource in resources}
        return {PLURAL, f"{PLURAL}/status"} <= served

    async def newest(self) -> Newest:
        """Return what is known of the collection as it is now from a listing of one object."""
        with self._listing("newest version"):
            answer = await self._connection.request(
                "GET",
                self.collection,
                query={"limit": "1"},
                accept=pages.METADATA.format("List"),
                timeout=_QUICK_SECONDS,
            )
            page = pages.page(answer, PLURAL)
            more = foreign_json.mapping(answer.get("metadata")).get("remainingItemCount", 0)
            number = len(page.names) + more if isinstance(more, int) else None
            return Newest(page.version, None if page.more and not more else number)

    async def missing_rights(self) -> list[str]:
        """Ask the API server which permissions are missing; return them like `patch floeplugins/status`."""

        async def allowed(verb: str, resource: str) -> bool:
            name, _, subresource = resource.partition("/")
            attributes = {"namespace": self.namespace, "group": GROUP, "verb": verb, "resource": name}
            if subresource:
                attributes["subresource"] = subresource
            review = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            }
            answer = await self._connection.request(
                "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review
            )
            return foreign_json.mapping(answer.get("status")).get("allowed") is True

        answers = await asyncio.gather(*(allowed(verb, resource) for verb, resource in RIGHTS))
        asked = zip(RIGHTS, answers, strict=True)
        return [f"{verb} {resource}" for (verb, resource), yes in asked if not yes]

    async def list(self) -> AsyncIterator[pages.Page]:
        """Yield all objects of the namespace, as they were at one moment, page by page."""
        with self._listing(_ALL):
            async for page in pages.each(self._connection, self.collection, PLURAL, limit=_PAGE):
                if page.left_out and self._said.is_new("left out", page.left_out):
                    _log.warning("ignoring FloePlugins", reason=page.left_out)
                yield page

    @contextlib.contextmanager
    def _listing(self, kind: str) -> Iterator[None]:
        """Remember whether this kind of listing fails, and log it if it is the first that does."""
        try:
            yield
        except errors.NotFound:  # the watch waits for the CRD, and says so
            self._unlisted[kind] = NOT_INSTALLED
            raise
        except errors.ClusterError as error:
            if not self._unlisted:
                _log.warning("cannot list FloePlugins", reason=str(error))
            self._unlisted[kind] = str(error)
            raise
        was_unlisted = bool(self._unlisted)
        if kind == _ALL:
            self._unlisted.clear()
        else:
            self._unlisted.pop(kind, None)
        if was_unlisted and not self._unlisted:
            _log.info("listing FloePlugins again")

    @property
    def listing_failed(self) -> bool:
        """Whether the last listing of everything failed."""
        return _ALL in self._unlisted

    @property
    def unlisted(self) -> str:
        """Why the last listing failed, for users; empty if it did not."""
        return next(iter(self._unlisted.values()), "")

    async def apply(self, plugin: PluginId, labels: Mapping[str, str], *, uid: str | None) -> dict[str, Any]:
        """Apply type, name and labels to the object with this uid, or create it; never take over a field.

        Raises:
            Conflict: Another field manager set a field to a different value, or the uid has changed.
        """
        metadata: dict[str, Any] = {"name": object_name(plugin), "labels": dict(labels)}
        if uid is not None:
            metadata["uid"] = uid
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": metadata,
            "spec": {"type": plugin.plugin_type.slug, "name": plugin.name},
        }
        return await self._write(
            "object",
            "PATCH",
            f"{self.collection}/{object_name(plugin)}",
            query={"fieldManager": FIELD_MANAGER, "force": "false"},
            body=body,
            content_type=_APPLY,
        )

    async def apply_status(self, plugin: PluginId, *, uid: str, status: Mapping[str, Any]) -> dict[str, Any]:
        """Write the status of the object with this uid.

        Raises:
            NotFound: The object no longer exists.
            Conflict: Another object has taken its place.
        """
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {"name": object_name(plugin), "uid": uid},
            "status": dict(status),
        }
        return await self._write(
            "status",
            "PATCH",
            f"{self.collection}/{object_name(plugin)}/status",
            query={"fieldManager": STATUS_FIELD_MANAGER, "force": "true"},
            body=body,
            content_type=_APPLY,
        )

    async def patch_status(self, plugin: PluginId, patch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send a JSON patch (RFC 6902) to the status.

        Raises:
            Conflict: The object no longer has the version that the patch tests for.
        """
        return await self._write(
            "status",
            "PATCH",
            f"{self.collection}/{object_name(plugin)}/status",
            query={"fieldManager": STATUS_FIELD_MANAGER},
            body=patch,
            content_type="application/json-patch+json",
        )

    async def delete(self, plugin: PluginId, *, uid: str, resource_version: str) -> None:
        """Delete the object if it is still as it was seen.

        Raises:
            Conflict: The object has changed since.
        """
        await self._write(
            "deletion",
            "DELETE",
            f"{self.collection}/{object_name(plugin)}",
            body={
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": uid, "resourceVersion": resource_version},
            },
        )

    async def _write(self, kind: str, method: str, path: str, **options: Any) -> dict[str, Any]:
        await self._until_welcome()
        try:
            answer = await self._connection.write(kind, method, path, **options)
        except errors.MissingRight as error:
            self._refusals[kind] = str(error), time.monotonic()
            raise
        except errors.NotInSchema as error:
            await self.crd.refused(error)
            raise
        except (errors.ClusterUnreachable, errors.NotLeading) as error:  # says nothing about permissions
            if error.after is not None:
                self._welcome_at = max(self._welcome_at, time.monotonic() + error.after)
            raise
        except errors.ClusterError as error:
            if isinstance(error, errors.NotFound) and str(error).startswith("namespaces "):
                self._refused_without_namespace(kind)
            else:
                self._refusals.pop(kind, None)
            raise
        self._refusals.pop(kind, None)
        if kind != "deletion":
            errors.check_kind(answer, KIND, f"{method} {path}")
        if kind == "status":
            self.crd.accepted()
        return answer

    async def _until_welcome(self) -> None:
        """Wait as long as the API server asked to; if that is long, have the write decided anew."""
        if (left := self._welcome_at - time.monotonic()) > _PATIENCE:
            raise errors.ClusterUnreachable("the API server asked to wait", after=left)
        if left > 0:
            await asyncio.sleep(left)

    def _refused_without_namespace(self, kind: str) -> None:
        reason = f"the namespace {self.namespace} does not exist: create it, or change --namespace"
        if self.refusals.get(kind) != reason:
            _log.warning("cannot write FloePlugins", reason=reason)
        self._refusals[kind] = reason, time.monotonic()
