"""The HTTP session through which kopf lists and watches: it checks what arrives, and notices how it goes.

kopf retries without end and reports it only to its log, takes every answer for well-formed, and opens a watch
that ended at once again without a pause. So the session reports each answer and failure to a `StreamState`,
leaves out what is not an object, hands each object to a `Listener`, and slows down. An object is parsed once,
here: what kopf gets of it is its version, as a bookmark.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Protocol

import aiohttp
import structlog

from floe_operator.api import errors, pages
from floe_operator.api.session import Keeper, Session, without_headers
from floe_operator.api.stream_state import HEADERS_SECONDS, SHORT_SECONDS, StreamState
from floe_operator.api.unreachable import unreachable
from floe_operator.api.watch_events import Event, MalformedEvent, event, lines
from floe_operator.rules import foreign_json
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.resource import PLURAL
from floe_operator.said import Said

_TRY_LATER = (429, 503)
_SIGN_SECONDS = 5.0
"""Seconds between two signs of life while the API server asks to wait."""
_SHORT_BACKOFF = Backoff(first=1.0, longest=10.0)

_log = structlog.get_logger(__name__)


class Listener(Protocol):
    """What the session tells, from kopf's thread."""

    def alive(self) -> None:
        """Handle a sign of life: a request began or ended, or bytes arrived."""

    async def listing(self) -> None:
        """Handle the beginning of a listing; the request is sent afterwards."""

    def listed(self, page: pages.Page) -> None:
        """Handle a page of the listing that began last."""

    def changed(self, event: Event) -> None:
        """Handle a change."""

    def watching(self, version: str) -> None:
        """Handle a watch that was opened and goes on from a version."""

    def answered(self, code: str) -> None:
        """Count an answer, or the lack of one, as `Connection.on_answer` does."""


