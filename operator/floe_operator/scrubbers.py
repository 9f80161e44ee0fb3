"""The scrubber of each plugin, and the one of them all: which secrets may be in text that a plugin wrote.

Secrets are remembered for as long as the plugin host may have them: it stops a plugin after its object is
gone, and the plugin may print something meanwhile.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from floe_core.plugin_types import PluginId
from floe_operator.rules.scrub import NOTHING, Scrubber

_FORMER = 4 * 1024
"""Characters of former secrets that are scrubbed, too; or twice the present ones, if that is more."""


_DEPARTED = 4
"""How many objects that went, one after the other, are remembered of a plugin."""


@dataclass(frozen=True, slots=True)
class _Known:
    secrets: tuple[str, ...]
    scrubber: Scrubber


_NONE = _Known((), NOTHING)


@dataclass(slots=True)
class _Departed:
    scrubbers: collections.deque[Scrubber]
    generation: int
    """The plugin host's, when the last of them went."""


class Scrubbers:
    """What must be scrubbed of each plugin's text; `generation` counts the plugin hosts."""

    def __init__(self, generation: Callable[[], int]) -> None:
        self._generation = generation
        self._known: dict[PluginId, _Known] = {}
        self._departed: dict[PluginId, _Departed] = {}
        self._common: Scrubber | None = NOTHING

    async def remember(self, plugin: PluginId, secrets: tuple[str, ...]) -> None:
        """From now on these secrets are scrubbed from the plugin's text, and the ones before them as well."""
        while True:
            known = self._known.get(plugin, _NONE)
            former = tuple(_former(known.secrets, secrets))
            if {*secrets, *former} == set(known.secrets):
                return
            scrubber = await asyncio.to_thread(_scrubber, secrets, former)
            if self._known.get(plugin, _NONE) is known:
                break
        self._known[plugin] = _Known((*secrets, *former), scrubber)
        self._common = None

    def of(self, plugin: PluginId) -> Scrubber:
        """Takes the secrets of a plugin's object out of what the plugin says of itself."""
        return self._known.get(plugin, _NONE).scrubber

    def common(self) -> Scrubber:
        """Takes every secret that the host may know out of text that any plugin may have written."""
        self._let_go()
        if self._common is None:
            known = [each.scrubber for each in self._known.values()]
            departed = [scrubber for each in self._departed.values() for scrubber in each.scrubbers]
            self._common = Scrubber.of_all([*known, *departed])
        return self._common

    def forget(self, plugin: PluginId) -> None:
        """The plugin's object is gone: its secrets are in nothing but what the host may still print."""
        known = self._known.pop(plugin, None)
        if known is not None:
            scrubbers = collections.deque[Scrubber](maxlen=_DEPARTED)
            departed = self._departed.setdefault(plugin, _Departed(scrubbers, 0))
            departed.scrubbers.append(known.scrubber)
            departed.generation = self._generation()
        self._let_go()

    def _let_go(self) -> None:
        """A host stops its plugins while the next one is at work already: with the one after it is gone."""
        now = self._generation()
        for plugin in [each for each, departed in self._departed.items() if now > departed.generation + 1]:
            del self._departed[plugin]
            self._common = None


def _scrubber(secrets: tuple[str, ...], former: tuple[str, ...]) -> Scrubber:
    # Apart, so that the former ones do not make pieces of the present ones harder to find.
    return Scrubber.of_all([Scrubber(secrets), Scrubber(former)]) if former else Scrubber(secrets)


def _former(known: Iterable[str], secrets: tuple[str, ...]) -> Iterator[str]:
    present, room = set(secrets), max(_FORMER, 2 * sum(map(len, secrets)))
    for secret in known:
        if secret not in present:
            room -= len(secret)
            if room < 0:
                return
            yield secret
