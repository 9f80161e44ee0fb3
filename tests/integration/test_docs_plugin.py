"""docs/writing-a-plugin.md, followed block by block: what it says is what happens."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.support import locked
from tests.support.documents import Session, blocks

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "writing-a-plugin.md"


OF_A_NEWCOMER = ("bash", "env", "find", "make", "sh")
"""The programs that the page needs besides Python: no kubectl, nothing that this repository installs."""


@pytest.fixture
def session(tmp_path: Path, cluster: LocalCluster, namespace: str) -> Iterator[Session]:
    """Yield a newcomer's shell in its own folder and namespace."""
    kubeconfig = cluster.kubeconfig_for("author", groups=["system:masters"], namespace=namespace)
    folder = tmp_path / "work"
    folder.mkdir()
    session = Session(
        folder,
        environment={
            "FLOE_HTTP_PORT": "0",
            "KUBEBUILDER_ASSETS": str(cluster.binary("kubectl").parent),  # so that nothing is built here
            "KUBECONFIG": str(kubeconfig),
            "MAKEFLAGS": "n",  # the page sets up the very environment that runs this test
            "PATH": str(programs(tmp_path / "bin")),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **locked.offline_index(tmp_path / "wheels", "dev"),
        },
        instead_of={"/tmp/floe-secrets-file": str(tmp_path / "data"), "~/floe": str(REPOSITORY)},
    )
    try:
        yield session
    finally:
        session.close()


def programs(folder: Path) -> Path:
    """Create the folder with links to what is on a newcomer's PATH, and return it."""
    folder.mkdir()
    for name in OF_A_NEWCOMER:
        found = shutil.which(name)
        assert found is not None, f"there is no {name}"
        (folder / name).symlink_to(found)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "python3").symlink_to(Path(sys.base_prefix) / "bin" / python)
    return folder


def test_every_block_of_the_page_does_what_the_page_says(session: Session) -> None:
    for block in blocks(PAGE):
        session.follow(block)


def test_the_page_lists_each_type_with_its_group() -> None:
    rows = re.findall(r"^\| `(floe\.\w+)` \| `(\w+)` \| `([a-z-]+)` \|$", PAGE.read_text(), re.MULTILINE)

    assert [(group, slug) for group, _, slug in rows] == [(each.value, each.slug) for each in PluginType]
    assert all(hasattr(__import__("floe_core"), base_class) for _, base_class, _ in rows)
