"""The pytest plugin: fixture `localcluster`, one control plane for the session.

A project that wants other arguments than none overrides the fixture `localcluster_options` in its
conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from localcluster.cluster import LocalCluster


@pytest.fixture(scope="session")
def localcluster_options() -> dict[str, Any]:
    """Keyword arguments of LocalCluster for the session's cluster; override to choose."""
    return {}


@pytest.fixture(scope="session")
def localcluster(
    localcluster_options: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[LocalCluster]:
    """A running control plane that every test of the session shares."""
    # pytest imports its plugins at each start, most of which ask for no cluster.
    from localcluster.cluster import LocalCluster

    cluster = LocalCluster(**localcluster_options)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        cluster.start()
    else:
        with capture.global_and_fixture_disabled():  # a first build takes minutes: let its progress be seen
            cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
