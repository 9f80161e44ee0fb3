"""Finds distributions that are not in a directory on the path: in archives, and through other finders.

They are read with importlib.metadata, which has its own overhead. A foreign finder or distribution can raise
anything; the failure is reported and hides nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from floe_core._finding.distribution import FoundDistribution, UnreadableDistribution
from floe_core.plugin_types import normalize_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_ARCHIVES = (".zip", ".egg", ".whl", ".pyz")


def in_archive(entry: str, unreadable: list[UnreadableDistribution]) -> Iterable[FoundDistribution]:
    """Return the distributions in a file on the path; add what cannot be read to `unreadable`."""
    import zipfile
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    if not zipfile.is_zipfile(entry):
        if entry.lower().endswith(_ARCHIVES):
            unreadable.append(
                UnreadableDistribution(entry, "the file is not a zip archive", plugins_unknown=True)
            )
        return []
    stamp = f"{entry}:{os.stat(entry).st_mtime_ns}"  # noqa: PTH116
    asked = MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[entry]))
    return list(_foreign(asked, entry, stamp, unreadable))


def by_finder(
    finder: object, path: list[str], unreadable: list[UnreadableDistribution]
) -> Iterable[FoundDistribution]:
    """Return the distributions that a finder in `sys.meta_path` finds; add failures to `unreadable`."""
    from importlib.metadata import DistributionFinder

    name = getattr(finder, "__qualname__", None) or type(finder).__qualname__
    where = f"the finder {getattr(finder, '__module__', '')}.{name}"
    try:
        asked = finder.find_distributions(DistributionFinder.Context(path=path))  # type: ignore[attr-defined]
        return list(_foreign(asked, where, where, unreadable))
    except Exception as error:  # noqa: BLE001  (a foreign finder can raise anything)
        detail = f"find_distributions() raised {type(error).__name__}"
        unreadable.append(UnreadableDistribution(where, detail, plugins_unknown=True))
        return []


def _foreign(
    distributions: Iterable[Distribution], location: str, stamp: str, unreadable: list[UnreadableDistribution]
) -> Iterator[FoundDistribution]:
    for distribution in distributions:
        found = _foreign_or_none(distribution, location, stamp)
        if found is not None:
            yield found
        else:
            detail = "the metadata of a distribution cannot be read"
            unreadable.append(UnreadableDistribution(location, detail, plugins_unknown=True))


def _foreign_or_none(distribution: Distribution, location: str, stamp: str) -> FoundDistribution | None:
    try:
        return _Foreign(distribution, location, stamp)
    except Exception:  # noqa: BLE001  (a foreign distribution can raise anything)
        return None


class _Foreign:
    """A distribution that importlib.metadata reads: in an archive, or from another finder."""

    __slots__ = ("_distribution", "_name", "_stamp", "_version", "key", "location", "where")

    def __init__(self, distribution: Distribution, location: str, stamp: str) -> None:
        metadata = distribution.metadata
        self._distribution = distribution
        self._name = str(metadata["Name"])
        self._version = str(metadata["Version"])
        self.key = normalize_name(self._name)
        self.location = location
        self.where = f"{self._name} {self._version} in {location}"
        self._stamp = f"{stamp}:{self._name}:{self._version}"

    @property
    def stamp(self) -> str:
        return self._stamp

    def entry_points(self) -> bytes | None:
        try:
            text = self._distribution.read_text("entry_points.txt")
        except Exception as error:
            raise ValueError(type(error).__name__) from error
        return text.encode() if text else None

    def name_and_version(self) -> tuple[str, str, str]:
        return self._name, self._version, ""
