"""An operator that runs for a whole module of tests; each test starts with bare mirrors."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster import LocalCluster
from tests.support.distributions import Distribution, Environment
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually


@dataclass(frozen=True)
class Standing:
    """The parts of a running operator."""

    operator: OperatorProcess
    environment: Environment
    plugins: FloePlugins
    mirrors: frozenset[str]

    def reset(self) -> FloePlugins:
        """Delete every object, Secret and ConfigMap, and wait until the bare mirrors are back."""
        before = {name: found["metadata"]["uid"] for name, found in self.plugins.all().items()}
        for name in before:
            self.plugins.delete(name)
        self.plugins.core.delete_collection_namespaced_secret(self.plugins.namespace)
        self.plugins.core.delete_collection_namespaced_config_map(self.plugins.namespace)

        def judged_anew() -> bool:
            present = self.plugins.all()
            old = [
                name
                for name, uid in before.items()
                if name in present and present[name]["metadata"]["uid"] == uid
            ]
            unjudged = [name for name, found in present.items() if not found["status"].get("conditions")]
            assert not old, f"not deleted yet: {old}"
            assert not unjudged, f"not assessed yet: {unjudged}"
            assert present.keys() == self.mirrors, f"missing or unexpected: {present.keys() ^ self.mirrors}"
            return True

        eventually(judged_anew)
        return self.plugins


@contextmanager
def standing_operator(
    cluster: LocalCluster,
    folder: Path,
    *distributions: Distribution,
    flags: tuple[str, ...] = (),
    kubeconfig: Path | None = None,
) -> Iterator[Standing]:
    """Run an operator with these plugins in its own namespace, and yield it once every mirror exists.

    The operator uses `kubeconfig` if given, else the administrator's.
    """
    namespace = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", namespace)
    environment = Environment.create(folder / "plugins")
    environment.install(*distributions)
    plugins = FloePlugins(cluster.kubeconfig, namespace)
    wanted = sum(len(entries) for one in distributions for entries in one.entry_points.values())
    process = OperatorProcess(
        kubeconfig or cluster.kubeconfig,
        namespace,
        environment.python,
        folder / "operator.log",
        *("--scan-interval", "2s", "--log-level", "debug", *flags),
    )
    with process:
        eventually(lambda: len(plugins.all()) >= wanted, within=60, saying=f"{wanted} mirrors")
        yield Standing(process, environment, plugins, frozenset(plugins.all()))
