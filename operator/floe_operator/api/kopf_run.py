"""One run of kopf, in a thread and an event loop of its own, watching one collection of objects.

What arrives is handed to our event loop; when to start kopf, and start it again, is for others to say. kopf
lists, watches and begins again. Its session hands on changes, and the pages of a listing, since only there is
it known when a listing is complete. Of a change, kopf sees only the version, from which a watch goes on: its
tasks, causes and handlers would cost as much as a write.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import kopf
import structlog

from floe_operator.api import kopf_session
from floe_operator.api.connection import Connection
from floe_operator.api.credentials import Credentials
from floe_operator.api.login import Login
from floe_operator.api.pages import Page
from floe_operator.api.stream_state import HEADERS_SECONDS, SILENCE_SECONDS, WATCH_SECONDS, StreamState
from floe_operator.api.watch_events import Event
from floe_operator.rules.resource import GROUP, PLURAL, VERSION

_BACKOFFS = (1, 1, 2, 3, *9 * (5,))
"""Seconds between kopf's attempts at one request; its defaults grow to 21 s, which would prolong outages."""
_REQUEST_SECONDS = 30.0
_RELIST_SECONDS = 1.0
_PAGE = 250
_END_SECONDS = 3.0
"""Seconds that kopf gets to end."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seen:
    """What to call about the objects: on our event loop, except for `knows`."""

    moment: Callable[[], int]
    """Returns the present moment: called when a listing begins."""
    changed: Callable[[str, Mapping[str, Any]], None]
    """Called with the type of a watch event, and the object."""
    found: Callable[[Iterable[Mapping[str, Any]], int], None]
    """Called with the objects in a page of a listing, and the moment when the listing began."""
    listed: Callable[[Collection[str], int], None]
    """Called with the names in a complete listing, and the moment when it began."""
    knows: Callable[[Mapping[str, Any]], bool]
    """Returns True if an object brings nothing new; called from kopf's thread."""


class KopfRun:
    """kopf, from `start` until it ends by itself or is stopped."""

    def __init__(
        self, connection: Connection, path: str, namespace: str, seen: Seen, *, alive_at: float
    ) -> None:
        self._connection = connection
        self._path = path
        self._namespace = namespace
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._reason: asyncio.Future[str] = self._loop.create_future()
        self._stop = threading.Event()
        self._listing = -1
        self._names: list[str] = []
        self.stream = StreamState()
        self.alive_at = alive_at
        """When kopf last showed a sign of life, in seconds of the monotonic clock."""
        self.version = ""
        """The version from which the last watch was opened; empty before the first."""

    def start(self) -> None:
        """Start kopf."""
        # A daemon thread: a hanging stream must not keep the process from ending.
        threading.Thread(target=self._work, name="kopf", daemon=True).start()

    async def ended(self, seconds: float) -> str | None:
        """Wait for some seconds for kopf to end; return why it did, or None if it has not."""
        done, _ = await asyncio.wait([self._reason], timeout=seconds)
        return self._reason.result() if done else None

    async def stop(self) -> None:
        """End kopf; if it does not end, leave it alone."""
        self._stop.set()
        await asyncio.wait([self._reason], timeout=_END_SECONDS)

    def alive(self) -> None:
        """Note a sign of life."""
        self.alive_at = time.monotonic()

    async def listing(self) -> None:
        """Note that a listing begins, after whatever our event loop has been told so far."""

        async def moment() -> int:
            return self._seen.moment()

        self._names = []
        self._listing = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(moment(), self._loop))

    def listed(self, page: Page) -> None:
        """Hand on a page of the listing, and after the last one the names in all of them."""
        self._names += page.names
        if self._stop.is_set():
            return
        self._tell(self._seen.found, page.objects, self._listing)
        if not page.more:
            self._tell(self._seen.listed, self._names, self._listing)

    def changed(self, event: Event) -> None:
        """Hand on a change, unless it brings nothing new."""
        if event.type != "DELETED" and self._seen.knows(event.object):
            return
        if not self._stop.is_set():
            self._tell(self._seen.changed, event.type, event.object)

    def watching(self, version: str) -> None:
        """Note that a watch was opened."""
        self.version = version

    def answered(self, code: str) -> None:
        """Count an answer."""
        self._connection.on_answer("GET", code)

    def _tell(self, call: Callable[..., None], *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # our loop has been closed
            self._loop.call_soon_threadsafe(call, *values)

    def _end(self, reason: str) -> None:
        if not self._reason.done():
            self._reason.set_result(reason)

    def _work(self) -> None:
        reason = "kopf ended"
        try:
            asyncio.run(self._operator())
        except BaseException as error:  # noqa: BLE001 -- the thread must always report its end
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        self._tell(self._end, reason)

    async def _operator(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_left_over)
        registry = kopf.OperatorRegistry()
        keeper = _FromThread(self._connection.login, self._loop)
        requests = kopf_session.session(keeper, self._path, self.stream, self)
        # Without a server, kopf asks for paths, which the session completes.
        session = kopf.AiohttpSession(server="", aiohttp_session=cast("aiohttp.ClientSession", requests))

        @kopf.on.login(registry=registry)
        async def log_in(**_: Any) -> kopf.AiohttpSession:
            # The session renews its credentials. If they are rejected nonetheless, kopf asks here, gets the
            # same again, and ends.
            return session

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def never(**_: Any) -> None:
            """Have kopf watch FloePlugins, which it does only for a handler; it sees no event to call it."""

        try:
            await kopf.operator(
                registry=registry,
                settings=_settings(),
                standalone=True,
                namespaces=[self._namespace],
                stop_flag=self._stop,
            )
        finally:
            await requests.close()
            self._stop.set()  # an executor thread waits for it, and the loop's end waits for that thread


def _left_over(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what a task of kopf's raised and nobody asked for: kopf reports one of two that fail together."""
    error = context.get("exception")
    reason = f"{type(error).__name__}: {error}" if error is not None else context.get("message", "")
    _log.debug("kopf left an error unread", reason=reason)


class _FromThread:
    """The login of our event loop, for requests in kopf's."""

    def __init__(self, login: Login, loop: asyncio.AbstractEventLoop) -> None:
        self._login = login
        self._loop = loop

    @property
    def current(self) -> Credentials:
        return self._login.current

    async def fresh(self) -> Credentials:
        return await self._there(self._login.fresh())

    async def renew(self, rejected: Credentials) -> Credentials:
        return await self._there(self._login.renew(rejected))

    async def _there(self, call: Coroutine[Any, Any, Credentials]) -> Credentials:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))

    def accepted(self) -> None:
        self._login.accepted()

    def refused(self) -> None:
        self._login.refused()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    settings.networking.error_backoffs = _BACKOFFS
    settings.networking.request_timeout = _REQUEST_SECONDS
    settings.networking.connect_timeout = HEADERS_SECONDS
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.watching.connect_timeout = HEADERS_SECONDS
    settings.watching.reconnect_backoff = _RELIST_SECONDS
    settings.watching.chunk_size = _PAGE
    return settings
