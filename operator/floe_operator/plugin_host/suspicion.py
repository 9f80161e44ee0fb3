"""What is known against each plugin whose hosts end, and when that takes a host of its own. No I/O.

A host can be ended by any call that is under way in it, and by a thread of any plugin that is started in it.
So the end of a shared host makes suspects, and the end of a plugin's own host a culprit. A suspect whose own
host goes on while the shared one ends again is cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from floe_core.plugin_types import PluginId

_SUSPECT = 5
"""This much evidence makes a plugin a suspect: twice alone, or once with others under way and then alone."""
_ALONE, _UNDER_WAY, _STARTED = 3, 2, 1
"""How much the end of a host says against a plugin: the most if it alone or nothing was under way."""
_CULPRIT = 2
"""A plugin that ended this many hosts is a culprit."""


@dataclass(slots=True)
class _Case:
    """What is known against one release of a plugin."""

    fingerprint: str | None
    evidence: int = 0
    proofs: int = 0


class Suspicions:
    """The plugins that may have ended hosts; `fingerprint` returns that of a plugin's distribution."""

    def __init__(self, fingerprint: Callable[[PluginId], str | None]) -> None:
        self._fingerprint = fingerprint
        self._cases: dict[PluginId, _Case] = {}

    def is_suspect(self, plugin: PluginId) -> bool:
        """Return True if the plugin should run in a host of its own, to show whether it ends that, too."""
        case = self._case(plugin)
        return case.evidence >= _SUSPECT and case.proofs < _CULPRIT

    def is_culprit(self, plugin: PluginId) -> bool:
        """Return True if the plugin ends its hosts and must not share one until it changes."""
        return self._case(plugin).proofs >= _CULPRIT

    def note_shared_end(
        self, under_way: Sequence[PluginId], started: Collection[PluginId], *, proved: bool
    ) -> None:
        """Note that a shared host ended by itself while it was running these plugins.

        `proved`: nothing but the one call under way can have ended it.
        """
        alone = under_way[0] if len(under_way) == 1 else None
        if alone is not None and self.is_suspect(alone):  # there was no host to try it in
            self._prove(alone, _CULPRIT)
            return
        if alone is not None and proved:
            self._prove(alone, 1)
        closest = _UNDER_WAY if len(under_way) > 1 else _ALONE
        for plugin in {*under_way, *started}:
            is_closest = not under_way or plugin in under_way
            self._case(plugin).evidence += closest if is_closest else _STARTED

    def note_own_end(self, plugin: PluginId) -> None:
        """Note that the plugin's own host ended by itself."""
        self._prove(plugin, _CULPRIT)

    def clear(self, plugin: PluginId) -> None:
        """Drop the suspicion against a plugin; what is proved remains."""
        self._case(plugin).evidence = 0

    def forget_old_releases(self) -> None:
        """Forget what was known against releases that are no longer installed."""
        self._cases = {
            each: case for each, case in self._cases.items() if case.fingerprint == self._fingerprint(each)
        }

    def _prove(self, plugin: PluginId, proofs: int) -> None:
        case = self._case(plugin)
        case.proofs += proofs
        if case.proofs >= _CULPRIT:
            for other in self._cases.values():
                other.evidence = 0  # the culprit explains what happened so far

    def _case(self, plugin: PluginId) -> _Case:
        fingerprint = self._fingerprint(plugin)
        case = self._cases.get(plugin)
        if case is None or case.fingerprint != fingerprint:
            case = self._cases[plugin] = _Case(fingerprint)
        return case
