"""Gathers what is known of one plugin into `Facts`: the input side of a reconcile.

What plugins declare to need is noted in `dependents` on the way; `on_declared` is told where that is new.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from floe_core.plugin_types import PluginId
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator.config_sources import ResolvedConfig
from floe_operator.configurations import Configurations
from floe_operator.dependencies import Dependents, Graph
from floe_operator.facts import Dependencies, Facts, Installed
from floe_operator.inventory import Inventory
from floe_operator.plugin_host import PluginHost
from floe_operator.plugin_host.states import Loaded, LoadFault, LoadState
from floe_operator.probes import Prober
from floe_operator.resource import FloePlugin
from floe_operator.store import Store


class Gather:
    """Knows where each fact comes from."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        host: PluginHost,
        store: Store,
        configurations: Configurations,
        prober: Prober,
        dependents: Dependents,
        on_declared: Callable[[PluginId], None],
    ) -> None:
        self._inventory = inventory
        self._host = host
        self._store = store
        self._configurations = configurations
        self._prober = prober
        self._graph = Graph(self._declared, lambda: inventory.plugins)
        self._dependents = dependents
        self._on_declared = on_declared

    async def facts(self, seen: FloePlugin) -> tuple[Facts, bytes] | None:
        """What is known of an object's plugin, and its configuration's digest; None before the first scan.

        Raises HostUnavailable, PluginGone and ClusterError where a retry helps.
        """
        plugin = seen.plugin
        discovery = self._inventory.discovery(seen)
        if discovery is None:
            return None
        facts = Facts(
            plugin=plugin,
            generation=seen.metadata.generation,
            spec=seen.spec,
            platform_api_version=FLOE_PLUGIN_API_VERSION,
            discovery=discovery,
            probe=self._prober.fact(plugin, b""),
        )
        if not isinstance(discovery, Installed):
            return facts, b""
        loading = self._host.load_state(plugin)
        if not isinstance(loading, Loaded):
            return dataclasses.replace(facts, loading=self._scrubbed(loading)), b""
        if self._dependents.note(plugin, loading.description.dependencies):
            self._on_declared(plugin)
        judgement = await self._configurations.judge(discovery.found, seen)
        return (
            dataclasses.replace(
                facts,
                loading=loading,
                config=judgement.outcome,
                dependencies=self._dependencies(plugin),
                probe=self._prober.fact(plugin, judgement.digest),
            ),
            judgement.digest,
        )

    async def effective_config(self, plugin: PluginId) -> dict[str, Any] | None:
        """The configuration to start a plugin with; None where there is none now."""
        seen = self._store.get(plugin)
        if seen is None:
            return None
        resolved = await self._configurations.resolve(seen)
        return resolved.config if isinstance(resolved, ResolvedConfig) else None

    def forget(self, plugin: PluginId) -> None:
        """The plugin's object is gone."""
        self._configurations.forget(plugin)
        self._dependents.note(plugin, ())

    def _dependencies(self, plugin: PluginId) -> Dependencies | None:
        """None while a partial scan hides something, and not all objects are known that tell what."""
        scan = self._inventory.scan
        if scan is None or not (scan.complete or self._store.complete):
            return None
        return self._graph.dependencies_of(plugin, self._is_ready)

    def _declared(self, plugin: PluginId) -> Sequence[str]:
        """What a plugin needs; until it is loaded (again), what its object says."""
        match self._host.load_state(plugin):
            case Loaded(description):
                return description.dependencies
            case LoadFault():
                return ()
        seen = self._store.get(plugin)
        return seen.status.dependencies or () if seen is not None and seen.status is not None else ()

    def _is_ready(self, plugin: PluginId) -> bool:
        seen = self._store.get(plugin)
        return seen is not None and is_ready(seen)

    def _scrubbed(self, state: LoadState | None) -> LoadState | None:
        if isinstance(state, LoadFault) and state.plugin_text:
            text = self._configurations.scrubbers.common().scrub(state.plugin_text)
            return dataclasses.replace(state, plugin_text=text)
        return state


def is_ready(seen: FloePlugin) -> bool:
    """Whether an object's Ready is True."""
    ready = seen.status.condition("Ready") if seen.status is not None else None
    return ready is not None and ready.status == "True"
