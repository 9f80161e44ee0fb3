"""The pytest plugin: the fixture `localcluster`, one control plane for the session.

To pass arguments to LocalCluster, override the fixture `localcluster_options` in conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from localcluster.cluster import LocalCluster


@pytest.fixture(scope="session")
def localcluster_options() -> dict[str, Any]:
    """Return the keyword arguments of the session's LocalCluster; override to change them."""
    return {}


@pytest.fixture(scope="session")
def localcluster(
    localcluster_options: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[LocalCluster]:
    """Start the control plane that all tests of the session share."""
    # pytest imports its plugins at every start, and most runs need no cluster.
    from localcluster.cluster import LocalCluster

    cluster = LocalCluster(**localcluster_options)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        cluster.start()
    else:
        with capture.global_and_fixture_disabled():  # a first build takes minutes, so show its progress
            cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
