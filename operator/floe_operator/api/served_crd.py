"""Whether the CRD that the API server has allows what this operator writes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.rules.crd import lacking, openapi_schema, published_schema
from floe_operator.rules.resource import CRD, GROUP, KIND, VERSION
from floe_operator.rules.sentences import listing
from floe_operator.said import Said

INSTALL = "kubectl apply --server-side -k crds"
"""The command that installs or renews the CRD."""
NOT_INSTALLED = f"the CRD {CRD} is not installed: {INSTALL}"

_WRITTEN = ("status", "spec.type")
"""The parts of an object that the operator writes and whose schema grows."""
_REFUSAL_SECONDS = 180.0
"""Seconds for which a refusal counts if it does not recur; a write that is still needed is retried sooner."""

_log = structlog.get_logger(__name__)


class _Refusal(NamedTuple):
    reason: str = ""
    at: float = 0.0
    """Seconds of the monotonic clock."""
    unserved: frozenset[str] = frozenset()


_NONE = _Refusal()


class ServedCrd:
    """The CRD as the API server publishes it, compared with the one of this operator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lacks = ""
        self._unserved: frozenset[str] = frozenset()
        self._last_refusal = _NONE
        self._compared = False
        self._said: Said[str] = Said()

    @property
    def fault(self) -> str:
        """Why the CRD does not suit this operator, and what to do; empty if it does, as far as known."""
        return self._lacks or self._refusal.reason

    @property
    def unserved(self) -> frozenset[str]:
        """The fields of a status that the CRD does not have, so that a status with one is refused."""
        return self._unserved | self._refusal.unserved

    @property
    def _refusal(self) -> _Refusal:
        """The last refusal, unless it was long ago: since then, the CRD may have been renewed."""
        last = self._last_refusal
        return last if time.monotonic() - last.at <= _REFUSAL_SECONDS else _NONE

    async def compare(self) -> None:
        """Compare the schemas.

        An API server that does not publish its schema, or not to us, is believed to have the right one.
        """
        try:
            document = await self._connection.request("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")
        except errors.ClusterError as error:
            _log.debug("cannot compare the CRD", reason=str(error))
            return
        served = published_schema(document, KIND)
        if served is None:
            return
        lacks = list(lacking(openapi_schema(), served))
        written = [field for field in lacks if field.startswith(_WRITTEN)]
        if self._refusal.unserved:  # what is published tells more
            self._forget_refusal()
        self._lacks = _older(written) if written else ""
        self._unserved = frozenset(
            name for field in written if (name := field.removeprefix("status.")).isalnum()
        )
        if not self._said.is_new("lacks", lacks):
            return
        if lacks:
            _log.warning("the CRD is older than this operator", reason=_older(lacks))
        elif self._compared:
            _log.info("the CRD suits this operator now", crd=CRD)
        self._compared = True

    async def refused(self, error: errors.NotInSchema) -> None:
        """Note that the API server refused a write because of the schema, and find out what that lacks."""
        if not self.fault:
            await self.compare()
        unserved = error.unserved | self._refusal.unserved
        reason = f"the CRD {CRD} does not suit this operator: {error}; if it is older, renew it: {INSTALL}"
        if unserved:
            reason = _older(f"status.{name}" for name in sorted(unserved))
        if not self._lacks and self._said.is_new("refusal", reason):
            _log.warning("the status of FloePlugins was refused", reason=reason)
        self._last_refusal = _Refusal(reason, time.monotonic(), unserved)

    def accepted(self) -> None:
        """Note that the API server accepted a status, perhaps without the fields that it had refused."""
        if self._refusal.reason and not self._refusal.unserved:
            self._forget_refusal()

    def _forget_refusal(self) -> None:
        self._last_refusal = _NONE
        self._said.is_over("refusal")


def _older(lacks: Iterable[str]) -> str:
    return f"the CRD {CRD} is older than this operator: it has no {listing(lacks)}; renew it: {INSTALL}"
