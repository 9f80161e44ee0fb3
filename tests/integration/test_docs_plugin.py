"""docs/writing-a-plugin.md, followed block by block: what it says is what happens."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.support.documents import Session, blocks

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "writing-a-plugin.md"


@pytest.fixture
def session(tmp_path: Path, cluster: LocalCluster, namespace: str) -> Iterator[Session]:
    """A folder and a namespace of the reader's own."""
    commands = [Path(sys.executable).parent, cluster.binary("kubectl").parent]
    kubeconfig = cluster.kubeconfig_for("author", groups=["system:masters"], namespace=namespace)
    session = Session(
        tmp_path,
        environment={
            "FLOE": str(REPOSITORY),
            "FLOE_HTTP_PORT": "0",
            "KUBECONFIG": str(kubeconfig),
            "PATH": os.pathsep.join([*map(str, commands), os.environ["PATH"]]),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
        instead_of={"/tmp/floe-secrets-file": str(tmp_path / "data")},
    )
    try:
        yield session
    finally:
        session.close()


def test_every_block_of_the_page_does_what_the_page_says(session: Session) -> None:
    for block in blocks(PAGE):
        session.follow(block)


def test_the_page_lists_each_type_with_its_group() -> None:
    rows = re.findall(r"^\| `(floe\.\w+)` \| `(\w+)` \| `([a-z-]+)` \|$", PAGE.read_text(), re.MULTILINE)

    assert [(group, slug) for group, _, slug in rows] == [(each.value, each.slug) for each in PluginType]
    assert all(hasattr(__import__("floe_core"), base_class) for _, base_class, _ in rows)
