"""Our own requests to the API server: reads, writes that only the leader may send, and streams."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from floe_operator.api import errors
from floe_operator.api.login import Login
from floe_operator.api.session import REQUEST_SECONDS, Session
from floe_operator.api.stream_state import HEADERS_SECONDS, SILENCE_SECONDS
from floe_operator.api.unreachable import unreachable
from floe_operator.api.watch_events import Event, MalformedEvent, event, lines
from floe_operator.rules import foreign_json

Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_JSON = "application/json"
_PAIR = re.compile(r"\\\\|(?P<pair>\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})")
"""A pair of surrogates as JSON escapes it; or a backslash, which must not be taken for its beginning."""
_POOL = 64
"""Connections to the API server at the same time."""


class Connection:
    """Sends requests to the API server, with the credentials of a login.

    `time_to_write` returns for how many seconds from now writes may be sent; leader election decides that.
    `on_answer` is called for each request with its method and the answer's HTTP code, or why there was no
    answer; `on_write` with the kind of each write that the API server accepted.
    """

    def __init__(
        self,
        login: Login,
        *,
        time_to_write: Callable[[], float],
        on_answer: Callable[[str, str], None],
        on_write: Callable[[str], None],
    ) -> None:
        self.login = login
        self.on_answer = on_answer
        self._time_to_write = time_to_write
        self._on_write = on_write
        self._session = Session(login, limit=_POOL)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.login.current.transport.server

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | aiohttp.BytesPayload | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        timeout: float = REQUEST_SECONDS,
    ) -> dict[str, Any]:
        """Send a request and return the JSON object in the answer.

        `timeout` limits the whole call, in seconds, including a retry with new credentials.

        Raises:
            ClusterError: The request failed.
        """
        payload = body if isinstance(body, aiohttp.BytesPayload | None) else _encoded(body)
        try:
            async with asyncio.timeout(timeout):
                answer = await self._read(method, path, query, payload, content_type, accept)
        except TimeoutError:
            self.on_answer(method, "timeout")
            raise errors.ClusterUnreachable(self._late()) from None
        try:
            found = await _parsed(answer)
        except ValueError:  # perhaps a proxy's error page
            found = None
        if not isinstance(found, dict):
            raise errors.Refused(f"the answer to {method} {path} is not a JSON object")
        return found

    async def write(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body,
        content_type: str = _JSON,
    ) -> dict[str, Any]:
        """Send a request, as `request` does, that only the leader may send.

        It is not sent once the time to write is over, and then abandoned if it is on its way. `kind` is for
        counting writes.

        Raises:
            NotLeading: This operator is not the leader, or no longer.
        """
        if (left := self._time_to_write()) <= 0:
            raise errors.NotLeading("this operator is not the leader: nothing was sent")
        limit = min(left, REQUEST_SECONDS)
        payload = _InTime(_encoded(body), self._time_to_write)
        answer = await self.request(
            method, path, query=query, body=payload, content_type=content_type, timeout=limit
        )
        self._on_write(kind)
        return answer

    async def _read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        payload: aiohttp.BytesPayload | bytes | None,
        content_type: str,
        accept: str,
    ) -> bytes:
        if query:
            path = f"{path}?{urlencode(query)}"
        try:
            answer = await self._session.request(
                method,
                path,
                headers={"Accept": accept, "Content-Type": content_type},
                data=payload,
            )
            async with answer:
                found = await answer.read()
        except aiohttp.ClientError as error:
            if isinstance(error.__cause__, errors.NotLeading):
                raise error.__cause__ from None
            self.on_answer(method, "unreachable")
            raise unreachable(self.login.current.transport, error) from None
        self.on_answer(method, str(answer.status))
        if answer.status >= 300:
            raise self._error(answer, found)
        return found

    def _late(self) -> str:
        if awaited := self.login.awaited:
            return f"waiting for {awaited}, which brings new credentials"
        return f"the API server at {self.server} did not answer in time"

    def _error(self, answer: aiohttp.ClientResponse, payload: bytes) -> errors.ClusterError:
        error = errors.from_status(answer.status, payload, answer.headers.get("Retry-After"))
        if isinstance(error, errors.Unauthorized) and self.login.fault:
            return errors.Unauthorized(f"{error}; they cannot be read again: {self.login.fault}")
        return error

    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        accept: str,
        on_open: Callable[[], None],
        silence: float = SILENCE_SECONDS,
    ) -> AsyncIterator[Event]:
        """Yield the events of a watch until the server ends it or the connection breaks.

        `on_open` is called when the API server begins to answer. A connection on which nothing arrives for
        `silence` seconds counts as broken.

        Raises:
            Refused: A line is not an event; watching again from the version before it would fail again.
            ClusterError: The request failed.
        """
        try:
            limits = aiohttp.ClientTimeout(
                total=SILENCE_SECONDS, sock_connect=HEADERS_SECONDS, sock_read=silence
            )
            async with asyncio.timeout(HEADERS_SECONDS):
                answer = await self._session.request(
                    "GET", f"{path}?{urlencode(query)}", headers={"Accept": accept}, timeout=limits
                )
        except TimeoutError:
            self.on_answer("GET", "timeout")
            raise errors.ClusterUnreachable(
                f"the API server at {self.server} did not answer a watch in {HEADERS_SECONDS:.3g} s"
            ) from None
        except aiohttp.ClientError as error:
            self.on_answer("GET", "unreachable")
            raise unreachable(self.login.current.transport, error) from None
        self.on_answer("GET", str(answer.status))
        try:
            if answer.status >= 300:
                raise self._error(answer, await answer.read())
            on_open()
            async for line in lines(answer.content):
                yield event(await _parsed(line))
        except (TimeoutError, aiohttp.ClientError):
            return
        except ValueError as error:
            what = str(error) if isinstance(error, MalformedEvent) else "a line that is not JSON"
            raise errors.Refused(f"GET {path} sent {what}") from None
        finally:
            answer.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class _InTime(aiohttp.BytesPayload):
    """A body that is sent only while there is time to write.

    aiohttp sends it in a task of its own, in a later turn of the event loop. A process that is stopped before
    that turn, and resumed too late, would send it before it notices any timeout.
    """

    def __init__(self, content: bytes, time_to_write: Callable[[], float]) -> None:
        super().__init__(content)
        self._time_to_write = time_to_write

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._time_to_write() <= 0:
            raise errors.NotLeading("this operator is no longer the leader: nothing was sent")
        await super().write_with_length(writer, content_length)


def _encoded(body: Body) -> bytes:
    """Return a body as JSON that is YAML, too: the API server reads a patch by apply as YAML.

    That knows no pairs of surrogates, and refuses some other characters unless they are escaped.
    """
    return _PAIR.sub(_unescaped, json.dumps(body)).encode()


def _unescaped(found: re.Match[str]) -> str:
    pair = found["pair"]
    return found[0] if pair is None else str(json.loads(f'"{pair}"'))


async def _parsed(text: bytes) -> Any:
    """Return the value of a JSON text, as `foreign_json.loads` does, but parse a deep one in a thread."""
    try:
        return json.loads(text.decode())
    except RecursionError:
        return await asyncio.to_thread(foreign_json.loads, text)