def session(keeper: Keeper, path: str, state: StreamState, listener: Listener) -> Session:
    """Return a session for kopf; `path` is the collection that it watches."""
    watches = _Watches(state, listener)

    class Answer(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            is_watch = "watch" in self.url.query
            async with asyncio.timeout(HEADERS_SECONDS if is_watch else None):
                await super().start(connection)
            if self.status < 400 and self.status != 200:
                # kopf would follow it, or read a watch from it, and try again without a pause.
                raise aiohttp.ClientConnectionError(f"the answer has the code {self.status}")
            if is_watch and self.status == 200:
                checked = watches.checked(self.content, self.url.query.get("resourceVersion", ""))
                self.content = checked  # type: ignore[assignment]
            return self

        @property
        def headers(self) -> Any:
            """The headers, without the one that asks to wait, which has been done."""
            kept = self._headers.copy()
            kept.popall("Retry-After", None)
            return kept

        @property
        def request_info(self) -> aiohttp.RequestInfo:
            """What was asked, without the credentials: kopf puts it into errors."""
            return without_headers(super().request_info)

        async def text(self, encoding: str | None = None, errors: str = "replace") -> str:
            return await super().text(encoding or "utf-8", errors)

        async def json(self, **_: Any) -> Any:
            found = _parsed(await self.read())
            if self.status >= 400:
                return _status(found)
            if not self.url.path.endswith(path):
                return found
            return watches.page(found, after=self.url.query.get("continue", ""))

    trace = _trace(keeper, path, state, listener)
    return _Patient(keeper, limit=0, response_class=Answer, trace_configs=[trace], alive=listener.alive)


class _Patient(Session):
    """Waits as long as the API server asks: kopf does so only after a 429, and ends if it is told a date."""

    def __init__(self, keeper: Keeper, *, alive: Callable[[], None], **options: Any) -> None:
        super().__init__(keeper, **options)
        self._alive = alive

    async def request(self, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        answer = await super().request(*arguments, **options)
        if answer.status in _TRY_LATER:
            until = time.monotonic() + await _asked_to_wait(answer)
            while (left := until - time.monotonic()) > 0:
                self._alive()
                await asyncio.sleep(min(left, _SIGN_SECONDS))
        return answer


def _trace(keeper: Keeper, path: str, state: StreamState, listener: Listener) -> aiohttp.TraceConfig:
    """Return what reports the requests of a session."""

    async def begins(_: Any, __: Any, request: aiohttp.TraceRequestStartParams) -> None:
        listener.alive()
        query = request.url.query
        if request.url.path.endswith(path) and "watch" not in query and not query.get("continue"):
            await listener.listing()

    async def ends(_: Any, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
        listener.alive()
        answer = request.response
        listener.answered(str(answer.status))
        if answer.status >= 400:
            body = await answer.read()
            state.failed(str(errors.from_status(answer.status, body, answer.headers.get("Retry-After"))))

    async def fails(
        client: aiohttp.ClientSession, _: Any, request: aiohttp.TraceRequestExceptionParams
    ) -> None:
        listener.alive()
        if client.closed:
            return  # that is why
        error = request.exception
        if isinstance(error, TimeoutError):
            listener.answered("timeout")
            state.failed(f"the API server at {keeper.current.transport.server} did not answer in time")
        elif isinstance(error, aiohttp.ClientError):
            listener.answered("unreachable")
            state.failed(str(unreachable(keeper.current.transport, error)))

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begins)
    trace.on_request_end.append(ends)
    trace.on_request_exception.append(fails)
    return trace


class _Fit(NamedTuple):
    """A line that kopf can handle."""

    line: bytes
    is_expired: bool
    """Whether it says that the watch must begin with a new listing."""


class _Watches:
    """What the watches of one session have in common."""

    def __init__(self, state: StreamState, listener: Listener) -> None:
        self._state = state
        self._listener = listener
        self._said: Said[str] = Said()
        self._short = 0
        """Number of watches in a row that ended as soon as they began."""
        self._stumbled_at = ""
        """The version from which a watch was opened that brought a line that is not JSON."""

    def checked(self, content: aiohttp.StreamReader, since: str) -> _Lines:
        """Return the content of a watch from a version, checked."""
        self._state.opened()
        self._listener.watching(since)
        return _Lines(content, self._checked(content, since))

    def page(self, found: object, *, after: str) -> dict[str, Any]:
        """Hand a page of a listing to the listener; for kopf, return one without items.

        Raises:
            Refused: The answer is no such page.
        """
        try:
            page = pages.page(found, PLURAL, after=after)
        except errors.Refused as error:
            self._state.failed(str(error))
            raise
        if page.left_out:
            self._say_left_out(page.left_out)
        self._listener.listed(page)
        return {"metadata": {"resourceVersion": page.version, "continue": page.more}, "items": []}

    async def _checked(self, content: aiohttp.StreamReader, since: str) -> AsyncIterator[bytes]:
        """Yield the lines of a watch that are events; pause at the end if it ended as soon as it began."""
        began, events = time.monotonic(), 0
        try:
            async for line in lines(content):
                self._listener.alive()
                if (fit := self._fit(line, since)) is None:
                    continue
                if fit.is_expired:  # kopf reads no further, and lists again
                    await self._slow_down(time.monotonic() - began, 0)
                events += 1
                yield fit.line
        except aiohttp.ClientError:
            await self._slow_down(time.monotonic() - began, events)
            raise
        await self._slow_down(time.monotonic() - began, events)

    async def _slow_down(self, seconds: float, events: int) -> None:
        """Pause before the next watch if this one lasted only moments."""
        if seconds >= SHORT_SECONDS:
            self._short = 0
            return
        self._short += 1
        if self._short > 1 and not events and not self._state.obstacle:
            self._state.failed("the watch on FloePlugins ended as soon as it began")
        await asyncio.sleep(_SHORT_BACKOFF.after(self._short))

    def _fit(self, line: bytes, since: str) -> _Fit | None:
        """Return a line that kopf can handle, or None if it must not see it.

        Raises:
            aiohttp.ClientPayloadError: The line is not JSON; a new watch from the same version might repeat
                it undamaged.
        """
        try:
            found = event(foreign_json.loads(line))
        except MalformedEvent as error:
            self._say_left_out(str(error))
            return None
        except ValueError:  # not JSON
            if self._stumbled_at == since:
                self._say_left_out("a line that is not JSON")
                return None
            self._stumbled_at = since
            self._state.failed("the watch on FloePlugins brought a line that is not JSON")
            raise aiohttp.ClientPayloadError("a line that is not JSON") from None
        if found.error and not found.is_expired:
            self._state.failed(f"the watch on FloePlugins ended: {found.error}")
        if not found.is_change:
            return _Fit(json.dumps(found._asdict()).encode(), found.is_expired)
        self._listener.changed(found)
        version = {"metadata": {"resourceVersion": found.object["metadata"]["resourceVersion"]}}
        return _Fit(json.dumps({"type": "BOOKMARK", "object": version}).encode(), is_expired=False)

    def _say_left_out(self, what: str) -> None:
        if self._said.is_new(what):
            _log.warning("ignoring a part of an answer about FloePlugins", reason=what)


class _Lines:
    """The content of a watch: the checked lines for whoever iterates over it, else the content itself."""

    def __init__(self, content: aiohttp.StreamReader, checked: AsyncIterator[bytes]) -> None:
        self._content = content
        self._checked = checked

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        async for line in self._checked:
            yield line + b"\n"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


async def _asked_to_wait(answer: aiohttp.ClientResponse) -> float:
    """Return for how many seconds an answer asks to wait."""
    try:
        status = foreign_json.mapping(foreign_json.loads(await answer.read()))
    except (ValueError, aiohttp.ClientError):
        status = {}
    header = next((value for name, value in answer.raw_headers if name.lower() == b"retry-after"), b"")
    details = foreign_json.mapping(status.get("details"))
    return errors.asked_to_wait(header.decode("latin-1"), details) or 0.0


def _status(found: object) -> dict[str, Any]:
    """Return a metav1.Status with what kopf reads of it; it does not ask to wait, which has been done."""
    status = foreign_json.mapping(found)
    return {"kind": "Status", "message": foreign_json.text(status.get("message")), "details": {}}


def _parsed(body: bytes) -> Any:
    """Return the value of an answer; raise what kopf expects of an answer that is not JSON."""
    try:
        return foreign_json.loads(body)
    except ValueError:
        raise json.JSONDecodeError("the answer is not JSON", "", 0) from None
