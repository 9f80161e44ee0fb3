"""docs/install.md and docs/upgrade.md, followed command by command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kind.clusters import ACCESS, Cluster
from tests.kind.commands import CommandError
from tests.kind.images import EXAMPLE_PLUGINS, REPOSITORY
from tests.kind.pages import INSTALL, UPGRADE, Shell, files, scripts
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

# The parts of a clone that the pages use.
_CLONE = [
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "crds",
    "examples",
    "floe_core",
    "manifests",
    "operator",
    "pyproject.toml",
    "requirements",
]
# The plugins that the pages name, and those of the image under test, which docker has in its cache.
_OF_THE_PAGES = (
    'PLUGINS="./examples/plugins/floe-compute-duckdb acme-floe-identity==1.4.0"',
    'PLUGINS="./examples/plugins/floe-compute-duckdb ./examples/plugins/floe-identity-jwt"',
)
_AT_HAND = f'PLUGINS="{EXAMPLE_PLUGINS}"'
_NAMESPACES = ("data-platform", "floe-system")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "floe"
    folder.mkdir()
    for name in _CLONE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


@pytest.fixture
def shell(cluster: Cluster, clone: Path) -> Iterator[Shell]:
    """Yield a reader's shell in the clone, on a cluster where nothing of ours is installed yet."""
    cluster.must_be_ours("the pages use namespaces that may be in use")
    cluster.remove_crd()
    base = cluster.machine.base_image
    instead_of = {
        **dict.fromkeys(_OF_THE_PAGES, _AT_HAND),
        "docker build": f"docker build --build-arg BASE_IMAGE={base}" if base else "docker build",
        "kind create cluster\n": "",
        "kind load docker-image": f"kind load docker-image --name {cluster.name}",
        " --watch": "",
    }
    try:
        yield Shell(cluster, clone, instead_of)
    finally:
        cluster.kubectl("delete", "-k", ACCESS, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", *_NAMESPACES, "--ignore-not-found", "--timeout=90s")


def test_installing_upgrading_and_uninstalling_work_as_the_pages_say(
    shell: Shell, cluster: Cluster, clone: Path
) -> None:
    (build,) = scripts(INSTALL, "1. Build an image with your plugins")
    shell.run(build)
    cluster.load(["registry.example/floe-operator:1"])
    for script in scripts(INSTALL, "2. Install the CRD"):
        shell.run(script)
    for path, text in files(INSTALL, "3. Install the operator").items():
        (clone / path).parent.mkdir(exist_ok=True)
        (clone / path).write_text(text)
    (install,) = scripts(INSTALL, "3. Install the operator")
    shell.run(install)
    floeplugins = FloePlugins(cluster.kubeconfig, "data-platform")
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)

    for script in scripts(UPGRADE, "Upgrading"):
        shell.run(script)
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)

    operator, everything = scripts(INSTALL, "Uninstalling")
    shell.run(operator)
    assert {"compute-duckdb", "identity-jwt"} <= set(floeplugins.all())
    kinds = "pods,deployments,services,roles,leases"
    assert cluster.kubectl("get", kinds, "-n", "data-platform", "-o", "name") == ""
    shell.run(everything)
    for what in ("namespace/data-platform", "crd/floeplugins.floe.dev", "clusterrole/floe-plugin-viewer"):
        with pytest.raises(CommandError, match="NotFound"):
            cluster.kubectl("get", what)


def test_trying_the_operator_on_your_own_machine_works_as_the_page_says(shell: Shell) -> None:
    (script,) = scripts(INSTALL, "On your own machine")
    shell.run(script)

    def look() -> bool:
        table = shell.run(script.strip().splitlines()[-1])
        assert "compute-duckdb" in table
        return True

    eventually(look, within=90)
