"""What is known against each plugin whose hosts end, and when that takes a host of its own. No I/O.

A shared host can be ended by any call that is under way in it, and by a thread of any plugin that is started
in it. So its end makes suspects, each of which is tried in a host of its own: if that ends, the plugin is a
culprit; if the shared host ends meanwhile, the plugin is cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from floe_core.plugin_types import PluginId

_SUSPECT = 5
"""This much evidence makes a plugin a suspect: twice alone, or once with others under way and then alone."""
_ALONE, _UNDER_WAY, _STARTED = 3, 2, 1
"""How much the end of a host says against a plugin: the most if it alone or nothing was under way."""
_PATIENCE = 4
"""How many times the evidence that it takes doubles when a suspect is cleared, so that others are tried."""
_CULPRIT = 2
"""A plugin that ended this many hosts beyond doubt is a culprit."""
_CALM = 3_600.0
"""Seconds without the end of a shared host after which earlier ends count no longer."""


@dataclass(slots=True)
class _Case:
    """What is known against one release of a plugin."""

    fingerprint: str | None
    evidence: int = 0
    cleared: int = 0
    proofs: int = 0


class Suspicions:
    """The plugins that may have ended hosts; `fingerprint` returns that of a plugin's distribution."""

    def __init__(self, fingerprint: Callable[[PluginId], str | None]) -> None:
        self._fingerprint = fingerprint
        self._cases: dict[PluginId, _Case] = {}
        self._last_end = float("-inf")

    def is_suspect(self, plugin: PluginId) -> bool:
        """Return True if the plugin should run in a host of its own, to show whether it ends that, too."""
        case = self._case(plugin)
        return case.evidence >= _SUSPECT << case.cleared and not self.is_culprit(plugin)

    def is_culprit(self, plugin: PluginId) -> bool:
        """Return True if the plugin ends its hosts and must not share one until it changes."""
        return self._case(plugin).proofs >= _CULPRIT

    def note_shared_end(
        self, under_way: Collection[PluginId], started: Collection[PluginId], now: float, *, proved: bool
    ) -> None:
        """Note that a shared host ended by itself while it was running these plugins.

        `proved`: nothing but the one plugin under way can have ended it; `now` is in seconds, monotonic.
        """
        if now - self._last_end > _CALM:
            self._drop_evidence()
        self._last_end = now
        closest = _ALONE if len(under_way) < 2 else _UNDER_WAY
        for plugin in {*under_way, *started}:
            is_closest = not under_way or plugin in under_way
            self._case(plugin).evidence += closest if is_closest else _STARTED
        if proved:
            for plugin in under_way:
                self._case(plugin).proofs += 1

    def note_own_end(self, plugin: PluginId) -> None:
        """Note that the plugin ended its own host."""
        was_suspect = self.is_suspect(plugin)
        self._case(plugin).proofs += _CULPRIT
        if was_suspect:
            self._drop_evidence()  # the culprit explains what happened so far

    def clear(self, plugin: PluginId) -> None:
        """Drop the evidence against a plugin; the next time, it takes more to make it a suspect."""
        case = self._case(plugin)
        if self.is_suspect(plugin):
            case.cleared = min(case.cleared + 1, _PATIENCE)
        case.evidence = 0

    def forget_old_releases(self) -> None:
        """Forget what was known against releases that are no longer installed."""
        self._cases = {
            each: case for each, case in self._cases.items() if case.fingerprint == self._fingerprint(each)
        }

    def _drop_evidence(self) -> None:
        for case in self._cases.values():
            case.evidence = case.cleared = 0

    def _case(self, plugin: PluginId) -> _Case:
        fingerprint = self._fingerprint(plugin)
        case = self._cases.get(plugin)
        if case is None or case.fingerprint != fingerprint:
            case = self._cases[plugin] = _Case(fingerprint)
        return case
