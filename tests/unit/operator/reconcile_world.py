"""A reconciler in a world that a test controls: an API server, a plugin host and a prober, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from floe_core.host.protocol import Description, DistributionRef, FoundPlugin, ScanResult, Unreadable, Verdict
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.errors import ClusterError, NotInSchema
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.api.sources import Sources
from floe_operator.configurations import Configurations
from floe_operator.gather import Gather
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost
from floe_operator.probes import Prober
from floe_operator.reconcile import Reconciler
from floe_operator.refusals import Refusals
from floe_operator.rules.config_merge import Contents, SourceObject
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.rules.facts import Checked, ConfigDigest, Probe
from floe_operator.rules.load_states import Described, LoadState
from floe_operator.rules.probing import Run
from floe_operator.rules.resource import FIELD_MANAGER
from floe_operator.scans import Scans
from floe_operator.source_contents import SourceContents
from floe_operator.wakeups import Wakeups
from tests.support.scrubbing import no_scrubbers

BASE, TOP = PluginId(PluginType.STORAGE, "base"), PluginId(PluginType.CATALOG, "top")
LABELS = {"floe.dev/plugin-type": "storage"}
RECHECK = 60.0


def found(plugin: PluginId) -> FoundPlugin:
    return FoundPlugin(
        type=plugin.plugin_type.slug,
        name=plugin.name,
        entry_point=f"{plugin.name} = m:C",
        distribution=DistributionRef(name=f"floe-{plugin.name}", version="0.1.0"),
        fingerprint="1",
    )


def scan(*plugins: PluginId, unreadable: str = "") -> ScanResult:
    damage = Unreadable(where="/site", detail="damaged", plugins_unknown=True, project=unreadable)
    return ScanResult(
        complete=not unreadable,
        fingerprint="",
        distributions=len(plugins),
        plugins=tuple(map(found, plugins)),
        unreadable=(damage,) if unreadable else (),
    )


def loaded(*dependencies: str) -> Described:
    return Described(
        Description(
            declared_name="x",
            version="0.1.0",
            floe_api_version="1.0",
            takes_config=True,
            dependencies=dependencies,
        )
    )


@dataclass
class World:
    """Objects as an API server keeps them, and a plugin host and a prober that a test controls."""

    states: dict[PluginId, LoadState] = field(default_factory=dict)
    served: dict[PluginId, dict[str, Any]] = field(default_factory=dict)
    applied: list[PluginId] = field(default_factory=list)
    written: list[PluginId] = field(default_factory=list)
    wanted: list[ConfigDigest] = field(default_factory=list)
    dropped: list[PluginId] = field(default_factory=list)
    declared: list[PluginId] = field(default_factory=list)
    interfere: Mapping[str, Any] = field(default_factory=dict)
    """What another client writes just before the operator, by field."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those of --mirror-labels."""
    mutate: Callable[[dict[str, str]], dict[str, str]] = dict
    """What a mutating policy makes of the labels that the operator applies."""
    lacks: frozenset[str] = frozenset()
    """The fields of a status that the CRD does not have; the operator learns of them by a refusal."""
    verdicts: dict[PluginId, Verdict] = field(default_factory=dict)
    """What the host says of each configuration, unless it is valid."""
    changed: list[PluginId] = field(default_factory=list)
    """Which plugins the watch told of, other than by an echo."""
    looked_at: list[PluginId] = field(default_factory=list)
    """Which plugins were to be looked at again, though nobody changed them."""
    overtakes: bool = False
    """Whether the watch tells of each write before its answer comes."""
    fault: ClusterError | None = None
    """What the API server answers instead of storing a status."""
    tried_again: list[PluginId] = field(default_factory=list)
    version: int = 100

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start a new process: what only memory held is gone."""
        self.crd = SimpleNamespace(unserved=frozenset())
        self.objects = Objects()
        self.refusals = Refusals(self.tried_again.append)
        dependents = Dependents()
        self.wakeups = Wakeups(
            self.objects,
            dependents,
            changed=self.changed.append,
            later=self.looked_at.append,
            on_complete=lambda: None,
        )
        self.scans = Scans(self.objects.all)
        host = cast(
            "PluginHost", SimpleNamespace(load_state=self.states.get, validate=self._valid, generation=1)
        )
        sources = cast("Sources", SimpleNamespace(version=lambda _: None, read=self._read))
        prober = cast(
            "Prober",
            SimpleNamespace(
                fact=self._fact,
                want=self._want,
                drop=self.dropped.append,
            ),
        )
        gather = Gather(
            scans=self.scans,
            host=host,
            objects=self.objects,
            configurations=Configurations(
                host, SourceContents(sources), self.objects, no_scrubbers(), recheck=RECHECK
            ),
            prober=prober,
            dependents=dependents,
            on_declared=self._declare,
        )
        floeplugins = SimpleNamespace(
            apply=self._apply,
            apply_status=self._apply_status,
            crd=self.crd,
        )
        self.reconciler = Reconciler(
            floeplugins=cast("FloePlugins", floeplugins),
            objects=self.objects,
            gather=gather,
            prober=prober,
            refusals=self.refusals,
            labels=self.labels,
            on_written=lambda seen, _: self.written.append(seen.plugin),
            writing=self.wakeups.writing,
        )

    def there(self, plugin: PluginId, *, labels: Mapping[str, str] | None = LABELS, **spec: Any) -> None:
        """Create an object as a user would, and have the watch deliver it."""
        self.objects.put(self.serve(plugin, labels=labels, **spec))

    def serve(
        self, plugin: PluginId, *, labels: Mapping[str, str] | None = LABELS, **spec: Any
    ) -> dict[str, Any]:
        """Create an object as a user would, and return it."""
        slug = plugin.plugin_type.slug
        self.served[plugin] = {
            "metadata": {
                "name": f"{slug}-{plugin.name}",
                "uid": plugin.name,
                "resourceVersion": self._next(),
                "generation": 1,
                "labels": dict(labels or {}),
            },
            "spec": {"type": slug, "name": plugin.name, **spec},
        }
        return self.served[plugin]

    def listed(self) -> None:
        """List all objects."""
        began = self.objects.moment
        for raw in self.served.values():
            self.objects.put(raw, listing=began)
        self.objects.listed([raw["metadata"]["name"] for raw in self.served.values()], began)
        self.scans.objects_listed()

    def reasons(self, plugin: PluginId) -> dict[str, str]:
        return {one["type"]: one["reason"] for one in self.served[plugin]["status"]["conditions"]}

    async def settle(self) -> None:
        """Reconcile everything until nothing changes."""
        written = -1
        while written != len(self.written):
            written = len(self.written)
            for plugin in self.served:
                await self.reconciler.reconcile(plugin)

    def _next(self) -> str:
        self.version += 1
        return str(self.version)

    def _put(self, plugin: PluginId, **fields: Any) -> dict[str, Any]:
        """Write as the operator does, immediately after a write by another client."""
        present = {**self.served[plugin], **fields}
        metadata = {
            **present["metadata"],
            **self.interfere.get("metadata", {}),
            "resourceVersion": self._next(),
        }
        if self.overtakes and self.interfere:
            theirs = {**self.served[plugin]["metadata"], "resourceVersion": metadata["resourceVersion"]}
            self.wakeups.seen("MODIFIED", {**self.served[plugin], **self.interfere, "metadata": theirs})
            metadata["resourceVersion"] = self._next()
        self.served[plugin] = {**present, **self.interfere, "metadata": metadata}
        self.interfere = {}
        if self.overtakes:
            self.wakeups.seen("MODIFIED", self.served[plugin])
        return self.served[plugin]

    async def _apply(self, plugin: PluginId, labels: Mapping[str, str], *, uid: str | None) -> dict[str, Any]:
        self.applied.append(plugin)
        if plugin not in self.served:
            self.there(plugin)
        own: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{name}": {} for name in labels}}}
        metadata = {
            **self.served[plugin]["metadata"],
            "labels": self.mutate(dict(labels)),
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": own}],
        }
        return self._put(plugin, metadata=metadata)

    async def _apply_status(self, plugin: PluginId, *, uid: str, status: Mapping[str, Any]) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        if not self.lacks.isdisjoint(status):
            self.crd.unserved = self.lacks
            raise NotInSchema("field not declared in schema")
        return self._put(plugin, status=dict(status))

    async def _read(self, source: SourceObject) -> Contents:
        return {"k": b"a text"}

    async def _valid(self, plugin: PluginId, config: object, plain: object) -> Verdict:
        return self.verdicts.get(plugin, Verdict(reason="Valid"))

    def _declare(self, plugin: PluginId) -> None:
        self.declared.append(plugin)
        self.wakeups.declared(plugin)

    def _fact(self, plugin: PluginId, digest: ConfigDigest | None, generation: int) -> Probe | None:
        return Checked("healthy") if self.wanted else None

    def _want(self, plugin: PluginId, run: Run) -> None:
        if run.digest not in self.wanted[-1:]:
            self.wanted.append(run.digest)
