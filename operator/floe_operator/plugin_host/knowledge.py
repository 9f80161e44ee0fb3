"""What is known about the loading of each plugin, and when to retry it. No I/O.

A description belongs to the distribution it came from and outlives hosts. A failure is retried when any
distribution has changed, since what was missing may be installed now; a crash or timeout is also retried from
time to time. A failure beside other plugins is believed only once it was confirmed alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from floe_core.host.protocol import FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.outcomes import Doubt, Outcome, failure_in
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.load_states import Described, LoadFault, Loading, LoadState

SET_ASIDE = Backoff(first=60.0, longest=3_600.0)
"""The pauses between retries of a plugin that was set aside."""

_SET_ASIDE = ("CrashedOnLoad", "LoadTimedOut")


@dataclass(slots=True)
class _Known:
    found: FoundPlugin
    state: LoadState
    failures: int = 0
    settled: dict[str, Outcome] = field(default_factory=dict)
    """What this release does alone in a host, by how it failed beside other plugins."""


class Knowledge:
    """The plugins of the last scan, in the order in which they are loaded."""

    def __init__(self) -> None:
        self._known: dict[PluginId, _Known] = {}
        self._due: dict[PluginId, None] = {}
        """The plugins that the next pass should import, in the order of `_known`."""
        self._retries: dict[PluginId, float] = {}
        """When each plugin that was set aside should be tried again."""
        self._scan: ScanResult | None = None

    def accept(self, scan: ScanResult, now: float) -> set[PluginId]:
        """Record a scan that ended at `now` (seconds, monotonic), and return the plugins whose state changed.

        After a partial scan no plugin is forgotten: what the scan missed may still be installed.
        """
        if scan is self._scan and scan.complete:
            self._due = {
                plugin: None
                for plugin, known in self._known.items()
                if plugin in self._due or isinstance(known.state, Loading)
            }
            return set()
        changed: set[PluginId] = set()
        found = {each.plugin: each for each in scan.plugins}
        environment_changed = self._scan is None or scan.fingerprint != self._scan.fingerprint
        known: dict[PluginId, _Known] = {}
        due = set(self._due)
        for plugin, each in found.items():
            before = self._known.get(plugin)
            if before is None or before.found.fingerprint != each.fingerprint:
                known[plugin] = _Known(each, Loading(now))
                self._retries.pop(plugin, None)
                changed.add(plugin)
            else:
                before.found = each
                known[plugin] = before
            state = known[plugin].state
            if isinstance(state, Loading) or (environment_changed and isinstance(state, LoadFault)):
                due.add(plugin)
        for plugin, before in self._known.items():
            if plugin not in known:
                changed.add(plugin)
                if not scan.complete:
                    known[plugin] = before
                    changed.discard(plugin)
        if environment_changed and scan.complete:
            # What damaged the process may be gone: one of the others, or a library of theirs.
            changed |= (again := _try_again_beside(known))
            due |= again
        self._known, self._scan = known, scan
        self._due = {plugin: None for plugin in known if plugin in due}
        self._retries = {plugin: at for plugin, at in self._retries.items() if plugin in known}
        return changed

    def state(self, plugin: PluginId) -> LoadState | None:
        """Return what is known about a plugin, or None if the last scan did not find it."""
        known = self._known.get(plugin)
        return known.state if known else None

    def fingerprint(self, plugin: PluginId) -> str | None:
        """Return the fingerprint of the plugin's distribution."""
        known = self._known.get(plugin)
        return known.found.fingerprint if known else None

    def due(self, besides: Collection[PluginId] = ()) -> PluginId | None:
        """Return the plugin to import next, ignoring `besides`: plugins that are being tried elsewhere."""
        return next((each for each in self._due if each not in besides), None)

    def wants_import(self, plugin: PluginId) -> bool:
        """Return True if a pass or a retry should import the plugin, whatever was imported before."""
        return plugin in self._due or plugin in self._retries

    def leave_out(self, plugin: PluginId, now: float) -> None:
        """Skip the plugin until the next scan, or a retry much later: the host does not know it."""
        self._due.pop(plugin, None)
        if plugin in self._retries:
            self._retries[plugin] = now + SET_ASIDE.first

    def is_set_aside(self, plugin: PluginId) -> bool:
        """Return True if the plugin's import crashed or hung, so that it must only be tried alone."""
        state = self.state(plugin)
        return isinstance(state, LoadFault) and state.reason in _SET_ASIDE

    def due_again(self, now: float) -> list[PluginId]:
        """Return the plugins that were set aside and are due for a retry; `now` is in seconds, monotonic."""
        return [each for each, at in self._retries.items() if at <= now]

    def next_retry(self) -> float | None:
        """Return when the next plugin that was set aside should be retried."""
        return min(self._retries.values(), default=None)

    def loads_only_alone(self, plugin: PluginId) -> bool:
        """Return True if the plugin cannot be imported into a host that has other plugins."""
        state = self.state(plugin)
        return isinstance(state, Described) and state.beside is not None

    def believe(self, plugin: PluginId, seen: Outcome) -> Outcome | None:
        """Return what an outcome in a host with other plugins means; None if that must be confirmed alone.

        The same failure is confirmed once for each release: a hundred broken plugins must not start a hundred
        hosts whenever a distribution changes.
        """
        failure = failure_in(seen)
        if not failure:
            return seen
        known = self._known.get(plugin)
        alone = known.settled.get(failure) if known is not None else None
        return seen if alone is not None and failure_in(alone) == failure else alone

    def settle(self, plugin: PluginId, doubt: Doubt, alone: Outcome) -> None:
        """Remember what a failure beside other plugins means, unless it is of an older distribution."""
        known = self._known.get(plugin)
        if known is not None and known.found.fingerprint == doubt.fingerprint:
            known.settled[failure_in(doubt.seen)] = alone

    def record(self, plugin: PluginId, state: Outcome, fingerprint: str | None, now: float) -> bool:
        """Record the outcome of an import, and return True if the plugin's state changed.

        `fingerprint` is that of the distribution when the import began; the outcome of an older distribution
        is dropped.
        """
        known = self._known.get(plugin)
        if known is None or known.found.fingerprint != fingerprint:
            return False
        if isinstance(state, Described) and state.beside is None and isinstance(known.state, Described):
            # A host of its own was used again; what is known about other hosts stays.
            state = replace(state, beside=known.state.beside)
        changed = known.state != state
        known.state = state
        self._due.pop(plugin, None)
        if isinstance(state, LoadFault) and state.reason in _SET_ASIDE:
            known.failures += 1
            self._retries[plugin] = now + SET_ASIDE.after(known.failures)
        else:
            self._retries.pop(plugin, None)
            known.failures = 0
        return changed

    def loading(self) -> set[PluginId]:
        """Return the plugins whose import has not ended yet."""
        return {each for each, known in self._known.items() if isinstance(known.state, Loading)}


def _try_again_beside(known: Mapping[PluginId, _Known]) -> set[PluginId]:
    """Forget of the plugins that failed beside others that they did, and return them."""
    again = set()
    for plugin, each in known.items():
        state = each.state
        if isinstance(state, Described) and state.beside:
            each.state = replace(state, beside=None)
            each.settled.clear()
            again.add(plugin)
    return again


def needs_new_host(host: ScanResult, now: ScanResult) -> bool:
    """Return True if a host whose first scan was `host` has stale modules, given the latest scan `now`.

    What a partial scan misses does not count: a directory that briefly cannot be listed must not replace a
    host. Two scans that met the same damage missed the same, and no damage changes what .pth files say.
    """
    if host.path_fingerprint != now.path_fingerprint:
        return True
    if (host.complete and now.complete) or host.unreadable == now.unreadable:
        return host.fingerprint != now.fingerprint
    before = {(each.type, each.name): each.fingerprint for each in host.plugins}
    return any(before.get((each.type, each.name)) != each.fingerprint for each in now.plugins)
