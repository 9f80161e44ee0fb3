"""The way to the API server: one set of credentials, for our own calls and for kopf's watch."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import kopf
from kubernetes.aio import client, config

from floe_operator.api import errors
from floe_operator.api.proxies import environment_proxy
from floe_operator.settings import service_account_namespace

_DEEPEST_JSON = 10_000
"""Levels that the API server decodes (sigs.k8s.io/json); the standard library's parser is recursive."""

REQUEST_TIMEOUT = 30.0
"""Seconds that one request may take, unless the caller says otherwise."""
STREAM_SILENCE = 90.0
"""Seconds without a byte after which a watch counts as cut off; bookmarks come about each minute."""


class Connection:
    """Requests to the API server, and the credentials behind them."""

    def __init__(
        self, configuration: client.Configuration, namespace: str, renew: Callable[[], Awaitable[None]]
    ) -> None:
        self._configuration = configuration
        self._renew = renew
        self._client = client.ApiClient(configuration)
        self._client.user_agent = "floe-operator"
        self.namespace = namespace
        """The namespace that the kubeconfig's context or the pod's ServiceAccount names."""
        self.time_to_write: Callable[[], float] = lambda: math.inf
        """For how many seconds from now writes may be sent; leader election says."""
        self.on_answer: Callable[[str, str], None] = lambda method, code: None
        """Told of each request's method and the answer's HTTP code, or why there was none."""
        self.on_write: Callable[[str], None] = lambda kind: None
        """Told of each write that the API server took."""

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
        """The answer's JSON object; raises a ClusterError.

        `timeout` bounds all of it, in seconds: new credentials and the second try with them included.
        """
        try:
            async with asyncio.timeout(timeout):
                try:
                    payload = await self._read(method, path, query, body, content_type, accept)
                except errors.Unauthorized:
                    # Tokens of credential plugins run out: ask for new ones, once.
                    await self._renew()
                    payload = await self._read(method, path, query, body, content_type, accept)
        except TimeoutError:
            self.on_answer(method, "timeout")
            raise errors.ClusterUnreachable(
                f"the API server at {self.server} did not answer in {timeout:.3g} s"
            ) from None
        try:
            found = json.loads(payload)
        except ValueError:  # a proxy's page, perhaps
            found = None
        if not isinstance(found, dict):
            raise errors.Refused(f"{method} {path} was not answered by a JSON object")
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
        """As `request`, for what only the leader may send: NotLeading where it does not lead (any more).

        Nothing is sent, and nothing goes on to be sent, beyond `time_to_write` as it is now. `kind` is for
        those who count writes.
        """
        if (left := self.time_to_write()) <= 0:
            raise errors.NotLeading("this operator does not lead: nothing was sent")
        limit = min(left, REQUEST_TIMEOUT)
        answer = await self.request(
            method, path, query=query, body=body, content_type=content_type, timeout=limit
        )
        self.on_write(kind)
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
        timeout: float,
        silence: float = STREAM_SILENCE,
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch, until the server ends it or the connection breaks; raises a ClusterError.

        A connection on which nothing came for `silence` seconds counts as broken. Refused for what is no
        event: whoever asks again from the version before it would meet it again.
        """
        try:
            method, url, headers, _, _ = await self._client.param_serialize(
                "GET",
                f"{path}?{urlencode(query)}",
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            limits = aiohttp.ClientTimeout(total=timeout, sock_connect=REQUEST_TIMEOUT, sock_read=silence)
            answer = (await self._client.call_api(method, url, headers, _request_timeout=limits)).response
        except TimeoutError as error:
            self.on_answer("GET", "timeout")
            raise self._unreachable(error) from None
        except aiohttp.ClientError as error:
            self.on_answer("GET", "unreachable")
            raise self._unreachable(error) from None
        self.on_answer("GET", str(answer.status))
        try:
            if answer.status >= 300:
                raise errors.from_status(answer.status, await answer.read())
            while (line := await answer.content.readline()).endswith(b"\n"):
                yield _event(line)
        except (TimeoutError, aiohttp.ClientError):
            return
        except ValueError as error:
            raise errors.Refused(f"GET {path} brought what is no event: {type(error).__name__}") from None
        finally:
            answer.close()

    def _unreachable(self, error: Exception) -> errors.ClusterUnreachable:
        return errors.ClusterUnreachable(f"the API server at {self.server} cannot be reached: {error}")

    async def for_kopf(self) -> kopf.ConnectionInfo:
        """The same credentials, as kopf takes them; read anew at each call, since tokens rotate."""
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

    async def close(self) -> None:
        """Gives the connections back."""
        await self._client.close()  # type: ignore[no-untyped-call]


async def connect() -> Connection:
    """The way that the pod's ServiceAccount or the kubeconfig shows; ClusterConfigError where it is none."""
    # One object as deeply nested as the API server takes it must not end the listing or kopf's watch.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 2 * _DEEPEST_JSON))
    configuration = client.Configuration()
    configuration.connection_pool_maxsize = 64
    # aiohttp would read the environment and ~/.netrc anew for each request, in a thread.
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
        except Exception as error:  # noqa: BLE001 -- the loader raises whatever a damaged file makes it raise
            raise errors.ClusterConfigError(
                f"no usable configuration of a cluster: {' '.join(str(error).split())} "
                f"({type(error).__name__}; KUBECONFIG names the file, and `kubectl version` tries it)"
            ) from None

    async def renew() -> None:
        await load()

    found = await load()
    configuration.proxy = configuration.proxy or environment_proxy(str(configuration.host))
    return Connection(configuration, found, renew)


def _event(line: bytes) -> dict[str, Any]:
    event = json.loads(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ValueError("no event")
    return event


def _kubeconfig() -> str:
    """The files that kubectl would read; the client looks at the variable only when it is imported."""
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(file).expanduser().is_file() for file in files.split(os.pathsep)):
        raise FileNotFoundError(f"there is no file {files}, and this is no pod either")
    return files
