"""The version of Kubernetes that the tests run on, and the session's control plane."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from localcluster.binaries import DEFAULT_VERSION


def pytest_configure() -> None:
    """Make Ctrl-C work in the processes that tests start.

    A shell ignores SIGINT for what it runs in the background, and all child processes inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def version() -> str:
    """Return the minor version of Kubernetes to test with."""
    return os.environ.get("LOCALCLUSTER_TEST_VERSION", DEFAULT_VERSION)


@pytest.fixture(scope="session")
def localcluster_options(version: str) -> dict[str, Any]:
    """Return the arguments of the session's LocalCluster."""
    return {"version": version}
