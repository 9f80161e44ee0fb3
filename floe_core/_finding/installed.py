"""Finds the metadata of every installed distribution, in the order of the path.

Plain directories are listed without importlib.metadata, once each, because a scan must cost no more than
that; zip files on the path and finders other than the path finder are left to `foreign`, reading the files to
`metadata_folder`.
"""

from __future__ import annotations

import importlib.machinery
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence

from floe_core._finding.distribution import FoundDistribution, UnreadableDistribution, named_by, why
from floe_core._finding.files import is_damage
from floe_core._finding.foreign import by_finder, in_archive
from floe_core._finding.metadata_folder import MetadataFolder


def find_distributions(
    path: Sequence[str] | None, unreadable: list[UnreadableDistribution]
) -> list[FoundDistribution]:
    """Return every distribution in the order of the path; what cannot be read goes into `unreadable`.

    Several of them can belong to one project, and some can be leftovers; within a directory, the order is
    that of the file system.
    """
    # Like the import system, ignore entries that are not str.
    entries = [each for each in dict.fromkeys(sys.path if path is None else path) if type(each) is str]
    return [distribution for source in _sources(entries, unreadable) for distribution in source]


def _sources(
    path: list[str], unreadable: list[UnreadableDistribution]
) -> Iterator[Iterable[FoundDistribution]]:
    """Yield what the path and the other finders have, in the order in which importlib.metadata asks them."""
    path_seen = False
    for finder in list(sys.meta_path):
        if _is_path_finder(finder):
            if not path_seen:
                yield from (_on_path(entry, unreadable) for entry in path)
            path_seen = True
        elif callable(getattr(finder, "find_distributions", None)):
            yield by_finder(finder, path, unreadable)
    if not path_seen:
        yield from (_on_path(entry, unreadable) for entry in path)


def _is_path_finder(finder: object) -> bool:
    # The backport of importlib.metadata adds its own path finder beside the interpreter's.
    module = str(getattr(finder, "__module__", "")).partition(".")[0]
    return finder is importlib.machinery.PathFinder or module == "importlib_metadata"


def _on_path(entry: str, unreadable: list[UnreadableDistribution]) -> Iterable[FoundDistribution]:
    try:
        with os.scandir(entry or ".") as children:
            return list(_in_directory(entry, children, unreadable))
    except NotADirectoryError:
        return in_archive(entry, unreadable)
    except (FileNotFoundError, ValueError):
        return []  # as for imports, an entry of the path need not exist
    except OSError as error:
        if not is_damage(error):
            raise
        detail = f"the directory cannot be listed: {why(error)}"
        unreadable.append(UnreadableDistribution(entry or ".", detail, plugins_unknown=True))
        return []


def _in_directory(
    entry: str, children: Iterator[os.DirEntry[str]], unreadable: list[UnreadableDistribution]
) -> Iterator[MetadataFolder]:
    for child in children:
        name = child.name
        stem: str | None
        if name[-10:] == ".dist-info" and name[0] != "~":  # nearly all of them
            stem = name[:-10]
        elif name[-1] not in "oO" or (stem := _stem(name, entry)) is None:
            continue
        try:
            status = child.stat()
        except OSError as error:
            # A child that vanished since the listing is not damage; a broken link is.
            if child.is_symlink() or not isinstance(error, FileNotFoundError):
                project = named_by(stem).project
                damage = UnreadableDistribution(child.path, why(error), plugins_unknown=True, project=project)
                unreadable.append(damage)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield MetadataFolder(entry, child.path, stem, status.st_mtime_ns)
        elif name.lower().endswith(".dist-info"):
            detail = "a file is where the metadata directory should be"
            unreadable.append(UnreadableDistribution(child.path, detail, plugins_unknown=False))


def _stem(name: str, entry: str) -> str | None:
    """Return `name-version` from the name of a metadata directory, or None for any other name."""
    if name[-5:].lower() != "-info" or name.startswith("~"):  # pip moved it aside and could not remove it
        return None
    stem, dot, suffix = name.rpartition(".")
    if dot:
        return stem if suffix.lower() in ("dist-info", "egg-info") else None
    egg = entry.rstrip(os.sep).rpartition(os.sep)[2]
    return egg[:-4] if egg.lower().endswith(".egg") and name.lower() == "egg-info" else None
