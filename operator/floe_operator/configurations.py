"""The configuration of each plugin: resolved from its sources, validated by the plugin's schema, remembered.

A verdict holds as long as the spec, the plugin's distribution and the contents of the sources stay the same,
so a reconcile that finds nothing changed neither reads a Secret nor asks the host; `_LIFETIME` says which
hold for a time only. The configuration is never remembered, only a digest keyed by a secret of this process
and, in `scrubbers`, the strings to scrub.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import math
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from floe_core.host.protocol import ConfigFault, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ValidationCrashed
from floe_operator.rules.config_merge import ResolvedConfig, SourceObject, nests_deeper, referenced, resolve
from floe_operator.rules.facts import ConfigDigest, ConfigSourceFault, Hidden
from floe_operator.rules.plain_yaml import DEEPEST
from floe_operator.rules.resource import FloePlugin
from floe_operator.rules.scrub import Scrubber
from floe_operator.rules.verdict_texts import scrubbed
from floe_operator.scrubbers import Scrubbers
from floe_operator.source_contents import SourceContents

_LIFETIME = 600.0
"""Seconds after which a refused configuration is validated again: validators can also depend on files or
networks, which nobody watches. A valid one stays valid; whether a plugin still works is for its probe. But
each is validated once within these seconds after any distribution changed: it may be a library of the schema.
"""

_REFUSED = ("ValidationFailed", "SchemaFailed")
"""The reasons of a verdict that validators or the schema's code may have had."""

_PASSING = ("Forbidden", "ValidationCrashed")
"""Faults that can go away without a change of spec or source: a permission can be granted, and after a crash
the plugin host decides when to retry."""


@dataclass(frozen=True, slots=True)
class KnownConfig:
    """What is known about a configuration."""

    outcome: Verdict | ConfigSourceFault
    digest: ConfigDigest | None
    """None if the sources could not be resolved."""
    hidden: tuple[Hidden, ...] = ()
    """The entries of spec.configFrom that have no effect; equal configurations can differ in these."""
    until: float = math.inf
    """Until when it holds, in seconds of the monotonic clock: then it must be looked at again."""


_TOO_DEEP = KnownConfig(
    Verdict(
        reason="ValidationFailed",
        faults=(
            ConfigFault(field="", message=f"Input is nested deeper than {DEEPEST} levels", type="too_deep"),
        ),
    ),
    None,
)
"""The API server accepts a hundred times as many levels, which neither pydantic nor the host could handle."""


@dataclass(frozen=True, slots=True)
class _Kept:
    inputs: bytes
    fingerprint: str
    """The plugin's distribution."""
    sources: Mapping[SourceObject, bytes]
    """The digests of what the sources contained."""
    config: KnownConfig


