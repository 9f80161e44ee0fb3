"""The one way to send a request: with the credentials of the moment, whoever sends it.

Credentials that are rejected are renewed, and the request is sent once more. What answers mean is for others
to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import aiohttp

from floe_operator.api.credentials import Credentials, Transport
from floe_operator.api.unreachable import is_certificate_refused, tls_fault

REQUEST_SECONDS = 30.0
"""Seconds that a request takes at most; a connection with old credentials is closed after that."""
_READ_BUFFER = 2**21
_UNAUTHORIZED = 401
_SERVER_ERROR = 500


class Keeper(Protocol):
    """Who keeps the credentials."""

    @property
    def current(self) -> Credentials:
        """The credentials as last read."""

    async def fresh(self) -> Credentials:
        """Return the credentials in use."""

    async def renew(self, rejected: Credentials) -> Credentials:
        """Return the newest credentials, because these were rejected."""

    def accepted(self) -> None:
        """Note that credentials were accepted."""

    def refused(self) -> None:
        """Note that credentials were refused, and no others are known."""


class Session:
    """Sends requests in one event loop.

    It has what kopf uses of an aiohttp session; a URL without a host is a path of the API server. `limit` is
    the number of connections, 0 for any number.
    """

    def __init__(
        self,
        keeper: Keeper,
        *,
        limit: int,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        self._keeper = keeper
        self._limit = limit
        self._response_class = response_class
        self._trace_configs = list(trace_configs)
        self._clients: dict[Transport, aiohttp.ClientSession] = {}
        self._retired: dict[aiohttp.ClientSession, asyncio.Task[None]] = {}
        self.headers = {"User-Agent": "floe-operator"}
        """What every request has beside the credentials."""
        self.closed = False

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> aiohttp.ClientResponse:
        """Send a request, twice if the first attempt shows that the credentials must be renewed.

        `options` are those of aiohttp. Redirects are not followed: they would take the credentials elsewhere.

        Raises:
            aiohttp.ClientError: There was no answer.
        """
        if self.closed:
            raise RuntimeError("Session is closed")
        credentials = await self._keeper.fresh()
        try:
            answer = await self._send(credentials, method, url, headers, options)
            if answer.status != _UNAUTHORIZED:
                self._note(answer)
                return answer
        except aiohttp.ClientError as error:
            if (fault := tls_fault(error)) is None:
                raise
            renewed = await self._keeper.renew(credentials)
            if renewed is credentials:
                if credentials.transport.certificate and is_certificate_refused(fault):
                    self._keeper.refused()
                raise
        else:
            renewed = await self._keeper.renew(credentials)
            if renewed is credentials:
                self._keeper.refused()
                return answer
            answer.release()
        answer = await self._send(renewed, method, url, headers, options)
        self._note(answer)
        return answer

    def _note(self, answer: aiohttp.ClientResponse) -> None:
        """Note what an answer says about the credentials; the page of a proxy says nothing."""
        if answer.status == _UNAUTHORIZED:
            self._keeper.refused()
        elif answer.status < _SERVER_ERROR and answer.content_type == "application/json":
            self._keeper.accepted()

    async def _send(
        self,
        credentials: Credentials,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> aiohttp.ClientResponse:
        if self.closed:  # meanwhile
            raise aiohttp.ClientConnectionError("the session was closed")
        transport = credentials.transport
        proof = transport.proxy_authorization
        try:
            return await self._client(credentials).request(
                method,
                transport.server + url,
                # A list, since some names come more than once.
                headers=[*{**self.headers, **(headers or {})}.items(), *credentials.headers],
                server_hostname=transport.server_name,
                proxy=transport.proxy,
                proxy_headers={"Proxy-Authorization": proof} if proof else None,
                allow_redirects=False,
                **options,
            )
        except aiohttp.ClientResponseError as error:
            # Whatever shows the error with its arguments would show the headers, and so the credentials.
            error.request_info = without_headers(error.request_info)
            error.args = (error.request_info, *error.args[1:])
            raise

    def _client(self, credentials: Credentials) -> aiohttp.ClientSession:
        """Return the client whose connections have these credentials; those of older ones will be closed."""
        client = self._clients.get(credentials.transport)
        if client is None:
            client = self._clients[credentials.transport] = self._new_client(credentials)
        for transport in self._clients.keys() - {self._keeper.current.transport}:
            old = self._clients.pop(transport)
            self._retired[old] = asyncio.create_task(self._retire(old), name="close old connections")
        return client

    def _new_client(self, credentials: Credentials) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, ssl=credentials.tls or True),
            read_bufsize=_READ_BUFFER,
            response_class=self._response_class,
            trace_configs=self._trace_configs,
            # Otherwise aiohttp would read the environment and ~/.netrc for each request, in a thread.
            trust_env=False,
        )

    async def _retire(self, client: aiohttp.ClientSession) -> None:
        """Close a client when the requests that it has under way have ended."""
        await asyncio.sleep(REQUEST_SECONDS)
        await client.close()
        del self._retired[client]

    async def close(self) -> None:
        """Close all connections."""
        self.closed = True
        for task in self._retired.values():
            task.cancel()
        for client in (*self._clients.values(), *self._retired):
            await client.close()
        self._clients.clear()
        self._retired.clear()


def without_headers(request: aiohttp.RequestInfo) -> aiohttp.RequestInfo:
    """Return what is known about a request, without its headers."""
    headers = request.headers.copy()
    headers.clear()
    return request._replace(headers=type(request.headers)(headers))
