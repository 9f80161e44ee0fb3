"""A proxy to an API server that passes on answers as they come, and misbehaves as a test asks it to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from kubernetes import client, config

from tests.support.control_planes import write_kubeconfig

_PASSED_ON = ("Content-Type", "Accept")


@dataclass(frozen=True)
class Asked:
    """What a client asks for."""

    method: str
    path: str
    query: Mapping[str, str]

    @property
    def is_watch(self) -> bool:
        """Whether the answer is a stream of events."""
        return "watch" in self.query

    def is_of(self, resource: str) -> bool:
        """Return True for a listing or a watch of a resource such as `secrets`."""
        return self.method == "GET" and self.path.endswith(f"/{resource}")

    def is_listing(self, resource: str) -> bool:
        """Return True for a listing of all objects of a resource."""
        return self.is_of(resource) and not self.is_watch and self.query.get("limit") != "1"


Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
Intervene = Callable[[Asked], Fault | None]


class FaultProxy:
    """A context manager. The proxy has the kubeconfig's permissions and requires no credentials itself."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
        self._host = str(settings.host)
        self._tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        self._tls.load_cert_chain(str(settings.cert_file), settings.key_file)
        self.intervene: Intervene = lambda asked: None
        """Returns what to do instead of asking the API server, or None."""
        self.asked: list[Asked] = []
        """Every request so far."""
        self.port = 0
        self._silenced: set[asyncio.Event] = set()
        self._open: set[asyncio.Event] = set()
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that points to this proxy, and return its path."""
        return write_kubeconfig(path, {"server": f"http://127.0.0.1:{self.port}"})

    def silence(self) -> None:
        """Pass on nothing more on the streams that are open now, and leave them open."""
        self._loop.call_soon_threadsafe(self._silenced.update, set(self._open))

    def cut(self) -> None:
        """End the streams that are open now."""

        def cut_all() -> None:
            for stream in self._open:
                stream.set()

        self._loop.call_soon_threadsafe(cut_all)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._serving.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0), auto_decompress=False
        ) as self._session:
            runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            server: Any = site._server
            self.port = server.sockets[0].getsockname()[1]
            self._serving.set()
            await self._ending.wait()
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, request.path, dict(request.query))
        self.asked.append(asked)
        fault = self.intervene(asked)
        if fault is not None:
            return await fault(request)  # type: ignore[arg-type]
        return await self._pass_on(request)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        stream = asyncio.Event()
        try:
            async with self._session.request(
                request.method,
                f"{self._host}{request.raw_path}",
                data=await request.read() or None,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:
                response = web.StreamResponse(status=answer.status)
                response.content_type = answer.content_type
                await response.prepare(request)
                self._open.add(stream)
                passing = asyncio.create_task(self._pass_bytes(answer, response, stream))
                cut = asyncio.create_task(stream.wait())
                await asyncio.wait([passing, cut], return_when=asyncio.FIRST_COMPLETED)
                cut.cancel()
                if not passing.done():
                    passing.cancel()
                    assert request.transport is not None
                    request.transport.abort()
                return response
        except aiohttp.ClientConnectionError:
            return web.Response(status=502, text="<html>Bad gateway</html>")
        finally:
            self._open.discard(stream)

    async def _pass_bytes(
        self, answer: aiohttp.ClientResponse, response: web.StreamResponse, stream: asyncio.Event
    ) -> None:
        async for data in answer.content.iter_any():
            if stream in self._silenced:
                await asyncio.sleep(3600)
            await response.write(data)
        if stream in self._silenced:
            await asyncio.sleep(3600)


async def never(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(3600)
    return web.Response()


def answers(status: int, body: bytes = b"<html>an error page</html>", **headers: str) -> Fault:
    """Return a fault: this answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    return answer