class Configurations:
    """Resolves and validates configurations.

    `recheck` is the number of seconds after which a configuration is looked at again if nothing tells that it
    could be different now: a source cannot be watched, or a fault can pass.
    """

    def __init__(
        self,
        host: PluginHost,
        contents: SourceContents,
        objects: Objects,
        scrubbers: Scrubbers,
        recheck: float,
    ) -> None:
        self._host = host
        self._contents = contents
        self._objects = objects
        self._salt = os.urandom(32)
        self._kept: dict[PluginId, _Kept] = {}
        self._doubts = 0
        """How often all verdicts were doubted."""
        self._under_way: set[PluginId] = set()
        self._scrubbers = scrubbers
        self._recheck = recheck

    async def look_up(self, found: FoundPlugin, seen: FloePlugin) -> KnownConfig:
        """Return what is known about an object's current configuration.

        Raises:
            HostUnavailable: No plugin host could answer.
            PluginGone: The plugin is not installed any more.
            ClusterError: The sources cannot be read.
        """
        plugin = seen.plugin
        if nests_deeper(seen.spec.config, DEEPEST):
            return _TOO_DEEP
        inputs = self._digest(
            found.fingerprint, seen.spec.model_dump(mode="json", include={"config", "config_from"})
        )
        sources = {source: self._contents.digest(source) for source in referenced(seen.spec)}
        kept = self._kept.get(plugin)
        is_known = kept is not None and (kept.inputs, kept.sources) == (inputs, sources)
        if kept is not None and is_known and time.monotonic() < kept.config.until:
            return kept.config
        self._under_way.add(plugin)
        try:
            return await self._look_up_anew(found, seen, inputs)
        finally:
            self._under_way.discard(plugin)

    async def _look_up_anew(self, found: FoundPlugin, seen: FloePlugin, inputs: bytes) -> KnownConfig:
        doubts = self._doubts
        resolved, sources = await self._resolve(seen)
        config = await self._validate(found, seen, resolved)
        if doubts != self._doubts:  # perhaps it is still the old environment's verdict
            config = dataclasses.replace(config, until=_some_time(config.until))
        if isinstance(config.outcome, ConfigSourceFault) and config.outcome.reason in _PASSING:
            # What was known before is not what its status says now: no change may be taken for known.
            self._kept.pop(seen.plugin, None)
            return dataclasses.replace(config, until=time.monotonic() + self._recheck)
        self._kept[seen.plugin] = _Kept(inputs, found.fingerprint, sources, config)
        if any(self._contents.digest(source) is None for source in sources):
            return dataclasses.replace(config, until=min(config.until, time.monotonic() + self._recheck))
        return config

    def doubt_all(self) -> Iterator[tuple[PluginId, float]]:
        """Have each configuration validated once more, at a random moment within the lifetime of a verdict.

        Yield each plugin, and after how many seconds to look at it.
        """
        self._doubts += 1
        for plugin, kept in self._kept.items():
            until = _some_time(kept.config.until)
            self._kept[plugin] = dataclasses.replace(
                kept, config=dataclasses.replace(kept.config, until=until)
            )
            yield plugin, until - time.monotonic()

    async def changed_by(self, source: SourceObject) -> list[PluginId]:
        """Read a source that has a new version, and return the plugins that used other contents of it.

        Raises:
            ClusterError: The source cannot be read.
        """
        if not self._objects.users(source):
            self._contents.forget(source)
            return []
        _, digest = await self._contents.read(source)
        return [
            plugin for plugin in self._objects.users(source) if not self._has_used(plugin, source, digest)
        ]

    def _has_used(self, plugin: PluginId, source: SourceObject, digest: bytes) -> bool:
        """Return True if what is known of a plugin's configuration was made with these contents."""
        kept = self._kept.get(plugin)
        return kept is not None and kept.sources.get(source) == digest and plugin not in self._under_way

    async def _resolve(
        self, seen: FloePlugin
    ) -> tuple[ResolvedConfig | ConfigSourceFault, dict[SourceObject, bytes]]:
        """Resolve the object's configuration; from now on, scrub its secrets from the plugin's text.

        The second value has the digests of what the sources contained.
        """
        digests = {}
        if not seen.spec.config_from:
            resolved = resolve(seen.spec, {})
        else:
            contents = {}
            for source in referenced(seen.spec):
                contents[source], digests[source] = await self._contents.read(source)
            # A quarter of a megabyte of YAML takes a second to parse.
            resolved = await asyncio.to_thread(resolve, seen.spec, contents)
        if isinstance(resolved, ResolvedConfig):
            await self._scrubbers.remember(seen.plugin, resolved.secrets)
        return resolved, digests

    async def effective(self, plugin: PluginId, judged: ConfigDigest) -> dict[str, Any] | None:
        """Return the configuration to start a plugin with, or None unless it is the one that was judged.

        It may be another by now, of which the next reconcile learns, or none if the object is gone.
        """
        seen = self._objects.get(plugin)
        if seen is None:
            return None
        resolved, _ = await self._resolve(seen)
        kept = self._kept.get(plugin)
        if kept is None or isinstance(resolved, ConfigSourceFault):
            return None
        is_judged = self._effective_digest(kept.fingerprint, resolved) == judged
        return resolved.config if is_judged else None

    def forget(self, plugin: PluginId) -> None:
        """Forget a plugin whose object is gone."""
        self._kept.pop(plugin, None)
        self._scrubbers.forget(plugin)

    async def _validate(
        self, found: FoundPlugin, seen: FloePlugin, resolved: ResolvedConfig | ConfigSourceFault
    ) -> KnownConfig:
        if isinstance(resolved, ConfigSourceFault):
            return KnownConfig(resolved, None)
        # Taken now: others may be remembered in place of these before the host answers.
        scrubber = self._scrubbers.of(seen.plugin)
        digest = self._effective_digest(found.fingerprint, resolved)
        kept = self._kept.get(seen.plugin)
        if kept is not None and kept.config.digest == digest and time.monotonic() < kept.config.until:
            return dataclasses.replace(kept.config, hidden=resolved.hidden)
        with self._scrubbers.holding(resolved.secrets):
            outcome = await self._validated(seen.plugin, resolved, scrubber)
        is_refused = isinstance(outcome, Verdict) and outcome.reason in _REFUSED
        until = time.monotonic() + _LIFETIME if is_refused else math.inf
        return KnownConfig(outcome, digest, resolved.hidden, until)

    async def _validated(
        self, plugin: PluginId, resolved: ResolvedConfig, scrubber: Scrubber
    ) -> Verdict | ConfigSourceFault:
        try:
            verdict = await self._host.validate(plugin, resolved.config, resolved.plain)
        except ValidationCrashed as error:
            return ConfigSourceFault("ValidationCrashed", error.detail)
        if not verdict.faults:
            return verdict
        return await asyncio.to_thread(scrubbed, verdict, scrubber, resolved.from_config_maps)

    def _effective_digest(self, fingerprint: str, resolved: ResolvedConfig) -> ConfigDigest:
        return ConfigDigest(self._digest(fingerprint, resolved.config, resolved.plain))

    def _digest(self, *parts: object) -> bytes:
        text = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt).digest()


def _some_time(latest: float) -> float:
    """Return a random moment within the lifetime of a verdict, but not after the latest one."""
    return min(latest, time.monotonic() + random.uniform(0.0, _LIFETIME))  # noqa: S311
