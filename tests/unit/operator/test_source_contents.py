"""How the contents of Secrets and ConfigMaps are told apart, and when they must be read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from floe_operator.api.sources import Sources
from floe_operator.rules.config_merge import Absent, Contents, Denied, SourceObject
from floe_operator.source_contents import SourceContents

SECRET = SourceObject("Secret", "s")


class Watched:
    """A Secret, and which version of it the watch has told of; None if it is not watched."""

    def __init__(self) -> None:
        self.content: Contents = {}
        self.version: str | None = "1"
        self.held: asyncio.Event | None = None
        """Set by a test to let an answer arrive."""
        sources = SimpleNamespace(version=lambda _: self.version, read=self._read)
        self.contents = SourceContents(cast("Sources", sources))

    async def _read(self, source: SourceObject) -> Contents:
        content, held = self.content, self.held
        if held is not None:
            await held.wait()
        return content

    async def digest_of(self, content: Contents) -> bytes:
        self.content = content
        _, digest = await self.contents.read(SECRET)
        return digest


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_different_contents_have_different_digests_and_equal_ones_the_same(watched: Watched) -> None:
    different: list[Contents] = [
        Absent(),
        Denied("no right"),
        {},
        {"": b""},
        {"Absent": b""},
        {"a": b"bc"},
        {"ab": b"c"},
        {"a": b"", "bc": b""},
        {"a": b"b", "c": b"d"},
        {"a": b"d", "c": b"b"},
        {"a": b"b" + bytes(8), "c": b"d"},
        {"\ud800": b"no text"},
    ]
    digests = [await watched.digest_of(one) for one in different]
    assert len(set(digests)) == len(digests)
    assert await watched.digest_of({"c": b"d", "a": b"b"}) == await watched.digest_of({"a": b"b", "c": b"d"})


async def test_contents_are_known_while_the_version_stays_the_same(watched: Watched) -> None:
    digest = await watched.digest_of({"k": b"v"})
    assert watched.contents.digest(SECRET) == digest
    watched.version = "2"
    assert watched.contents.digest(SECRET) is None
    assert await watched.digest_of({"k": b"v"}) == digest
    assert watched.contents.digest(SECRET) == digest
    watched.contents.forget(SECRET)
    assert watched.contents.digest(SECRET) is None


async def test_what_is_read_while_nothing_is_watched_is_not_known_once_it_is(watched: Watched) -> None:
    await watched.digest_of({"k": b"v"})
    watched.version = None
    assert watched.contents.digest(SECRET) is None
    await watched.digest_of({"k": b"w"})
    assert watched.contents.digest(SECRET) is None
    watched.version = "1"
    assert watched.contents.digest(SECRET) is None


async def test_an_answer_that_comes_late_is_not_taken_for_the_newest(watched: Watched) -> None:
    watched.held = first = asyncio.Event()
    reading = asyncio.create_task(watched.digest_of({"k": b"old"}))
    await asyncio.sleep(0)
    watched.held, watched.version = None, "2"
    newest = await watched.digest_of({"k": b"new"})
    first.set()
    assert await reading != newest
    assert watched.contents.digest(SECRET) in (None, newest)
