"""The plugins whose object or status the API server refuses to store, and when each is tried again.

Nothing tells the operator when a quota, a policy, a webhook or a proxy stops refusing. So of all plugins that
are refused for the same cause, a few are tried again every few seconds. For each one that is accepted, two
more are tried immediately, so that all are written soon after the cause has ended. A cause that lasts holds
up only its own plugins.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.rules.resource import object_name
from floe_operator.said import Said, gist, without

Kind = Literal["object", "status"]

AGAIN_SECONDS = 3.0
"""Seconds between two rounds of attempts."""
FEW = 8
"""How many plugins that are refused for the same cause are tried at the same time, until one is accepted."""
MOST = 32
"""How many plugins are tried in one round, whatever the causes."""
_SAID_AGAIN_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class _Cause(NamedTuple):
    """What is refused and why; when it ends for one plugin, it probably ends for all."""

    kind: Kind
    words: str
    """The reason without what differs between plugins."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The plugins that are refused for one cause."""

    waiting: collections.OrderedDict[PluginId, None] = field(default_factory=collections.OrderedDict)
    """Those to be tried again, the next one first."""
    tried: set[PluginId] = field(default_factory=set)
    """Those that are being tried: the queue has them."""


class Refusals:
    """What is refused now; `enqueue` makes a plugin be tried again."""

    def __init__(self, enqueue: Callable[[PluginId], None]) -> None:
        self._enqueue = enqueue
        self._causes: dict[PluginId, _Cause] = {}
        self._groups: collections.OrderedDict[_Cause, _Group] = collections.OrderedDict()
        self._said: Said[tuple[Kind, str]] = Said(again_after=_SAID_AGAIN_SECONDS)
        self._counts = {"object": 0, "status": 0, "deletion": 0}

    @property
    def counts(self) -> Mapping[str, int]:
        """How many writes were refused so far, by kind: `object`, `status` or `deletion`."""
        return self._counts

    def __len__(self) -> int:
        return len(self._causes)

    @contextlib.contextmanager
    def attempt(self, plugin: PluginId) -> Iterator[None]:
        """Leave the plugin to the caller, who tries to write it and notes whether that was refused.

        If it calls neither `refused` nor `over`, the plugin is forgotten: the queue retries it then, and to
        try it from here as well would cut short the wait that the API server asked for.
        """
        if (cause := self._causes.get(plugin)) is not None:
            group = self._groups[cause]
            group.waiting.pop(plugin, None)
            group.tried.add(plugin)
        try:
            yield
        finally:
            if (cause := self._causes.get(plugin)) is not None and plugin in self._groups[cause].tried:
                self._forget(plugin)

    def refused(self, plugin: PluginId, kind: Kind, reason: str, *, is_race: bool = False) -> bool:
        """Note that a write was refused, and log why unless that was said before.

        `is_race`: another client may just have been faster, so that it is said only if it happens again.
        Return True if that may be all.
        """
        self._counts[kind] += 1
        is_first = self._forget(plugin) is None
        names = object_name(plugin), plugin.slug
        cause = _Cause(kind, without(reason, *names))
        self._causes[plugin] = cause
        self._groups.setdefault(cause, _Group()).waiting[plugin] = None
        if is_first and is_race:
            return True
        if self._said.is_new((kind, gist(reason, *names))):
            if kind == "object":
                _log.error("cannot write a FloePlugin", plugin=plugin.slug, reason=reason)
            else:
                _log.warning("cannot write the status of a FloePlugin", plugin=plugin.slug, reason=reason)
        return False

    def deletion_refused(self) -> None:
        """Count a deletion that was refused. Nothing is held: each scan shows what is left to delete."""
        self._counts["deletion"] += 1

    def over(self, plugin: PluginId) -> None:
        """Note that nothing of the plugin is refused any more; if something was, try two more immediately."""
        if (cause := self._forget(plugin)) is not None:
            self._try_next(cause)
            self._try_next(cause)

    async def run(self) -> None:
        """Try again from time to time, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            self.try_a_few()

    def try_a_few(self) -> None:
        """Try a few of each group. The groups take turns, so that none has to wait for the larger ones."""
        left = MOST
        for _ in range(FEW):
            for cause, group in list(self._groups.items()):
                if left and len(group.tried) < FEW and self._try_next(cause):
                    self._groups.move_to_end(cause)
                    left -= 1

    def _try_next(self, cause: _Cause) -> bool:
        """Try the plugin of a group that has waited longest; return False if none waits."""
        group = self._groups.get(cause)
        if group is None or not group.waiting:
            return False
        plugin, _ = group.waiting.popitem(last=False)
        group.tried.add(plugin)
        self._enqueue(plugin)
        return True

    def _forget(self, plugin: PluginId) -> _Cause | None:
        """Forget the plugin; return why it was refused, or None if it was not."""
        cause = self._causes.pop(plugin, None)
        if cause is not None:
            group = self._groups[cause]
            group.waiting.pop(plugin, None)
            group.tried.discard(plugin)
            if not group.waiting and not group.tried:
                del self._groups[cause]
        return cause
