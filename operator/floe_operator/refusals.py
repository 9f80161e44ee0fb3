"""The plugins whose object or status the API server refuses to store, and when each is tried again.

Nobody tells when a quota, a policy, a webhook or a proxy stops refusing. So a few plugins are tried again
every few seconds, however many there are; once all of these are accepted, twice as many follow at once, and
so on.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Literal

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.said import Said, gist

Kind = Literal["object", "status"]

AGAIN_SECONDS = 3.0
"""Seconds between two attempts."""
FEW = 16
"""Plugins that are tried again at the same time while their writes are refused."""
_SAID_AGAIN_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class Refusals:
    """What is refused now; `enqueue` makes a plugin be tried again."""

    def __init__(self, enqueue: Callable[[PluginId], None]) -> None:
        self._enqueue = enqueue
        self._held: collections.OrderedDict[PluginId, Kind] = collections.OrderedDict()
        self._asked: set[PluginId] = set()
        """The plugins that were tried again last and have no answer yet."""
        self._most = FEW
        self._said: Said[tuple[Kind, str]] = Said(again_after=_SAID_AGAIN_SECONDS)
        self._counts: dict[Kind, int] = {"object": 0, "status": 0}

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many writes were refused so far, by what they would have written."""
        return self._counts

    def __len__(self) -> int:
        return len(self._held)

    def refused(self, plugin: PluginId, kind: Kind, reason: str, *, is_race: bool = False) -> None:
        """Note that a write was refused, and log why unless that was said before.

        `is_race`: another client may just have been faster, so that it is said only if it happens again.
        """
        self._counts[kind] += 1
        is_first = plugin not in self._held
        self._held[plugin] = kind
        if plugin in self._asked:
            self._asked.clear()
            self._most = FEW
        if (is_first and is_race) or not self._said.is_new((kind, gist(reason))):
            return
        if kind == "object":
            _log.error("cannot write a FloePlugin", plugin=plugin.slug, reason=reason)
        else:
            _log.warning("cannot write the status of a FloePlugin", plugin=plugin.slug, reason=reason)

    def over(self, plugin: PluginId) -> None:
        """Note that nothing of the plugin is refused any more; after the last of a few, try more."""
        self._held.pop(plugin, None)
        if plugin not in self._asked:
            return
        self._asked.discard(plugin)
        if not self._asked:
            self._most *= 2
            self._ask()

    async def run(self) -> None:
        """Try again from time to time, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            self._ask()

    def _ask(self) -> None:
        if not self._held:
            self._most = FEW
        self._asked = set(islice(self._held, self._most))
        for plugin in self._asked:
            self._held.move_to_end(plugin)
            self._enqueue(plugin)
