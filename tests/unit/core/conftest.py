"""A directory of installed distributions on sys.path, and a registry that has discovered them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_core._finding.discovery import EntryPointClaim, scan
from floe_core.plugin_registry import PluginRegistry
from floe_core.plugin_types import PluginId
from tests.support.distributions import Distribution


class Site:
    """A directory on sys.path that holds distributions as pip would unpack them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, *distributions: Distribution) -> None:
        """Install distributions."""
        for distribution in distributions:
            distribution.unpack(self.folder)

    def claim(self, plugin: PluginId) -> EntryPointClaim:
        """Return the entry point of an installed plugin."""
        return scan([str(self.folder)]).plugins[plugin]

    def registry(self) -> PluginRegistry:
        """Return a registry that has discovered what is installed now."""
        registry = PluginRegistry()
        registry.discover_all()
        return registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield an empty directory, first on sys.path; forget modules imported from it afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
