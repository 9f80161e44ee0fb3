"""One control plane for the session, with the CRD and an audit log, and a namespace for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from localcluster.binaries import DEFAULT_VERSION
from tests.support.audit import Audit
from tests.support.control_planes import audited, install_crd, new_namespace
from tests.support.distributions import Environment
from tests.support.operator import FloePlugins, OperatorProcess

_AUDITED = (
    {
        "level": "Metadata",
        "resources": [{"group": "floe.dev"}, {"group": "", "resources": ["secrets", "configmaps"]}],
    },
    {"level": "None"},
)


def control_plane_options(folder: Path) -> dict[str, Any]:
    """Return the options of a control plane with the Kubernetes under test and an audit log in the folder."""
    # A minor version; the oldest and the newest that localcluster knows are supported.
    version = os.environ.get("FLOE_KUBERNETES", DEFAULT_VERSION)
    return {"version": version, **audited(folder, _AUDITED)}


@pytest.fixture(scope="session")
def localcluster_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return control_plane_options(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def audit(localcluster: LocalCluster, localcluster_options: dict[str, Any]) -> Audit:
    return Audit(localcluster_options["audit_log"])


@pytest.fixture(scope="session")
def cluster(localcluster: LocalCluster) -> LocalCluster:
    """Return the session's control plane, with the CRD installed."""
    install_crd(localcluster)
    return localcluster


@pytest.fixture
def namespace(cluster: LocalCluster) -> str:
    """Return the test's own namespace."""
    return new_namespace(cluster)


@pytest.fixture
def floeplugins(cluster: LocalCluster, namespace: str) -> FloePlugins:
    """Return the FloePlugins of the test's namespace."""
    return FloePlugins(cluster.kubeconfig, namespace)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return an empty environment for plugins."""
    return Environment.create(tmp_path / "plugins")


StartOperator = Callable[..., OperatorProcess]


@pytest.fixture
def start_operator(
    cluster: LocalCluster, namespace: str, environment: Environment, tmp_path: Path
) -> Iterator[StartOperator]:
    """Start operators on the test's namespace and environment, and stop them with the test."""
    with ExitStack() as running:

        def start(*flags: str, kubeconfig: Path | None = None, **more: Any) -> OperatorProcess:
            if "--scan-interval" not in flags:
                flags += ("--scan-interval", "1s")
            log = tmp_path / f"operator-{uuid.uuid4().hex[:6]}.log"
            operator = OperatorProcess(
                kubeconfig or cluster.kubeconfig, namespace, environment.python, log, *flags, **more
            )
            return running.enter_context(operator)

        yield start
