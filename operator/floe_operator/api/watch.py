"""The watch on FloePlugins: kopf in its own thread, its events turned into plain calls on our event loop.

kopf ends, and cancels every task of its loop, when the CRD is deleted, when it may no longer watch, or when a
stream breaks in a way it does not know. So it gets a loop that runs none of our tasks. We wait for the
CRD before each start, since kopf looks for it only once. kopf's handlers swallow exceptions, so nothing that
can fail happens in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import kopf
import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.rules.resource import GROUP, PLURAL, VERSION
from floe_operator.said import Said

RETRY_SECONDS = 2.0
"""Seconds between two checks for the CRD, or before a broken watch is restarted."""

_REMIND_SECONDS = 60.0
_PULSE_SECONDS = 10.0
"""Seconds between two checks that the API server answers: kopf retries forever and does not report it."""
_BACKOFFS = (1, 1, 2, 3, *9 * (5,))
"""Seconds between kopf's attempts at one request; its defaults grow to 21 s, which would prolong outages."""
_END_SECONDS = 3.0
"""Seconds that kopf gets to end when the operator ends."""

_NO_CRD = f"the CRD {PLURAL}.{GROUP} is not installed: kubectl apply --server-side -k crds"

_log = structlog.get_logger(__name__)

OnEvent = Callable[[str | None, Mapping[str, Any]], None]
"""Called with each event's type (None for an object of the first listing) and its object."""


class Watch:
    """Keeps a watch on the FloePlugins of one namespace while `run` runs."""

    def __init__(
        self,
        connection: Connection,
        floeplugins: FloePlugins,
        *,
        on_start: Callable[[], None],
        on_event: OnEvent,
        on_gone: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._floeplugins = floeplugins
        self._on_start = on_start
        self._on_event = on_event
        self._on_gone = on_gone
        self.established = False
        """Whether a watch runs, or kopf is setting it up, and the API server can be reached."""
        self.starts = 0
        """Number of times a watch was started."""
        self.obstacle = "the watch has not started yet"
        """Why there is no watch, for users."""
        self._heartbeat: float | None = None

    def silence(self) -> float:
        """Return for how many seconds kopf's event loop has not run; 0 if it does not have to."""
        return time.monotonic() - self._heartbeat if self._heartbeat is not None else 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._wait_until_possible()
            self.established, self.obstacle = True, ""
            self.starts += 1
            self._on_start()
            _log.info("watching FloePlugins", namespace=self._floeplugins.namespace)
            pulse = asyncio.create_task(self._feel_pulse(), name="pulse of the API server")
            try:
                ended = await self._kopf()
            finally:
                pulse.cancel()
                await asyncio.gather(pulse, return_exceptions=True)
                self.established = False
            self._heartbeat = None
            self.obstacle = f"the watch ended: {ended}"
            _log.warning("the watch on FloePlugins ended, restarting it", reason=ended)
            await asyncio.sleep(RETRY_SECONDS)

    async def _feel_pulse(self) -> None:
        """Check repeatedly, while kopf runs, whether there is anything it can watch."""
        while True:
            await asyncio.sleep(_PULSE_SECONDS)
            try:
                obstacle = "" if await self._floeplugins.is_served() else _NO_CRD
            except errors.ClusterError as error:
                obstacle = str(error)
            if obstacle and self.established:
                _log.warning("cannot watch FloePlugins", reason=obstacle)
            elif self.obstacle and not obstacle:
                _log.info("watching FloePlugins again")
            self.established, self.obstacle = not obstacle, obstacle

    async def _wait_until_possible(self) -> None:
        said: Said[str] = Said(again_after=_REMIND_SECONDS)
        while (obstacle := await self._find_obstacle()) is not None:
            self.obstacle = obstacle
            if said.is_new("obstacle", obstacle):
                _log.warning("waiting for the API server to serve FloePlugins", reason=obstacle)
            await asyncio.sleep(RETRY_SECONDS)

    async def _find_obstacle(self) -> str | None:
        """Return a sentence that says why a watch is impossible, or None if it is possible."""
        try:
            if not await self._floeplugins.is_served():
                self._on_gone()
                return _NO_CRD
            rights = await self._floeplugins.missing_rights()
        except errors.ClusterError as error:
            return str(error)
        if not rights:
            return None
        sentence = (
            f"missing permission: a Role in namespace {self._floeplugins.namespace!r} must allow "
            f"{', '.join(rights)} of API group {GROUP!r}"
        )
        if any(right.split()[0] in ("list", "watch") for right in rights):
            return sentence
        _log.warning("some operations will fail", reason=sentence)
        return None

    async def _kopf(self) -> str:
        """Run kopf until it ends or we are cancelled; return why it ended."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        stop = threading.Event()

        def tell(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        def work() -> None:
            reason = "kopf ended"
            try:
                asyncio.run(self._operator(loop, stop))
            except BaseException as error:  # noqa: BLE001 -- the thread must always report its end
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            with contextlib.suppress(RuntimeError):  # our loop has been closed
                loop.call_soon_threadsafe(tell, reason)

        # A daemon thread: a hanging stream must not keep the process from ending.
        thread = threading.Thread(target=work, name="kopf", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(ended)
        finally:
            stop.set()
            await asyncio.wait([ended], timeout=_END_SECONDS)

    async def _beat(self) -> None:
        while True:
            self._heartbeat = time.monotonic()
            await asyncio.sleep(1.0)

    async def _operator(self, ours: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        self._beating = asyncio.create_task(self._beat())
        registry = kopf.OperatorRegistry()
        settings = kopf.OperatorSettings()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.process.ultimate_exiting_timeout = None
        settings.queueing.idle_timeout = 0.1
        settings.persistence.diffbase_storage = _NoDiffs()
        settings.networking.error_backoffs = _BACKOFFS

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.ConnectionInfo:
            return await self._connection.for_kopf()

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def seen(event: Mapping[str, Any], **_: Any) -> None:
            with contextlib.suppress(RuntimeError):  # our loop has been closed
                ours.call_soon_threadsafe(self._on_event, event["type"], event["object"])

        try:
            await kopf.operator(
                registry=registry,
                settings=settings,
                standalone=True,
                namespaces=[self._floeplugins.namespace],
                stop_flag=stop,
            )
        finally:
            stop.set()  # an executor thread waits for it, and the loop's end waits for that thread


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps nothing: kopf would copy each object to find changes for handlers that we do not have."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        raise NotImplementedError
