"""Parses the versions that distributions and plugins declare, as Python packaging does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version


def release_version(text: str) -> Version | None:
    """Return the version, or None if the text is none; packaging is imported only when it is called."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None
