"""Which secrets plugin text is scrubbed of, and for how long.

Plugins of one host share a process, so the text of each is scrubbed of the secrets of all. What is shorter
than 8 characters is searched for only in text of the plugin that it was given to; if it is too short for
that, too, that text is withheld. Secrets are remembered as long as a plugin host might have them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.rules.scrub import NO_SHORT, WITHHELD_AS_ANOTHERS, Scrubber, Short
from floe_operator.secret_index import SecretIndex

_FORMER = 16 * 1024
"""Characters of a plugin's secrets that are still scrubbed although they were replaced more than once."""
_log = structlog.get_logger(__name__)

_LONG = 256
"""Characters of a text above which it can take longer than some milliseconds."""


class Hosts(Protocol):
    """What is read from the plugin hosts, which are numbered as they are started."""

    @property
    def newest(self) -> int: ...

    @property
    def oldest(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Secrets:
    """Secrets that a plugin was given together."""

    texts: frozenset[str] = frozenset()
    short: Short = NO_SHORT
    replaced: int = 0
    """The newest host when they were replaced, or their object was deleted."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What a plugin was given for one object: now, and before (the latest last)."""

    present: _Secrets = _Secrets()
    former: tuple[_Secrets, ...] = ()

    @property
    def short(self) -> Short:
        return _union((self.present, *self.former))


async def scrubbed(scrubber: Scrubber, text: str) -> str:
    """Return a text scrubbed; a long one without keeping others waiting."""
    if len(text) <= _LONG:
        return scrubber.scrub(text)
    return await asyncio.to_thread(scrubber.scrub, text)


class Scrubbers:
    """What must be scrubbed from each plugin's text."""

    def __init__(self, hosts: Hosts, index: SecretIndex) -> None:
        self._hosts = hosts
        self._oldest = hosts.oldest
        self._given: dict[PluginId, _Given] = {}
        self._departed: dict[PluginId, tuple[_Secrets, ...]] = {}
        self._printed: Short | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[PluginId, int] = {}
        """Of each plugin, the number of the last call that had something remembered."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.index = index
        self.withheld = 0
        """How many texts were withheld."""

    async def remember(self, plugin: PluginId, secrets: Iterable[str]) -> None:
        """Scrub these secrets, and recently replaced ones, from all text from now on."""
        texts = frozenset(filter(None, secrets))
        asked = self._asked[plugin] = next(self._numbers)
        if texts != self._of(plugin).present.texts:
            # Whoever waits may be cancelled; what is held must be known here, to be released.
            task = asyncio.create_task(self._remember(plugin, texts, asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.shield(task)

    @contextlib.contextmanager
    def holding(self, secrets: Iterable[str]) -> Iterator[None]:
        """Scrub secrets that are remembered as long as the block takes, however often they are replaced."""
        held = self.index.hold_on(secrets)
        try:
            yield
        finally:
            self.index.release(held)

    async def _remember(self, plugin: PluginId, texts: frozenset[str], asked: int) -> None:
        present = _Secrets(texts, await asyncio.to_thread(Short.of, texts))
        await self.index.hold(texts)
        self._printed = None
        before = self._of(plugin)
        if self._asked.get(plugin) != asked:  # others were remembered meanwhile, or the object is gone
            if texts:
                self._put_away(plugin, present)
            return
        if present.short.too_short and not before.present.short.too_short:
            _log.warning(
                "text of a plugin is withheld, because a value of its Secrets cannot be searched for",
                plugin=plugin.slug,
                mend="see What plugins say in docs/security.md",
            )
        former = before.former
        if before.present.texts <= texts:
            self.index.release(before.present.texts)
        else:
            former = self._latest((*former, replace(before.present, replaced=self._hosts.newest)))
        self._given[plugin] = _Given(present, former)

    def _put_away(self, plugin: PluginId, late: _Secrets) -> None:
        """Note secrets that were replaced before they were remembered."""
        late = replace(late, replaced=self._hosts.newest)
        if given := self._given.get(plugin):
            self._given[plugin] = replace(given, former=self._latest((*given.former, late)))
        else:
            self._departed[plugin] = self._latest((*self._departed.get(plugin, ()), late))

    def of(self, plugin: PluginId) -> Scrubber:
        """Return the scrubber for what a plugin says about itself."""
        return self._scrubber(self._of(plugin).short)

    def of_stopped(self, plugin: PluginId) -> Scrubber:
        """Return the scrubber for what a plugin says that may have been started for an earlier object."""
        return self._scrubber(self._ever(plugin))

    def of_printed(self, plugins: Collection[PluginId]) -> Scrubber:
        """Return the scrubber for what one of these plugins printed, or anybody if none is given."""
        self._let_go()
        every = self._printed
        if every is None:
            everyone = {*self._given, *self._departed}
            every = self._printed = _all(map(self._ever, everyone))
        if not plugins:
            return Scrubber(self.index, every, self._count, instead=WITHHELD_AS_ANOTHERS)
        if not every.too_short:
            return self._scrubber(every)
        return self._scrubber(Short(every.needles, _all(map(self._ever, plugins)).too_short))

    def forget(self, plugin: PluginId) -> None:
        """Note that a plugin's object is gone: only the hosts can still have its secrets."""
        self._asked.pop(plugin, None)
        given = self._given.pop(plugin, _NOTHING)
        last = replace(given.present, replaced=self._hosts.newest)
        departed = (*self._departed.get(plugin, ()), *given.former, *([last] if last.texts else ()))
        if departed:
            self._departed[plugin] = self._latest(departed)
        self._printed = None

    def _of(self, plugin: PluginId) -> _Given:
        self._let_go()
        return self._given.get(plugin, _NOTHING)

    def _ever(self, plugin: PluginId) -> Short:
        return _all((self._of(plugin).short, _union(self._departed.get(plugin, ()))))

    def _scrubber(self, short: Short) -> Scrubber:
        return Scrubber(self.index, short, self._count)

    def _count(self) -> None:
        self.withheld += 1

    def _latest(self, unused: Sequence[_Secrets]) -> tuple[_Secrets, ...]:
        """Return the latest of these, and of earlier ones the short texts as far as there is room."""
        room = _FORMER
        kept = [unused[-1]]
        for each in reversed(unused[:-1]):
            texts: set[str] = set()
            for text in sorted(each.texts, key=len):
                room -= len(text)
                if room >= 0:
                    texts.add(text)
            self.index.release(each.texts - texts)
            if texts:
                kept.append(replace(each, texts=frozenset(texts)))
        return tuple(reversed(kept))

    def _let_go(self) -> None:
        """Drop the secrets that no host can print any more.

        A replaced host stops its plugins while its successor runs, which may still be given what was read
        before; so that one has to be gone, too.
        """
        if self._hosts.oldest != self._oldest:
            self._oldest = self._hosts.oldest
            self._drop_unused(self._oldest - 1)

    def _drop_unused(self, before: int) -> None:
        """Drop the secrets that were replaced before this host was started."""

        def still_used(unused: Sequence[_Secrets]) -> tuple[_Secrets, ...]:
            for each in unused:
                if each.replaced < before:
                    self.index.release(each.texts)
            return tuple(each for each in unused if each.replaced >= before)

        self._given = {
            plugin: replace(given, former=still_used(given.former)) for plugin, given in self._given.items()
        }
        departed = {plugin: still_used(unused) for plugin, unused in self._departed.items()}
        self._departed = {plugin: unused for plugin, unused in departed.items() if unused}
        self._printed = None


_NOTHING = _Given()


def _union(secrets: Iterable[_Secrets]) -> Short:
    return _all(each.short for each in secrets)


def _all(shorts: Iterable[Short]) -> Short:
    every = list(shorts)
    return Short(
        frozenset().union(*(each.needles for each in every)),
        frozenset().union(*(each.too_short for each in every)),
    )
