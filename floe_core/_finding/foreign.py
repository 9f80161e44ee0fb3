"""Finds distributions that are not in a directory on the path: in archives, and through other finders.

They are read with importlib.metadata, which has its own overhead. A foreign finder or distribution can raise
anything; the failure is reported and hides nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from floe_core._class_names import error_name
from floe_core._finding.distribution import FoundDistribution, Identity, UnreadableDistribution, why
from floe_core._finding.files import is_damage
from floe_core.plugin_types import normalize_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_ARCHIVES = (".zip", ".egg", ".whl", ".pyz")


def in_archive(entry: str, unreadable: list[UnreadableDistribution]) -> Iterable[FoundDistribution]:
    """Return the distributions in a file on the path; add what cannot be read to `unreadable`."""
    import zipfile
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    try:
        # importlib.metadata takes an archive whose table of contents is damaged to be empty.
        zipfile.ZipFile(entry).close()
        stamp = f"{entry}:{os.stat(entry).st_mtime_ns}"  # noqa: PTH116
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        if not is_damage(error):
            raise
        if entry.lower().endswith(_ARCHIVES) or zipfile.is_zipfile(entry):
            detail = f"the file is not a readable zip archive: {why(error)}"
            unreadable.append(UnreadableDistribution(entry, detail, plugins_unknown=True))
        return []
    context = DistributionFinder.Context(path=[entry])
    return _foreign(lambda: MetadataPathFinder.find_distributions(context), entry, stamp, unreadable)


def by_finder(
    finder: Any, path: list[str], unreadable: list[UnreadableDistribution]
) -> Iterable[FoundDistribution]:
    """Return the distributions that a finder in `sys.meta_path` finds; add failures to `unreadable`."""
    from importlib.metadata import DistributionFinder

    name = getattr(finder, "__qualname__", None) or type(finder).__qualname__
    where = f"the finder {getattr(finder, '__module__', '')}.{name}"
    context = DistributionFinder.Context(path=path)
    return _foreign(lambda: finder.find_distributions(context), where, where, unreadable)


def _foreign(
    ask: Callable[[], Iterable[Distribution]],
    location: str,
    stamp: str,
    unreadable: list[UnreadableDistribution],
) -> list[FoundDistribution]:
    found: list[FoundDistribution] = []
    try:
        for distribution in ask():
            read = _foreign_or_none(distribution, location, stamp)
            if read is not None:
                found.append(read)
            else:
                detail = "the metadata of a distribution cannot be read"
                unreadable.append(UnreadableDistribution(location, detail, plugins_unknown=True))
    except Exception as error:  # noqa: BLE001  (a foreign finder can raise anything)
        detail = f"find_distributions() raised {error_name(error)}"
        unreadable.append(UnreadableDistribution(location, detail, plugins_unknown=True))
    return found


def _foreign_or_none(distribution: Distribution, location: str, stamp: str) -> FoundDistribution | None:
    try:
        return _Foreign(distribution, location, stamp)
    except Exception:  # noqa: BLE001  (a foreign distribution can raise anything)
        return None


class _Foreign:
    """A distribution that importlib.metadata reads: in an archive, or from another finder."""

    __slots__ = ("_distribution", "_name", "_stamp", "_version", "key", "location", "where")

    def __init__(self, distribution: Distribution, location: str, stamp: str) -> None:
        metadata: Mapping[str, str] = distribution.metadata  # type: ignore[assignment]
        self._distribution = distribution
        self._name = metadata.get("Name") or ""
        self._version = metadata.get("Version") or ""
        self.key = normalize_name(self._name)
        self.location = location
        self.where = f"{self._name or 'a distribution'} {self._version}".rstrip() + f" in {location}"
        self._stamp = f"{stamp}:{self._name}:{self._version}"

    @property
    def stamp(self) -> str:
        return self._stamp

    def entry_points(self) -> bytes | None:
        try:
            text = self._distribution.read_text("entry_points.txt")
        except Exception as error:
            raise ValueError(error_name(error)) from error
        return text.encode() if text else None

    def identity(self) -> Identity:
        missing = [word for word, text in (("Name", self._name), ("Version", self._version)) if not text]
        fault = f"METADATA has no {' and no '.join(missing)}" if missing else ""
        return Identity(self._name, self._version, fault, is_certain=bool(self._name))

    def is_remnant(self) -> bool:
        return False

    def installed_files_match(self, modules: Collection[str]) -> bool:
        del modules
        return False
