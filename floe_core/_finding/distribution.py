"""An installed distribution before it is read, and the record of what cannot be read or had to be chosen."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple, Protocol

from floe_core._class_names import error_name
from floe_core.plugin_types import normalize_name

_STEM = re.compile(r"(.+?)-(\d[^-]*)(?:-py\d.*)?")
"""Name and version, and what setuptools appends: `floe_duckdb-0.1.0`, `floe_duckdb-0.1.0-py3.11`."""


class UnreadableDistribution(NamedTuple):
    """A distribution, directory or finder that could not be read; `where` names it, usually by its path."""

    where: str
    detail: str
    plugins_unknown: bool
    """Whether it might hide plugins; if so, the scan is partial."""
    project: str = ""
    """The normalised name of the project whose plugins it might hide; empty if it might hide any."""


class Identity(NamedTuple):
    """The project and version that a distribution's metadata names, and what is wrong with that metadata."""

    name: str
    version: str
    fault: str = ""
    """What is wrong; empty if nothing is."""
    is_certain: bool = True
    """Whether this is the project: the metadata says so, or the directory's name can mean no other."""

    @property
    def project(self) -> str:
        """The normalised name, or an empty text if it is not certain."""
        return normalize_name(self.name) if self.is_certain else ""


class FoundDistribution(Protocol):
    """An installed distribution that has not been read yet; `where` locates its metadata."""

    key: str
    """The normalised name, as far as it is known without reading the metadata."""
    location: str
    where: str

    @property
    def stamp(self) -> str:
        """A text that changes when the distribution is reinstalled, upgraded or moved."""

    def entry_points(self) -> bytes | None:
        """Return the content of entry_points.txt, or None if there is none.

        Raises:
            OSError: The file is unreadable.
            ValueError: The file cannot be read from an archive or through a foreign finder.
        """

    def identity(self) -> Identity:
        """Return what the metadata says; what it does not say is taken from the name of its directory."""

    def is_remnant(self) -> bool:
        """Return True if this is what a failed uninstall left: a directory without any metadata."""

    def installed_files_match(self, modules: Collection[str]) -> bool:
        """Return True if what is installed of these modules is what this distribution installed."""


def named_by(stem: str) -> Identity:
    """Return what the stem of a metadata directory says, such as `floe_duckdb-0.1.0`.

    The specification allows no hyphen inside the name, but some tools leave it there.
    """
    name, _, version = stem.partition("-")
    if "-" in version or (version and not version[0].isdigit()):
        found = _STEM.fullmatch(stem)
        name, version = (found[1], found[2]) if found else (stem, "")
    return Identity(name, version, is_certain="-" not in name)


def why(error: BaseException) -> str:
    """Return the message of an error, without the path that the text of an OSError can contain."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or error_name(error)
