"""One cluster and five images for the session; an operator in its own namespace for a test."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.kind.clusters import Cluster, current_cluster, kind_cluster, save_artifacts
from tests.kind.deployments import Deployed
from tests.kind.images import REPOSITORY, Images, build_images
from tests.kind.machine import Machine, find_machine
from tests.kind.plugins import CRASHING, FORKING, OTHER

_CLUSTER = pytest.StashKey[Cluster]()
_NOTES = pytest.StashKey[list[str]]()
Note = Callable[[str], None]
"""Adds a paragraph to what is printed after the tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kind")
    group.addoption(
        "--cluster",
        choices=("kind", "current"),
        default="kind",
        help="a new kind cluster (default), or the cluster of the current kubectl context",
    )
    group.addoption(
        "--artifacts",
        type=Path,
        default=REPOSITORY / ".cache" / "kind-artifacts",
        help="the folder for logs, events and FloePlugins of failed tests",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    cluster = item.config.stash.get(_CLUSTER, None)
    if report.failed and cluster is not None:
        folder = item.config.getoption("--artifacts") / re.sub(r"[^\w.-]+", "-", f"{item.name}-{report.when}")
        save_artifacts(cluster, folder)
        report.sections.append(("artifacts", str(folder)))
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_NOTES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if notes := config.stash[_NOTES]:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(notes))


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Note:
    """Return a function for measurements, which are shown and decide nothing."""
    return pytestconfig.stash[_NOTES].append


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Machine:
    """Return the docker, kind and kubectl of this machine."""
    return find_machine(pytestconfig)


@pytest.fixture(scope="session")
def images(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Build the images under test."""
    return build_images(machine, tmp_path_factory.mktemp("images"), OTHER, FORKING, CRASHING)


@pytest.fixture(scope="session")
def cluster(
    machine: Machine, images: Images, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Yield the session's cluster, which has the images."""
    find = current_cluster if pytestconfig.getoption("--cluster") == "current" else kind_cluster
    with find(machine, tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.load(images.names)
        pytestconfig.stash[_CLUSTER] = cluster
        yield cluster
    del pytestconfig.stash[_CLUSTER]


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[Deployed]:
    """Yield a namespace for an operator, with the CRD already installed."""
    cluster.install_crd()
    deployed = Deployed(cluster, tmp_path)
    try:
        yield deployed
    finally:
        deployed.uninstall()
