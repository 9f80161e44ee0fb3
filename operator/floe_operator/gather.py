"""Gathers what is known about one plugin into a `Situation`: the input of a reconcile.

The dependencies that plugins declare are also noted in `dependents`; `on_declared` is called if they changed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from floe_core.plugin_types import PluginId
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator.configurations import Configurations
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost
from floe_operator.probes import Prober
from floe_operator.rules.decision import Situation
from floe_operator.rules.dependency_graph import Dependents, Graph
from floe_operator.rules.facts import Dependencies, Discovery, Facts, Installed
from floe_operator.rules.in_use import is_in_use, readiness
from floe_operator.rules.load_states import Described, LoadFault
from floe_operator.rules.resource import FloePlugin
from floe_operator.scans import Scans


class Gather:
    """Collects the facts about one plugin: scans, host, objects, configurations, prober, dependencies."""

    def __init__(
        self,
        *,
        scans: Scans,
        host: PluginHost,
        objects: Objects,
        configurations: Configurations,
        prober: Prober,
        dependents: Dependents,
        on_declared: Callable[[PluginId], None],
    ) -> None:
        self._scans = scans
        self._host = host
        self._objects = objects
        self._configurations = configurations
        self._prober = prober
        self._graph = Graph(self._declared, lambda: scans.plugins)
        self._dependents = dependents
        self._on_declared = on_declared

    async def situation(self, plugin: PluginId) -> Situation:
        """Return what is known about a plugin.

        Raises:
            HostUnavailable: No plugin host could answer; a retry helps.
            PluginGone: The plugin is no longer installed; a retry helps.
            ClusterError: A request to the API server failed; a retry helps.
        """
        # Whether or not it has an object, and while it is not loaded, too: a cycle can close or end by what
        # others take it to need.
        if self._dependents.note(plugin, self._declared(plugin)):
            self._on_declared(plugin)
        seen = self._objects.get(plugin)
        if seen is None:
            # Before the first listing, nobody knows which objects are missing.
            is_absent = self._objects.complete and not self._objects.is_unfit(plugin)
            return Situation(None, lacks_object=is_absent and self._scans.must_exist(plugin))
        if seen.is_going:
            return Situation(seen)
        discovery = self._scans.discovery(seen)
        return Situation(seen) if discovery is None else await self._judged(plugin, seen, discovery)

    async def _judged(self, plugin: PluginId, seen: FloePlugin, discovery: Discovery) -> Situation:
        facts = Facts(
            plugin=plugin,
            generation=seen.metadata.generation,
            spec=seen.spec,
            platform_api_version=FLOE_PLUGIN_API_VERSION,
            discovery=discovery,
            in_use=is_in_use(seen),
        )
        until = math.inf
        if isinstance(discovery, Installed):
            facts, until = await self._facts_of_installed(facts, discovery, seen)
        probe = self._prober.fact(plugin, facts.config_digest, facts.generation)
        return Situation(seen, dataclasses.replace(facts, probe=probe), until=until)

    async def _facts_of_installed(
        self, facts: Facts, discovery: Installed, seen: FloePlugin
    ) -> tuple[Facts, float]:
        plugin = facts.plugin
        loading = self._host.load_state(plugin)
        if not isinstance(loading, Described):
            return dataclasses.replace(facts, loading=loading), math.inf
        config = await self._configurations.look_up(discovery.found, seen)
        facts = dataclasses.replace(
            facts,
            loading=loading,
            config=config.outcome,
            hidden=config.hidden,
            config_digest=config.digest,
            dependencies=self._dependencies(plugin),
        )
        return facts, config.until

    def forget(self, plugin: PluginId) -> None:
        """Forget a plugin whose object is gone."""
        self._configurations.forget(plugin)

    def _dependencies(self, plugin: PluginId) -> Dependencies | None:
        """Return the dependencies, or None before the first scan, or if an object may not be listed yet.

        Only a listing tells that it does not exist. The objects also show what a partial scan might hide.
        """
        scan = self._scans.scan
        if scan is None or not (scan.complete or self._objects.complete):
            return None
        found = self._graph.dependencies_of(plugin, lambda needed: readiness(self._objects.get(needed)))
        needs = (one.candidates[0] for one in found.declared if len(one.candidates) == 1)
        if not self._objects.complete and not all(map(self._objects.has, needs)):
            return None
        return found

    def _declared(self, plugin: PluginId) -> Sequence[str]:
        """Return the dependencies of a plugin; until it is loaded (again), those in its object's status."""
        match self._host.load_state(plugin):
            case Described(description):
                return description.dependencies
            case LoadFault():
                return ()
        seen = self._objects.get(plugin)
        return seen.status.dependencies or () if seen is not None and seen.status is not None else ()
