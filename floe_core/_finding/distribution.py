"""An installed distribution before it is read, and the record of a distribution that cannot be read."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class UnreadableDistribution(NamedTuple):
    """A distribution, directory or finder that could not be read; `where` names it, usually by its path."""

    where: str
    detail: str
    plugins_unknown: bool
    """Whether it might hide plugins; if so, the scan is partial."""


class FoundDistribution(Protocol):
    """An installed distribution that has not been read yet; `where` locates its metadata."""

    key: str
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

    def name_and_version(self) -> tuple[str, str, str]:
        """Return the name, the version, and what is wrong with the metadata (empty if nothing is)."""


def why(error: BaseException) -> str:
    """Return the message of an error, without the path that the text of an OSError can contain."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
