"""The session through which kopf lists and watches: what it lets through, and what it reports."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from floe_operator.api import errors, kopf_session, pages
from floe_operator.api.session import Session
from floe_operator.api.stream_state import StreamState
from floe_operator.api.watch_events import Event
from tests.support.connections import Answer, login_to

PATH = "/apis/floe.dev/v1alpha1/namespaces/default/floeplugins"
DEPTHS = [300, 1_600, 9_990, 100_000]
"""Levels that one Python or another cannot parse; an API server stores up to 9,998."""


class Heard:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.pages: list[pages.Page] = []
        self.events: list[Event] = []
        self.versions: list[str] = []
        self.codes: list[str] = []
        self.listings = 0

    def alive(self) -> None:
        pass

    async def listing(self) -> None:
        self.listings += 1

    def listed(self, page: pages.Page) -> None:
        self.pages.append(page)

    def changed(self, event: Event) -> None:
        self.events.append(event)

    def watching(self, version: str) -> None:
        self.versions.append(version)

    def answered(self, code: str) -> None:
        self.codes.append(code)


@dataclass(frozen=True)
class Kopf:
    """Sends requests as kopf does."""

    session: Session

    async def get(self, url: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.session.request(method="GET", url=url, **options)


@asynccontextmanager
async def session_to(answer: Answer) -> AsyncIterator[tuple[Kopf, str, StreamState, Heard]]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        state, heard = StreamState(), Heard()
        login = await login_to(str(server.make_url("/")))
        session = kopf_session.session(login, PATH, state, heard)
        try:
            yield Kopf(session), PATH, state, heard
        finally:
            await session.close()


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "3"}, **more}


def deep(levels: int) -> bytes:
    """Return an object as JSON whose config nests as deep as said."""
    text = json.dumps(item("compute-deep", spec={"config": "here"}))
    return text.replace('"here"', '{"a":' * levels + "1" + "}" * levels).encode()


async def lines_of(answer: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    """Return the events that kopf would get: it splits chunks into lines, and parses each."""
    content = b"".join([chunk async for chunk in answer.content.iter_chunked(1024)])
    return [json.loads(line) for line in content.split(b"\n") if line]


@pytest.mark.parametrize("levels", DEPTHS)
async def test_a_listing_with_an_object_of_any_depth_is_read(levels: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        items = deep(levels) + b"," + json.dumps(item("compute-flat", spec={"config": {"a": 1}})).encode()
        return web.Response(body=b'{"metadata": {"resourceVersion": "9"}, "items": [' + items + b"]}")

    async with session_to(answer) as (session, url, _, heard):
        found = await (await session.get(url)).json()
        assert found == {"metadata": {"resourceVersion": "9", "continue": ""}, "items": []}
        [page] = heard.pages
        assert page.names == ["compute-deep", "compute-flat"]
        assert page.objects[1]["spec"] == {"config": {"a": 1}}


@pytest.mark.parametrize("levels", DEPTHS)
async def test_a_watch_with_an_object_of_any_depth_goes_on(levels: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        first = b'{"type": "ADDED", "object": ' + deep(levels) + b"}\n"
        return web.Response(
            body=first + json.dumps({"type": "DELETED", "object": item("dbt-a")}).encode() + b"\n"
        )

    async with session_to(answer) as (session, url, state, heard):
        events = await lines_of(await session.get(url, params={"watch": "true", "resourceVersion": "9"}))
        assert [event["type"] for event in events] == ["BOOKMARK", "BOOKMARK"]
        assert [event.type for event in heard.events] == ["ADDED", "DELETED"]
        assert heard.events[0].object["metadata"]["name"] == "compute-deep"
        assert heard.events[1].object == item("dbt-a")
        assert (heard.versions, state.obstacle) == (["9"], "")


MALFORMED: dict[str, object] = {
    "an array": [],
    "no object": {"type": "ADDED"},
    "an object that is text": {"type": "ADDED", "object": "x"},
    "metadata that is text": {"type": "ADDED", "object": {"metadata": "x"}},
    "no uid": {"type": "ADDED", "object": {"metadata": {"name": "x", "resourceVersion": "1"}}},
    "a name that is a number": {"type": "DELETED", "object": item("x") | {"metadata": {"name": 1}}},
    "an unknown type": {"type": "SPLICED", "object": item("x")},
    "a type that is a list": {"type": ["ADDED"], "object": item("x")},
    "an error without a code": {"type": "ERROR", "object": {"message": "m"}},
    "a bookmark without a version": {"type": "BOOKMARK", "object": {"metadata": {}}},
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_event_is_left_out_and_the_watch_goes_on(malformed: object) -> None:
    good = {"type": "MODIFIED", "object": item("dbt-a")}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"".join(json.dumps(one).encode() + b"\n" for one in (malformed, good)))

    async with session_to(answer) as (session, url, _, _):
        assert await lines_of(await session.get(url, params={"watch": "true"})) == [bookmark(good)]


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
async def test_of_a_change_kopf_sees_the_version_and_the_listener_the_object(kind: str) -> None:
    found = item("dbt-a", spec={"config": {"a": 1}}, status={"version": "1"})
    found["metadata"] |= {"namespace": "default", "labels": {"a": "b"}, "generation": 3}
    change = {"type": kind, "object": found}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=json.dumps(change).encode() + b"\n")

    async with session_to(answer) as (session, url, _, heard):
        [seen] = await lines_of(await session.get(url, params={"watch": "true"}))
        assert seen == bookmark(change)
        assert heard.events == [Event(kind, found)]


def bookmark(event: dict[str, Any]) -> dict[str, Any]:
    """Return what kopf gets of a change."""
    version = event["object"]["metadata"]["resourceVersion"]
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


async def test_a_line_that_is_not_json_ends_the_watch_once_and_is_then_left_out() -> None:
    good = json.dumps({"type": "MODIFIED", "object": item("dbt-a")}).encode()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"<html>\n" + good + b"\n")

    async with session_to(answer) as (session, url, state, _):
        watch = {"watch": "true", "resourceVersion": "9"}
        with pytest.raises(aiohttp.ClientPayloadError):
            await lines_of(await session.get(url, params=watch))
        assert "not JSON" in state.obstacle
        assert await lines_of(await session.get(url, params=watch)) == [bookmark(json.loads(good))]


async def test_items_that_are_no_objects_are_left_out_of_a_listing() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        items = ["x", 5, {}, {"metadata": "x"}, item("dbt-a"), {"metadata": {"name": "dbt-b"}}]
        return web.json_response({"metadata": {"resourceVersion": "9", "continue": "c"}, "items": items})

    async with session_to(answer) as (session, url, _, heard):
        found = await (await session.get(url)).json()
        assert found == {"metadata": {"resourceVersion": "9", "continue": "c"}, "items": []}
        [page] = heard.pages
        assert (page.objects, page.names, page.more) == ([item("dbt-a")], ["dbt-a", "dbt-b"], "c")


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"items": []}', '{"items": "x", "metadata": {"resourceVersion": "1"}}']
)
async def test_an_answer_that_is_no_listing_does_not_count_as_an_empty_one(body: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    async with session_to(answer) as (session, url, state, heard):
        with pytest.raises(errors.Refused, match="not a listing"):
            await (await session.get(url)).json()
        assert heard.pages == []
        assert "not a listing" in state.obstacle


@pytest.mark.parametrize("status", [201, 203, 204, 206, 302, 304])
async def test_an_answer_that_is_neither_200_nor_an_error_counts_as_none(status: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with session_to(answer) as (session, url, state, _):
        with pytest.raises(aiohttp.ClientConnectionError, match=f"code {status}"):
            await session.get(url, params={"watch": "true"})
        assert f"code {status}" in state.obstacle


@pytest.mark.parametrize(
    "body", [b"[]", b"\xff", b'{"details": "x"}', b'{"details": {"retryAfterSeconds": "x"}}']
)
async def test_an_error_has_the_types_that_kopf_expects(body: bytes) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, body=body)

    async with session_to(answer) as (session, url, _, _):
        found = await session.get(url)
        try:
            status = await found.json()
        except json.JSONDecodeError:
            assert await found.text()
        else:
            assert status["details"] == {}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "body", "waits"),
    [
        ("1", {}, True),
        ("", {"details": {"retryAfterSeconds": 1}}, True),
        ("Wed, 21 Oct 2015 07:28:00 GMT", {}, False),
        ("", {}, False),
    ],
)
async def test_an_answer_that_asks_to_wait_comes_after_the_wait(
    status: int, header: str, body: dict[str, Any], waits: bool
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers={"Retry-After": header} if header else {})

    async with session_to(answer) as (session, url, _, _):
        began = time.monotonic()
        found = await session.get(url)
        assert (time.monotonic() - began >= 1.0) == waits
        assert "Retry-After" not in found.headers
        assert (await found.json())["details"] == {}


async def test_a_listing_that_repeats_a_page_is_refused() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"resourceVersion": "9", "continue": "c"}, "items": []})

    async with session_to(answer) as (session, url, _, _):
        await (await session.get(url)).json()
        with pytest.raises(errors.Refused, match="repeats a page"):
            await (await session.get(url, params={"continue": "c"})).json()


async def test_a_failed_request_is_an_obstacle_until_a_watch_is_answered() -> None:
    status = 500

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status,
            body=b'{"kind": "Status", "message": "etcdserver: no leader"}' if status > 200 else b"",
        )

    async with session_to(answer) as (session, url, state, heard):
        assert state.begins
        await session.get(url)
        assert state.obstacle == "the API server answered 500: etcdserver: no leader"
        status = 200
        await session.get(url, params={"watch": "true"})
        assert state.obstacle == ""
        assert (heard.codes, heard.listings) == (["500", "200"], 1)
