"""An installed distribution before it is read, and the record of one that cannot be."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class UnreadableDistribution(NamedTuple):
    """A distribution, or a directory of the path, that could not be read; `where` names it by its path."""

    where: str
    detail: str
    plugins_unknown: bool
    """Whether plugins may hide behind it, which makes the scan partial."""


class FoundDistribution(Protocol):
    """An installed distribution, nothing of it read yet: `where` is its metadata, `stamp` changes with it."""

    key: str
    location: str
    where: str

    @property
    def stamp(self) -> str:
        """Another text whenever the distribution is another."""

    def entry_points(self) -> bytes | None:
        """The content of entry_points.txt, None without one; OSError or ValueError where it is unreadable."""

    def name_and_version(self) -> tuple[str, str, str]:
        """Name, version, and what was wrong with the metadata they should have come from."""


def why(error: BaseException) -> str:
    """What the system says of an error, without the path that its text may hold."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
