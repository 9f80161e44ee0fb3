"""What is known of each plugin's loading, and when it is to be tried again. No I/O.

A description belongs to the distribution it came from and outlives hosts; a failure is tried again when any
distribution changed, since what was missing may have come, and a crash or time-out now and then besides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from floe_core.host.protocol import FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.load_states import Described, LoadFault, Loading, LoadState

SET_ASIDE = Backoff(first=60.0, longest=3_600.0)
"""The pauses between attempts at a plugin that was set aside."""

_SET_ASIDE = ("CrashedOnLoad", "LoadTimedOut")


@dataclass(slots=True)
class _Known:
    found: FoundPlugin
    state: LoadState
    due: bool = True
    """Whether it is to be imported by the next pass."""
    failures: int = 0
    retry_at: float | None = None


class Knowledge:
    """The plugins of the last scan, in the order in which they are loaded."""

    def __init__(self) -> None:
        self._known: dict[PluginId, _Known] = {}
        self._fingerprint: str | None = None

    def accept(self, scan: ScanResult, now: float) -> set[PluginId]:
        """Takes a scan that ended at `now` (seconds, monotonic); the plugins whose state is another now.

        A partial scan makes nothing be forgotten: what it misses may be there.
        """
        changed: set[PluginId] = set()
        found = {each.plugin: each for each in scan.plugins}
        environment_changed = scan.fingerprint != self._fingerprint
        known: dict[PluginId, _Known] = {}
        for plugin, each in found.items():
            before = self._known.get(plugin)
            if before is None or before.found.fingerprint != each.fingerprint:
                known[plugin] = _Known(each, Loading(now))
                changed.add(plugin)
            else:
                before.found = each
                before.due |= isinstance(before.state, Loading)
                before.due |= environment_changed and isinstance(before.state, LoadFault)
                known[plugin] = before
        for plugin, before in self._known.items():
            if plugin not in known:
                changed.add(plugin)
                if not scan.complete:
                    known[plugin] = before
                    changed.discard(plugin)
        self._known = known
        self._fingerprint = scan.fingerprint
        return changed

    def state(self, plugin: PluginId) -> LoadState | None:
        """What is known of a plugin; None where the last scan did not find it."""
        known = self._known.get(plugin)
        return known.state if known else None

    def fingerprint(self, plugin: PluginId) -> str | None:
        """The fingerprint of the plugin's distribution."""
        known = self._known.get(plugin)
        return known.found.fingerprint if known else None

    def due(self, besides: Collection[PluginId] = ()) -> PluginId | None:
        """The plugin that the pass is to import next; `besides` those that are being tried elsewhere."""
        return next((each for each, known in self._known.items() if known.due and each not in besides), None)

    def leave_out(self, plugin: PluginId) -> None:
        """Imports the plugin no more until the next scan: a newer host does not know it."""
        if known := self._known.get(plugin):
            known.due = False

    def is_set_aside(self, plugin: PluginId) -> bool:
        """Whether the plugin crashed or hung when it was imported, so that it may be only tried alone."""
        state = self.state(plugin)
        return isinstance(state, LoadFault) and state.reason in _SET_ASIDE

    def due_again(self, now: float) -> list[PluginId]:
        """The plugins that were set aside and whose time has come; `now` in seconds, monotonic."""
        return [each for each, at in self._retries().items() if at <= now]

    def next_retry(self) -> float | None:
        """When the next plugin that was set aside is to be tried again."""
        return min(self._retries().values(), default=None)

    def _retries(self) -> Mapping[PluginId, float]:
        return {each: known.retry_at for each, known in self._known.items() if known.retry_at is not None}

    def record(
        self, plugin: PluginId, state: Described | LoadFault, fingerprint: str | None, now: float
    ) -> bool:
        """Takes the outcome of an import; whether the plugin's state is another now.

        `fingerprint` is the distribution's when the import began: the outcome of an older one is dropped.
        """
        known = self._known.get(plugin)
        if known is None or known.found.fingerprint != fingerprint:
            return False
        changed = known.state != state
        known.state = state
        known.due = False
        if isinstance(state, LoadFault) and state.reason in _SET_ASIDE:
            known.failures += 1
            known.retry_at = now + SET_ASIDE.after(known.failures)
        else:
            known.retry_at = None
            known.failures = 0
        return changed

    def loading(self) -> set[PluginId]:
        """The plugins that no import has judged yet."""
        return {each for each, known in self._known.items() if isinstance(known.state, Loading)}


def needs_new_host(host: ScanResult, now: ScanResult) -> bool:
    """Whether a host that found `host` when it was new has modules that are stale, now that `now` is found.

    What a partial scan misses is no reason: a directory that cannot be listed for a moment replaces no host.
    """
    if host.complete and now.complete:
        return host.fingerprint != now.fingerprint
    before = {(each.type, each.name): each.fingerprint for each in host.plugins}
    return any(before.get((each.type, each.name)) != each.fingerprint for each in now.plugins)
