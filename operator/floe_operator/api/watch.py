"""The watch on FloePlugins: kopf's, in a thread of its own, turned into plain calls on our event loop.

kopf ends, and cancels every task of its loop, when the CRD goes away, when its right to watch does, or when
a stream breaks in a way it does not know; so it gets a loop that holds nothing of ours. We wait for the CRD
before each start, since kopf looks for it only once. kopf's handlers swallow exceptions: nothing that can
fail happens in them.
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
"""How long to wait between two looks for the CRD, or before a broken watch starts again."""

_REMIND_SECONDS = 60.0
_PULSE_SECONDS = 10.0
"""How often the API server is asked for a sign of life: kopf tries to reach it for ever and tells nobody."""
_BACKOFFS = (1, 1, 2, 3, *9 * (5,))
"""Seconds between kopf's tries of one request; its own grow to 21 s, which an outage would last longer."""
_END_SECONDS = 3.0
"""What kopf gets to end when we do."""

_NO_CRD = f"the CRD {PLURAL}.{GROUP} is not installed: kubectl apply --server-side -k crds"

_log = structlog.get_logger(__name__)

OnEvent = Callable[[str | None, Mapping[str, Any]], None]
"""Told of each event: its type (None for an object of the first listing) and the object."""


class Watch:
    """Keeps a watch on the FloePlugins of one namespace, for as long as it runs."""

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
        """Whether a watch runs (or is being set up by kopf), as far as the API server can be reached."""
        self.starts = 0
        """How often a watch was started."""
        self.obstacle = "the watch has not started yet"
        """Why there is no watch, for people."""
        self._heartbeat: float | None = None

    def silence(self) -> float:
        """For how many seconds kopf's event loop has not turned; 0 where it need not."""
        return time.monotonic() - self._heartbeat if self._heartbeat is not None else 0.0

    async def run(self) -> None:
        """Watches until it is cancelled."""
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
            _log.warning("the watch on FloePlugins ended and will be started again", reason=ended)
            await asyncio.sleep(RETRY_SECONDS)

    async def _feel_pulse(self) -> None:
        """While kopf runs: says whether it can have anything to watch."""
        while True:
            await asyncio.sleep(_PULSE_SECONDS)
            try:
                obstacle = "" if await self._floeplugins.is_served() else _NO_CRD
            except errors.ClusterError as error:
                obstacle = str(error)
            if obstacle and self.established:
                _log.warning("FloePlugins are not watched for now", reason=obstacle)
            elif self.obstacle and not obstacle:
                _log.info("FloePlugins are watched again")
            self.established, self.obstacle = not obstacle, obstacle

    async def _wait_until_possible(self) -> None:
        said: Said[str] = Said(again_after=_REMIND_SECONDS)
        while (obstacle := await self._find_obstacle()) is not None:
            self.obstacle = obstacle
            if said.is_new("obstacle", obstacle):
                _log.warning("waiting for FloePlugins to be served", reason=obstacle)
            await asyncio.sleep(RETRY_SECONDS)

    async def _find_obstacle(self) -> str | None:
        """What stands in the way of a watch, as a sentence; None where nothing does."""
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
            f"missing right: a Role in namespace {self._floeplugins.namespace!r} must allow "
            f"{', '.join(rights)} of API group {GROUP!r}"
        )
        if any(right.split()[0] in ("list", "watch") for right in rights):
            return sentence
        _log.warning("some of the work will fail", reason=sentence)
        return None

    async def _kopf(self) -> str:
        """Runs kopf until it ends or we are cancelled; why it ended."""
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
            except BaseException as error:  # noqa: BLE001 -- the thread must always say that it ended
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            with contextlib.suppress(RuntimeError):  # our loop did not wait for us
                loop.call_soon_threadsafe(tell, reason)

        # A daemon: a stream that hangs must not keep the process from ending.
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
            with contextlib.suppress(RuntimeError):  # our loop did not wait for us
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
            stop.set()  # a thread of the loop's executor waits for it, and the loop's end for that thread


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps nothing: kopf would copy each object to see what changed, for handlers that we have none of."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        raise NotImplementedError
