"""The configuration of each plugin: resolved from its sources, validated by the plugin's schema, remembered.

A verdict holds as long as the spec, the plugin's distribution and the versions of the sources stay the same,
so a reconcile that finds nothing changed neither reads a Secret nor asks the host. The configuration is never
remembered, only a digest keyed by a secret of this process and, in `scrubbers`, the strings to scrub.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import Any

from floe_core.host.protocol import ConfigFault, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId
from floe_operator.api.sources import Sources
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ValidationCrashed
from floe_operator.rules.config_merge import ResolvedConfig, nests_deeper, referenced, resolve
from floe_operator.rules.facts import ConfigDigest, ConfigSourceFault, Hidden
from floe_operator.rules.plain_yaml import DEEPEST
from floe_operator.rules.resource import FloePlugin
from floe_operator.rules.scrub import Scrubber
from floe_operator.rules.verdict_texts import scrubbed
from floe_operator.scrubbers import Scrubbers

_LIFETIME = 600.0
"""Seconds after which a configuration is validated again: validators can also depend on files or networks."""

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
    config: KnownConfig
    at: float


class Configurations:
    """Resolves and validates configurations."""

    def __init__(self, host: PluginHost, sources: Sources, objects: Objects, scrubbers: Scrubbers) -> None:
        self._host = host
        self._sources = sources
        self._objects = objects
        self._salt = os.urandom(32)
        self._kept: dict[PluginId, _Kept] = {}
        self._scrubbers = scrubbers

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
        versions = [self._sources.version(source) for source in referenced(seen.spec)]
        inputs = self._digest(
            found.fingerprint, seen.spec.model_dump(mode="json", include={"config", "config_from"}), versions
        )
        kept = self._kept.get(plugin)
        known = kept is not None and kept.inputs == inputs and None not in versions
        if kept is not None and known and time.monotonic() - kept.at < _LIFETIME:
            return kept.config
        config = await self._resolve_and_validate(found, seen)
        if isinstance(config.outcome, ConfigSourceFault) and config.outcome.reason in _PASSING:
            return config
        # An unchanged verdict keeps its age however often its sources are touched.
        unchanged = kept is not None and config.outcome is kept.config.outcome
        at = kept.at if kept is not None and unchanged else time.monotonic()
        self._kept[plugin] = _Kept(inputs, config, at)
        return config

    async def resolve(self, seen: FloePlugin) -> ResolvedConfig | ConfigSourceFault:
        """Resolve the object's configuration; from now on, scrub its secrets from the plugin's text."""
        if not seen.spec.config_from:
            resolved = resolve(seen.spec, {})
        else:
            contents = {source: await self._sources.read(source) for source in referenced(seen.spec)}
            # A quarter of a megabyte of YAML takes a second to parse.
            resolved = await asyncio.to_thread(resolve, seen.spec, contents)
        if isinstance(resolved, ResolvedConfig):
            await self._scrubbers.remember(seen.plugin, resolved.secrets)
        return resolved

    async def effective(self, plugin: PluginId) -> dict[str, Any] | None:
        """Return the configuration to start a plugin with, or None if there is none or its object is gone."""
        seen = self._objects.get(plugin)
        if seen is None:
            return None
        resolved = await self.resolve(seen)
        return resolved.config if isinstance(resolved, ResolvedConfig) else None

    def forget(self, plugin: PluginId) -> None:
        """Forget a plugin whose object is gone."""
        self._kept.pop(plugin, None)
        self._scrubbers.forget(plugin)

    async def _resolve_and_validate(self, found: FoundPlugin, seen: FloePlugin) -> KnownConfig:
        resolved = await self.resolve(seen)
        if isinstance(resolved, ConfigSourceFault):
            return KnownConfig(resolved, None)
        # Taken now: others may be remembered in place of these before the host answers.
        scrubber = self._scrubbers.of(seen.plugin)
        digest = ConfigDigest(self._digest(found.fingerprint, resolved.config, resolved.plain))
        kept = self._kept.get(seen.plugin)
        if kept is not None and kept.config.digest == digest and time.monotonic() - kept.at < _LIFETIME:
            return dataclasses.replace(kept.config, hidden=resolved.hidden)
        with self._scrubbers.holding(resolved.secrets):
            outcome = await self._validated(seen.plugin, resolved, scrubber)
        return KnownConfig(outcome, digest, resolved.hidden)

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

    def _digest(self, *parts: object) -> bytes:
        text = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt).digest()
