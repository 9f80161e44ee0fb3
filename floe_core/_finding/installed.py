"""Finds the metadata of every installed distribution and reads its files.

Plain directories are read without importlib.metadata, with one listing each and one attempt to open each
entry_points.txt, because a scan must cost no more than that; zip files on the path and finders other than the
path finder are left to `foreign`. What the files contain is not assessed here, and nothing is raised for
damaged files.
"""

from __future__ import annotations

import errno
import importlib.machinery
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence

from floe_core._finding.distribution import FoundDistribution, UnreadableDistribution, why
from floe_core._finding.foreign import by_finder, in_archive
from floe_core.plugin_types import normalize_name

_CHUNK = 64 * 1024
_LONGEST_FILE = 16 * 1024 * 1024
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
# Headers end at the first empty line; the description after it must not match.
_NAME = re.compile(rb"\A(?:.+\r?\n)*?name:[ \t]*(\S.*)", re.IGNORECASE)
_VERSION = re.compile(rb"\A(?:.+\r?\n)*?version:[ \t]*(\S.*)", re.IGNORECASE)


def find_distributions(
    path: Sequence[str] | None, unreadable: list[UnreadableDistribution]
) -> tuple[dict[str, FoundDistribution], list[FoundDistribution]]:
    """Return every distribution by its normalised name, and those that an earlier one of their name shadows.

    If several distributions have the same name, the first one counts, as in importlib.metadata. Directories
    left behind by a failed uninstall do not count. What cannot be read goes into `unreadable`.
    """
    # Like the import system, ignore entries that are not str.
    entries = [each for each in dict.fromkeys(sys.path if path is None else path) if type(each) is str]
    found: dict[str, FoundDistribution] = {}
    shadowed: list[FoundDistribution] = []
    for source in _sources(entries, unreadable):
        for distribution in source:
            earlier = found.setdefault(distribution.key, distribution)
            if earlier is distribution:
                continue
            if _is_remnant(earlier):
                found[distribution.key] = distribution
            elif not _is_remnant(distribution):
                shadowed.append(distribution)
    return found, shadowed


def _is_remnant(distribution: FoundDistribution) -> bool:
    return isinstance(distribution, _Folder) and distribution.is_remnant()


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
        detail = f"the directory cannot be listed: {why(error)}"
        unreadable.append(UnreadableDistribution(entry or ".", detail, plugins_unknown=True))
        return []


def _in_directory(
    entry: str, children: Iterator[os.DirEntry[str]], unreadable: list[UnreadableDistribution]
) -> Iterator[_Folder]:
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
                unreadable.append(UnreadableDistribution(child.path, why(error), plugins_unknown=True))
            continue
        if stat.S_ISDIR(status.st_mode):
            yield _Folder(entry, child.path, stem, status.st_mtime_ns)
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


class _Folder:
    """A distribution whose metadata is a directory inside an entry of the path."""

    __slots__ = ("_changed", "_stem", "key", "location", "where")

    def __init__(self, location: str, where: str, stem: str, changed: int) -> None:
        key = stem.partition("-")[0].lower().replace("_", "-").replace(".", "-")
        self.key = normalize_name(key) if "--" in key else key
        self.location = location
        self.where = where
        self._stem = stem
        self._changed = changed

    @property
    def stamp(self) -> str:
        return f"{self._stem}:{self._changed}:{self.where}"  # sorting is faster if the texts differ early

    def entry_points(self) -> bytes | None:
        return _read(self.where + "/entry_points.txt")

    def name_and_version(self) -> tuple[str, str, str]:
        name, _, rest = self._stem.partition("-")
        version = rest.partition("-")[0]
        file = "METADATA" if self.where.lower().endswith(".dist-info") else "PKG-INFO"
        try:
            content = _read(f"{self.where}/{file}")
        except (OSError, ValueError) as error:
            return name, version, f"{file} cannot be read: {why(error)}"
        if content is None:
            return name, version, f"{file} is missing"
        name_found, version_found = _NAME.search(content), _VERSION.search(content)
        missing = [word for word, found in (("Name", name_found), ("Version", version_found)) if not found]
        fault = f"{file} has no {' and no '.join(missing)}" if missing else ""
        return _header(name_found) or name, _header(version_found) or version, fault

    def is_remnant(self) -> bool:
        """Return True if the directory contains none of a distribution's files."""
        files = ("METADATA", "PKG-INFO", "entry_points.txt")
        return not any(os.path.lexists(f"{self.where}/{file}") for file in files)


def _read(file: str) -> bytes | None:
    """Return the content of a regular file, or None if it does not exist.

    Raises:
        OSError: The file cannot be read or is not a regular file; the message says why.
    """
    try:
        descriptor = os.open(file, _READ | _NO_FOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        descriptor = _open_link(file)
    try:
        content = os.read(descriptor, _CHUNK)
        if not content and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a regular file")
        while len(content) >= _CHUNK and (more := os.read(descriptor, _LONGEST_FILE)):
            content += more
            if len(content) > _LONGEST_FILE:
                raise OSError(errno.EFBIG, f"larger than {_LONGEST_FILE} bytes")
        return content
    finally:
        os.close(descriptor)


def _open_link(file: str) -> int:
    try:
        return os.open(file, _READ)
    except FileNotFoundError:
        raise OSError(errno.ENOENT, "it is a broken symbolic link") from None


def _header(found: re.Match[bytes] | None) -> str:
    return found[1].decode("utf-8", "replace").strip() if found else ""
