"""The connection to the API server: one set of credentials for our own requests and for kopf's watch."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import kopf
from kubernetes.aio import client, config

from floe_operator.api import errors
from floe_operator.api.proxies import environment_proxy
from floe_operator.api.stream_state import HEADERS_SECONDS, SILENCE_SECONDS
from floe_operator.api.watch_events import Event, MalformedEvent, event, lines
from floe_operator.rules import foreign_json
from floe_operator.settings import service_account_namespace

REQUEST_TIMEOUT = 30.0
"""Seconds that one request may take by default."""


class Connection:
    """Sends requests to the API server and holds the credentials for them.

    `time_to_write` returns for how many seconds from now writes may be sent; leader election decides that.
    `on_answer` is called for each request with its method and the answer's HTTP code, or why there was no
    answer; `on_write` with the kind of each write that the API server accepted.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        namespace: str,
        renew: Callable[[], Awaitable[None]],
        *,
        time_to_write: Callable[[], float],
        on_answer: Callable[[str, str], None],
        on_write: Callable[[str], None],
    ) -> None:
        self.on_answer = on_answer
        self._time_to_write = time_to_write
        self._on_write = on_write
        self._configuration = configuration
        self._renew = renew
        self._client = client.ApiClient(configuration)
        self._client.user_agent = "floe-operator"
        self.namespace = namespace
        """The namespace of the kubeconfig's context or of the pod's ServiceAccount."""

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._configuration.host)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
    ) -> dict[str, Any]:
        """Send a request and return the JSON object in the answer.

        `timeout` limits the whole call, in seconds, including a retry with new credentials.

        Raises:
            ClusterError: The request failed.
        """
        try:
            async with asyncio.timeout(timeout):
                try:
                    payload = await self._read(method, path, query, body, content_type, accept)
                except errors.Unauthorized:
                    # Tokens from credential plugins expire: get a new one, once.
                    await self._renew()
                    payload = await self._read(method, path, query, body, content_type, accept)
        except TimeoutError:
            self.on_answer(method, "timeout")
            raise errors.ClusterUnreachable(
                f"the API server at {self.server} did not answer in time"
            ) from None
        try:
            found = await _parsed(payload)
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
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Send a request, as `request` does, that only the leader may send.

        The request is abandoned when the time to write, as it is now, is over. `kind` is for counting writes.

        Raises:
            NotLeading: This operator is not the leader, or no longer.
        """
        if (left := self._time_to_write()) <= 0:
            raise errors.NotLeading("this operator is not the leader: nothing was sent")
        limit = min(left, REQUEST_TIMEOUT)
        answer = await self.request(
            method, path, query=query, body=body, content_type=content_type, timeout=limit
        )
        self._on_write(kind)
        return answer

    async def _read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
        content_type: str,
        accept: str,
    ) -> bytes:
        if query:
            path = f"{path}?{urlencode(query)}"
        try:
            method, url, headers, _, _ = await self._client.param_serialize(
                method,
                path,
                header_params={"Accept": accept, "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(method, url, headers, body=body)
            payload: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except aiohttp.ClientError as error:
            self.on_answer(method, "unreachable")
            raise self._unreachable(error) from None
        self.on_answer(method, str(answer.status))
        if answer.status >= 300:
            raise errors.from_status(answer.status, payload, answer.headers.get("Retry-After"))
        return payload

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
            method, url, headers, _, _ = await self._client.param_serialize(
                "GET",
                f"{path}?{urlencode(query)}",
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            limits = aiohttp.ClientTimeout(
                total=SILENCE_SECONDS, sock_connect=HEADERS_SECONDS, sock_read=silence
            )
            async with asyncio.timeout(HEADERS_SECONDS):
                answer = (await self._client.call_api(method, url, headers, _request_timeout=limits)).response
        except TimeoutError:
            self.on_answer("GET", "timeout")
            raise errors.ClusterUnreachable(
                f"the API server at {self.server} did not answer a watch in {HEADERS_SECONDS:.3g} s"
            ) from None
        except aiohttp.ClientError as error:
            self.on_answer("GET", "unreachable")
            raise self._unreachable(error) from None
        self.on_answer("GET", str(answer.status))
        try:
            if answer.status >= 300:
                raise errors.from_status(answer.status, await answer.read())
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

    def _unreachable(self, error: Exception) -> errors.ClusterUnreachable:
        return errors.ClusterUnreachable(
            f"the API server at {self.server} cannot be reached: {errors.why(error)}"
        )

    async def for_kopf(self) -> kopf.ConnectionInfo:
        """Return the same credentials for kopf, read again at each call because tokens rotate."""
        configuration = self._configuration
        key = await configuration.get_api_key_with_prefix("BearerToken")
        scheme, _, token = (key or "").partition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            ca_data=configuration.ca_cert_data,
            insecure=not configuration.verify_ssl,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            scheme=scheme.capitalize() or None,
            token=token or None,
            username=configuration.username or None,
            password=configuration.password or None,
            proxy_url=configuration.proxy,
            default_namespace=self.namespace,
        )

    async def renew(self) -> None:
        """Read the credentials again, because those of before are rejected."""
        await self._renew()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]


async def connect(
    *,
    time_to_write: Callable[[], float],
    on_answer: Callable[[str, str], None],
    on_write: Callable[[str], None],
) -> Connection:
    """Return a connection that uses the pod's ServiceAccount or the kubeconfig.

    Raises:
        ClusterConfigError: There is no usable configuration.
    """
    configuration = client.Configuration()
    configuration.connection_pool_maxsize = 64
    # Otherwise aiohttp would read the environment and ~/.netrc for each request, in a thread.
    configuration.client_session_kwargs = {"trust_env": False}
    namespace = service_account_namespace()

    async def load() -> str:
        try:
            if namespace is not None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                return namespace
            loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=_kubeconfig(),
                client_configuration=configuration,
                persist_config=False,
            )
            return str((loader.current_context.get("context") or {}).get("namespace") or "default")
        except Exception as error:  # noqa: BLE001 -- a damaged file can make the loader raise anything
            raise errors.ClusterConfigError(
                f"no usable cluster configuration: {' '.join(str(error).split())} "
                f"({type(error).__name__}; set KUBECONFIG to the file and test it with `kubectl version`)"
            ) from None

    async def renew() -> None:
        await load()

    found = await load()
    configuration.proxy = configuration.proxy or environment_proxy(str(configuration.host))
    return Connection(
        configuration, found, renew, time_to_write=time_to_write, on_answer=on_answer, on_write=on_write
    )


async def _parsed(text: bytes) -> Any:
    """Return the value of a JSON text, as `foreign_json.loads` does, but parse a deep one in a thread."""
    try:
        return json.loads(text.decode())
    except RecursionError:
        return await asyncio.to_thread(foreign_json.loads, text)


def _kubeconfig() -> str:
    """Return the files that kubectl would read; the client reads KUBECONFIG only when it is imported."""
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(file).expanduser().is_file() for file in files.split(os.pathsep)):
        raise FileNotFoundError(f"the file {files} does not exist, and this process does not run in a pod")
    return files
