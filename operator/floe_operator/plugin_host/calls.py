"""The calls of plugin code in one host: which plugins' are under way, or were a moment ago."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from floe_core.plugin_types import PluginId

_JUST_PAST = 0.02
"""Seconds by which the operator may notice late what a call did; the call may have returned meanwhile."""


class Calls:
    """The calls that were sent, until they return. Times are in seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._under_way: dict[asyncio.Future[Any], tuple[PluginId, float]] = {}
        self._returned: deque[tuple[PluginId, float, float]] = deque(maxlen=64)
        """The plugins whose calls returned last, and when each call was sent and returned."""
        self._abandoned: set[asyncio.Future[Any]] = set()
        """The calls that nobody waits for; they may never return."""

    def add(self, call: asyncio.Future[Any], plugin: PluginId) -> None:
        """Note that a call was sent."""
        self._under_way[call] = plugin, _now()
        call.add_done_callback(self._over)

    def abandon(self, call: asyncio.Future[Any]) -> None:
        """Note that nobody waits for a call."""
        if not call.done():
            self._abandoned.add(call)

    def await_again(self, call: asyncio.Future[Any]) -> None:
        """Note that somebody waits for a call."""
        self._abandoned.discard(call)

    def plugins(self, *, abandoned: bool = True) -> set[PluginId]:
        """Return the plugins whose calls are under way; without abandoned calls if not asked for."""
        return {
            plugin
            for call, (plugin, _) in self._under_way.items()
            if not call.done() and (abandoned or call not in self._abandoned)
        }

    def plugins_at(self, moment: float) -> set[PluginId]:
        """Return the plugins whose calls were under way at a moment just past."""
        called = {plugin for plugin, sent in self._under_way.values() if sent <= moment}
        return called | {
            plugin
            for plugin, sent, returned in self._returned
            if sent <= moment and returned >= moment - _JUST_PAST
        }

    def _over(self, call: asyncio.Future[Any]) -> None:
        plugin, sent = self._under_way.pop(call)
        self._returned.append((plugin, sent, _now()))
        self._abandoned.discard(call)


def _now() -> float:
    return asyncio.get_running_loop().time()
