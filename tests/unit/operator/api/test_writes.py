"""The writes as they reach an API server: what each does to others' fields, and when it may still be sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.errors import ClusterUnreachable, NotLeading
from floe_operator.api.floeplugins import FloePlugins
from tests.support.connections import connected_to

PLUGIN = PluginId(PluginType.COMPUTE, "one")
LABELS = {"floe.dev/plugin-type": "compute"}
PATH = "/apis/floe.dev/v1alpha1/namespaces/floe/floeplugins/compute-one"


@dataclass
class Recording:
    """An API server that accepts everything and remembers it."""

    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        query = {**request.query, "type": request.content_type}
        self.requests.append((request.method, request.path, query, body))
        return web.json_response({"kind": "Status" if request.method == "DELETE" else "FloePlugin"})


Write = Callable[[FloePlugins], Awaitable[object]]


def apply(uid: str | None) -> Write:
    return lambda floeplugins: floeplugins.apply(PLUGIN, LABELS, uid=uid)


WRITES: dict[str, tuple[Write, tuple[str, str, dict[str, str], Any]]] = {
    "a new object is applied without force": (
        apply(None),
        (
            "PATCH",
            PATH,
            {"fieldManager": "floe-operator", "force": "false", "type": "application/apply-patch+yaml"},
            {
                "apiVersion": "floe.dev/v1alpha1",
                "kind": "FloePlugin",
                "metadata": {"name": "compute-one", "labels": LABELS},
                "spec": {"type": "compute", "name": "one"},
            },
        ),
    ),
    "an object that exists is applied without force, and only if it is still the same": (
        apply("u"),
        (
            "PATCH",
            PATH,
            {"fieldManager": "floe-operator", "force": "false", "type": "application/apply-patch+yaml"},
            {
                "apiVersion": "floe.dev/v1alpha1",
                "kind": "FloePlugin",
                "metadata": {"name": "compute-one", "labels": LABELS, "uid": "u"},
                "spec": {"type": "compute", "name": "one"},
            },
        ),
    ),
    "a status is applied with force, to the status only, and only if the object is still the same": (
        lambda floeplugins: floeplugins.apply_status(PLUGIN, uid="u", status={"a": 1}),
        (
            "PATCH",
            f"{PATH}/status",
            {"fieldManager": "floe-operator-status", "force": "true", "type": "application/apply-patch+yaml"},
            {
                "apiVersion": "floe.dev/v1alpha1",
                "kind": "FloePlugin",
                "metadata": {"name": "compute-one", "uid": "u"},
                "status": {"a": 1},
            },
        ),
    ),
    "what is left over in a status is removed by a patch of the status": (
        lambda floeplugins: floeplugins.patch_status(PLUGIN, [{"op": "test"}]),
        (
            "PATCH",
            f"{PATH}/status",
            {"fieldManager": "floe-operator-status", "type": "application/json-patch+json"},
            [{"op": "test"}],
        ),
    ),
    "a deletion has the uid and the version that were seen as preconditions": (
        lambda floeplugins: floeplugins.delete(PLUGIN, uid="u", resource_version="7"),
        (
            "DELETE",
            PATH,
            {"type": "application/json"},
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": "u", "resourceVersion": "7"},
            },
        ),
    ),
}


@pytest.mark.parametrize("rule", WRITES)
async def test_each_write_takes_no_more_than_it_needs(rule: str) -> None:
    write, sent = WRITES[rule]
    server = Recording()
    async with connected_to(server.answer) as connection:
        await write(FloePlugins(connection, "floe"))
    assert server.requests == [sent]


@pytest.mark.parametrize("rule", WRITES)
async def test_no_write_is_sent_by_who_does_not_lead(rule: str) -> None:
    write, _ = WRITES[rule]
    server = Recording()
    async with connected_to(server.answer, time_to_write=lambda: 0.0) as connection:
        with pytest.raises(NotLeading):
            await write(FloePlugins(connection, "floe"))
    assert server.requests == []


@pytest.mark.parametrize("rule", WRITES)
async def test_no_write_outlasts_the_lead(rule: str) -> None:
    write, _ = WRITES[rule]
    counted: list[tuple[str, str]] = []

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    async with connected_to(
        never, time_to_write=lambda: 0.2, on_answer=lambda method, code: counted.append((method, code))
    ) as connection:
        began = time.monotonic()
        with pytest.raises(ClusterUnreachable, match="did not answer in time"):
            await write(FloePlugins(connection, "floe"))
        assert time.monotonic() - began < 2.0
    assert [code for _, code in counted] == ["timeout"]


async def test_a_write_that_is_accepted_is_counted_by_its_kind() -> None:
    server, counted = Recording(), list[str]()
    async with connected_to(server.answer, on_write=counted.append) as connection:
        for write, _ in WRITES.values():
            await write(FloePlugins(connection, "floe"))
    assert counted == ["object", "object", "status", "status", "deletion"]


async def test_a_write_is_not_sent_if_the_lead_ends_between_the_decision_and_the_sending() -> None:
    left = iter([5.0, 0.0])
    answers: list[str] = []
    server = Recording()
    async with connected_to(
        server.answer, time_to_write=lambda: next(left), on_answer=lambda _, code: answers.append(code)
    ) as connection:
        with pytest.raises(NotLeading, match="no longer the leader: nothing was sent"):
            await apply(None)(FloePlugins(connection, "floe"))
    assert server.requests == []
    assert answers == []
