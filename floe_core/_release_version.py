"""Parses the versions that distributions and plugins declare, as Python packaging does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version


_PARTS = 3


def release_version(text: str) -> Version | None:
    """Return the version, or None if the text is none; packaging is imported only when it is called."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def is_release_version(text: str) -> bool:
    """Return True if the text is X.Y.Z; pre-, post-, development and local parts may follow."""
    version = release_version(text)
    return version is not None and len(version.release) == _PARTS
