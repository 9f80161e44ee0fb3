"""Build hooks of floe-operator: its requirements, and copies of the files that the checkout links to.

The version and the CRD have one place each, outside this folder; in the package they are symbolic links. An
archive cannot hold those, so each link becomes a file, and the wheel can be built from the sdist alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_PACKAGE = "floe_operator"


class Requirements(MetadataHookInterface):
    """Requires what requirements.in lists, and floe-core of the same version."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the dependencies."""
        root = Path(self.root)
        version = re.search(r'^__version__ = "(.+)"$', _text(root / _PACKAGE / "_version.py"), re.MULTILINE)
        if version is None:
            raise ValueError(f"{_PACKAGE}/_version.py sets no __version__")
        lines = (
            re.split(r"(?:^|\s)#", line)[0].strip() for line in _text(root / "requirements.in").splitlines()
        )
        metadata["dependencies"] = [f"floe-core=={version[1]}", *filter(None, lines)]


class LinksAsFiles(BuildHookInterface[Any]):
    """Puts the target of each symbolic link in the package into the archive."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the targets to the archive, except in an editable installation, which sees the links."""
        if version == "editable":
            return
        root = Path(self.root)
        for link in (root / _PACKAGE).rglob("*"):
            if link.is_symlink():
                build_data["force_include"][str(link.resolve())] = str(link.relative_to(root))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
