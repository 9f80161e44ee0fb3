"""The leader's deadline and its Lease, on an API server that delays, forgets and gives the Lease away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest
from aiohttp import web

from floe_operator.api import leader
from floe_operator.api.leader import Elector
from floe_operator.rules.leases import Timing
from tests.support.connections import connected_to
from tests.support.polling import eventually_async

TIMING = Timing(duration=3.0, renew_deadline=2.0, retry=0.4)
ME = "me"


class LeaseServer:
    """An API server with one Lease, which answers writes late."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] | None = None
        self.version = 0
        self.delay = 0.0
        self.written: list[dict[str, Any]] = []
        self.refusal: web.Response | None = None
        self.asked_at: list[float] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked_at.append(time.monotonic())
        if self.refusal is not None:
            return web.json_response(
                {"kind": "Status"}, status=self.refusal.status, headers=self.refusal.headers
            )
        if request.method != "GET":
            body = await request.json()
            version = body["metadata"].get("resourceVersion")
            if (self.spec is None) != (request.method == "POST") or version not in (None, str(self.version)):
                return web.json_response({"kind": "Status", "message": "changed"}, status=409)
            self.put(body["spec"])
            self.written.append(body["spec"])
            await asyncio.sleep(self.delay)
        if self.spec is None:
            return web.json_response({"kind": "Status"}, status=404)
        metadata = {"name": "floe-operator", "namespace": "default", "resourceVersion": str(self.version)}
        return web.json_response({"kind": "Lease", "metadata": metadata, "spec": self.spec})

    def put(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.version += 1


@asynccontextmanager
async def electing(timing: Timing = TIMING) -> AsyncIterator[tuple[LeaseServer, Elector]]:
    server = LeaseServer()
    async with connected_to(server.answer) as connection:
        elector = Elector(connection, "default", identity=ME, timing=timing)
        try:
            yield server, elector
        finally:
            server.refusal, server.delay = None, 0.0
            await elector.release()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return why the process would have ended, whenever it would."""
    reasons: list[str] = []

    def end(why: str) -> NoReturn:
        reasons.append(why)
        raise asyncio.CancelledError

    monkeypatch.setattr(leader, "end_process", end)
    return reasons


async def test_the_deadline_counts_from_when_the_lease_was_asked_for() -> None:
    async with electing() as (server, elector):
        server.delay = 0.3
        await elector.acquire()
        assert elector.time_left() <= TIMING.renew_deadline - server.delay


async def test_a_renewal_extends_the_deadline_from_when_it_was_asked_for() -> None:
    async with electing() as (server, elector):
        await elector.acquire()
        server.delay = 0.3

        async def renewed() -> bool:
            return len(server.written) == 2

        await eventually_async(renewed, every=0.005)
        sent_at = server.asked_at[-1]

        async def extended() -> bool:
            return elector.time_left() + time.monotonic() > sent_at + TIMING.renew_deadline - 0.1

        await eventually_async(extended, every=0.005)
        assert elector.time_left() + time.monotonic() <= sent_at + TIMING.renew_deadline + 0.05


def taken(server: LeaseServer) -> None:
    server.put({**(server.spec or {}), "holderIdentity": "other"})


def emptied(server: LeaseServer) -> None:
    server.put({**(server.spec or {}), "holderIdentity": ""})


@pytest.mark.parametrize(("change", "holder"), [(taken, "other"), (emptied, "nobody")])
async def test_a_lease_that_somebody_else_has_is_not_renewed(
    ended: list[str], change: Callable[[LeaseServer], None], holder: str
) -> None:
    async with electing() as (server, elector):
        await elector.acquire()
        written = len(server.written)
        change(server)

        async def noticed() -> bool:
            return bool(ended)

        await eventually_async(noticed)
        assert ended == [f"{holder} holds the Lease now"]
        assert elector.time_left() <= 0
        assert len(server.written) == written


async def test_a_lease_of_a_living_holder_is_not_taken() -> None:
    async with electing() as (server, elector):
        server.put({"holderIdentity": "other", "leaseDurationSeconds": 1, "renewTime": "0"})
        waiting = asyncio.create_task(elector.acquire())
        for beat in range(1, 6):
            await asyncio.sleep(0.4)
            server.put({"holderIdentity": "other", "leaseDurationSeconds": 1, "renewTime": str(beat)})
        assert server.written == []
        assert elector.time_left() <= 0
        await asyncio.wait_for(waiting, 5)  # noqa: TID251 -- it ends at once
        assert elector.is_leader


async def test_a_lease_written_by_hand_is_named_and_taken_over() -> None:
    timing = Timing(duration=0.3, renew_deadline=0.2, retry=0.05)
    async with electing(timing) as (server, elector):
        server.put(
            {"holderIdentity": "ghost", "leaseDurationSeconds": 2**31 - 1, "leaseTransitions": 2**31 - 1}
        )
        waiting = asyncio.create_task(elector.acquire())

        async def named() -> bool:
            return "ghost holds it for 2147483647 s" in elector.obstacle

        await eventually_async(named, every=0.01)
        await waiting
        assert elector.obstacle == ""
        assert server.written[0]["leaseTransitions"] == 0


async def asked(server: LeaseServer, more: int) -> None:
    """Wait until the server has got some more requests."""
    until = len(server.asked_at) + more

    async def has_been() -> bool:
        return len(server.asked_at) >= until

    await eventually_async(has_been, every=0.005)


async def test_a_request_to_wait_is_honoured_as_far_as_the_lead_lasts(ended: list[str]) -> None:
    async with electing() as (server, elector):
        await elector.acquire()
        server.refusal = web.Response(status=429, headers={"Retry-After": "1"})
        await asked(server, 1)
        before = len(server.asked_at)
        await asyncio.sleep(0.8)
        assert len(server.asked_at) == before
        server.refusal = None

        async def renewed() -> bool:
            return elector.time_left() > TIMING.renew_deadline - 0.3

        await eventually_async(renewed, every=0.01)
        assert ended == []


async def test_a_request_to_wait_for_longer_than_the_lead_lasts_costs_no_attempt(ended: list[str]) -> None:
    async with electing() as (server, elector):
        await elector.acquire()
        server.refusal = web.Response(status=429, headers={"Retry-After": "60"})
        await asked(server, 2)
        server.refusal = None
        await asyncio.sleep(0.5)
        assert ended == []
        assert elector.is_leader


async def test_a_standby_that_is_asked_to_wait_waits() -> None:
    async with electing(Timing(duration=0.6, renew_deadline=0.4, retry=0.1)) as (server, elector):
        server.refusal = web.Response(status=503, headers={"Retry-After": "1"})
        waiting = asyncio.create_task(elector.acquire())
        await asyncio.sleep(0.8)
        assert len(server.asked_at) == 1
        server.refusal = None
        await waiting
        assert server.asked_at[1] - server.asked_at[0] >= 1.0
