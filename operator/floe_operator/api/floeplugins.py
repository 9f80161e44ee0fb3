"""All requests about the FloePlugins of one namespace, except the watch.

Server-side apply uses two field managers: one for what the operator puts into an object (never forced), and
one for the status (forced, since nobody else may write it). Writes share one rate limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.rules.resource import (
    FIELD_MANAGER,
    GROUP,
    KIND,
    PLURAL,
    STATUS_FIELD_MANAGER,
    TYPE_LABEL,
    VERSION,
    object_name,
)

WRITES_PER_SECOND = 300
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

_PAGE = 250
_QUICK_SECONDS = 10.0
"""Timeout, in seconds, of a request that the API server can answer immediately."""
_REFUSAL_SECONDS = 180.0
"""Seconds for which a refusal counts if it does not recur; a write that is still needed is retried sooner."""
_APPLY = "application/apply-patch+yaml"


class FloePlugins:
    """The FloePlugins of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self.namespace = namespace
        self._pace = _Pace(WRITES_PER_SECOND)
        self._refusals: dict[str, tuple[str, float]] = {}
        self._collection = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"

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
        served = {resource.get("name") for resource in found.get("resources") or ()}
        return {PLURAL, f"{PLURAL}/status"} <= served

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
            return bool((answer.get("status") or {}).get("allowed"))

        answers = await asyncio.gather(*(allowed(verb, resource) for verb, resource in RIGHTS))
        asked = zip(RIGHTS, answers, strict=True)
        return [f"{verb} {resource}" for (verb, resource), yes in asked if not yes]

    async def list(self) -> AsyncIterator[dict[str, Any]]:
        """Yield all objects of the namespace, as they were at one moment."""
        query = {"limit": str(_PAGE)}
        while True:
            page = await self._connection.request("GET", self._collection, query=query)
            for item in page.get("items") or ():
                yield item
            if not (more := (page.get("metadata") or {}).get("continue")):
                return
            query = {"limit": str(_PAGE), "continue": more}

    async def apply(self, plugin: PluginId, *, uid: str | None) -> dict[str, Any]:
        """Apply type, name and label to the object with this uid, or create it; never take over a field.

        Raises:
            Conflict: Another field manager set a field to a different value, or the uid has changed.
        """
        labels = {TYPE_LABEL: plugin.plugin_type.slug}
        metadata: dict[str, Any] = {"name": object_name(plugin), "labels": labels}
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
            f"{self._collection}/{object_name(plugin)}",
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
            f"{self._collection}/{object_name(plugin)}/status",
            query={"fieldManager": STATUS_FIELD_MANAGER, "force": "true"},
            body=body,
            content_type=_APPLY,
        )

    async def patch_status(self, plugin: PluginId, patch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send a JSON patch (RFC 6902) to the status.

        Raises:
            Refused: The object no longer has the version that the patch tests for.
        """
        return await self._write(
            "status",
            "PATCH",
            f"{self._collection}/{object_name(plugin)}/status",
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
            f"{self._collection}/{object_name(plugin)}",
            body={
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": uid, "resourceVersion": resource_version},
            },
        )

    async def _write(self, kind: str, method: str, path: str, **options: Any) -> dict[str, Any]:
        await self._pace.wait()
        try:
            answer = await self._connection.write(kind, method, path, **options)
        except errors.MissingRight as error:
            self._refusals[kind] = str(error), time.monotonic()
            raise
        except (errors.ClusterUnreachable, errors.NotLeading):
            raise  # says nothing about permissions
        except errors.ClusterError as error:
            if isinstance(error, errors.NotFound) and str(error).startswith("namespaces "):
                self._refused_without_namespace(kind)
            else:
                self._refusals.pop(kind, None)
            raise
        self._refusals.pop(kind, None)
        return answer

    def _refused_without_namespace(self, kind: str) -> None:
        reason = f"the namespace {self.namespace} does not exist: create it, or change --namespace"
        if self.refusals.get(kind) != reason:
            _log.warning("cannot write FloePlugins", reason=reason)
        self._refusals[kind] = reason, time.monotonic()


class _Pace:
    """Lets callers through at a steady rate, with a burst of a tenth of a second."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._next = max(self._next + self._gap, now - 0.1)
        if self._next > now:
            await asyncio.sleep(self._next - now)
