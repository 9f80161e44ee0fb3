"""A scrubber for each plugin and one for all of them: which secrets can be in text that a plugin wrote.

Secrets are remembered as long as the plugin host might have them: it stops a plugin only after its object is
gone, and the plugin can still print something until then.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from floe_core.plugin_types import PluginId
from floe_operator.rules.scrub import NOTHING, Scrubber

_FORMER = 4 * 1024
"""How many characters of former secrets are still scrubbed; twice the length of the present ones if more."""


_DEPARTED = 4
"""How many deleted objects of each plugin have their secrets remembered; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class _Known:
    secrets: tuple[str, ...]
    scrubber: Scrubber


_NONE = _Known((), NOTHING)


@dataclass(slots=True)
class _Departed:
    scrubbers: collections.deque[Scrubber]
    generation: int
    """The plugin host's generation when the last of the objects was deleted."""


class Scrubbers:
    """What must be scrubbed from each plugin's text; `generation` counts the plugin hosts."""

    def __init__(self, generation: Callable[[], int]) -> None:
        self._generation = generation
        self._known: dict[PluginId, _Known] = {}
        self._departed: dict[PluginId, _Departed] = {}
        self._common: Scrubber | None = NOTHING

    async def remember(self, plugin: PluginId, secrets: tuple[str, ...]) -> None:
        """Scrub these secrets, and recently replaced ones, from the plugin's text from now on."""
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
        """Return the scrubber of one plugin's secrets, for what the plugin says about itself."""
        return self._known.get(plugin, _NONE).scrubber

    def common(self) -> Scrubber:
        """Return the scrubber of all secrets the host might know, for text from any plugin."""
        self._let_go()
        if self._common is None:
            known = [each.scrubber for each in self._known.values()]
            departed = [scrubber for each in self._departed.values() for scrubber in each.scrubbers]
            self._common = Scrubber.of_all([*known, *departed])
        return self._common

    def forget(self, plugin: PluginId) -> None:
        """Forget a plugin whose object is gone; only text the host still prints can hold its secrets."""
        known = self._known.pop(plugin, None)
        if known is not None:
            scrubbers = collections.deque[Scrubber](maxlen=_DEPARTED)
            departed = self._departed.setdefault(plugin, _Departed(scrubbers, 0))
            departed.scrubbers.append(known.scrubber)
            departed.generation = self._generation()
        self._let_go()

    def _let_go(self) -> None:
        """Drop the secrets that no remaining host can print.

        A replaced host stops its plugins while its successor runs; it is gone once the successor is replaced.
        """
        now = self._generation()
        for plugin in [each for each, departed in self._departed.items() if now > departed.generation + 1]:
            del self._departed[plugin]
            self._common = None


def _scrubber(secrets: tuple[str, ...], former: tuple[str, ...]) -> Scrubber:
    # Two scrubbers, so that former secrets do not make pieces of present ones harder to find.
    return Scrubber.of_all([Scrubber(secrets), Scrubber(former)]) if former else Scrubber(secrets)


def _former(known: Iterable[str], secrets: tuple[str, ...]) -> Iterator[str]:
    present, room = set(secrets), max(_FORMER, 2 * sum(map(len, secrets)))
    for secret in known:
        if secret not in present:
            room -= len(secret)
            if room < 0:
                return
            yield secret
