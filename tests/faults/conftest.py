"""A control plane for the session, and operators that reach it through a proxy that misbehaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from localcluster.binaries import DEFAULT_VERSION
from tests.support.control_planes import install_crd
from tests.support.distributions import plugin_distribution
from tests.support.fault_proxy import FaultProxy
from tests.support.http_pages import metric, page
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.ports import free_port
from tests.support.standing import standing_operator

RARELY = ("--scan-interval", "1h")
"""Scans list the objects, too; with these flags only the watch brings changes."""


def control_plane_options() -> dict[str, Any]:
    return {"version": os.environ.get("FLOE_KUBERNETES", DEFAULT_VERSION)}


@pytest.fixture(scope="session")
def localcluster_options() -> dict[str, Any]:
    return control_plane_options()


@pytest.fixture(scope="session")
def cluster(localcluster: LocalCluster) -> LocalCluster:
    """Return the session's control plane, with the CRD installed."""
    install_crd(localcluster)
    return localcluster


@pytest.fixture(scope="session")
def fragile_cluster() -> Iterator[LocalCluster]:
    """Yield a control plane that tests may take apart, each putting it together again.

    These tests are in the xdist group `fragile`, so that they share it.
    """
    with LocalCluster(**control_plane_options()) as cluster:
        install_crd(cluster)
        yield cluster


@dataclass(frozen=True)
class Faulty:
    """An operator behind a proxy, and its namespace, which tests reach without the proxy."""

    proxy: FaultProxy
    operator: OperatorProcess
    plugins: FloePlugins
    port: int

    def ready(self) -> tuple[bool, str]:
        """Return whether /readyz says that all is well, and its text."""
        status, text = page(self.port, "readyz")
        return status == 200, text

    def sees(self, resource: str) -> bool:
        """Return what the metrics say about the watch on a resource."""
        return metric(self.port, f'floe_operator_watch_established{{resource="{resource}"}}') == 1


StartFaulty = Callable[..., Faulty]


@pytest.fixture
def start_faulty(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartFaulty]:
    """Start an operator behind a proxy, with the plugins `plain` and `needy`, which needs a password."""
    with ExitStack() as running:

        def start(*flags: str) -> Faulty:
            proxy = running.enter_context(FaultProxy(cluster.kubeconfig))
            port = free_port()
            standing = running.enter_context(
                standing_operator(
                    cluster,
                    tmp_path,
                    plugin_distribution("plain", config="word: str = 'none'"),
                    plugin_distribution("needy", config="password: SecretStr = Field(min_length=8)"),
                    flags=("--http-port", str(port), *flags),
                    kubeconfig=proxy.kubeconfig(tmp_path / "kubeconfig"),
                )
            )
            return Faulty(proxy, standing.operator, standing.plugins, port)

        yield start
