"""Finds the metadata of every installed distribution: the file access of discovery.

Plain directories are read by hand, with one listing each and one attempt to open each entry_points.txt,
because that is what a scan has to cost; zip files on the path and finders other than the path finder are left
to `foreign`. Nothing here judges what the files say, and nothing is raised for what is damaged.
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
# Headers end at the first empty line: what a description holds must not count.
_NAME = re.compile(rb"\A(?:.+\r?\n)*?name:[ \t]*(\S.*)", re.IGNORECASE)
_VERSION = re.compile(rb"\A(?:.+\r?\n)*?version:[ \t]*(\S.*)", re.IGNORECASE)


def find_distributions(
    path: Sequence[str] | None, unreadable: list[UnreadableDistribution]
) -> dict[str, FoundDistribution]:
    """Every distribution by its normalised name, the first of a name counting, as importlib.metadata has it.

    What cannot be read is added to `unreadable`.
    """
    # As the import system does, anything but str is passed over.
    entries = [each for each in dict.fromkeys(sys.path if path is None else path) if type(each) is str]
    found: dict[str, FoundDistribution] = {}
    for source in _sources(entries, unreadable):
        for distribution in source:
            earlier = found.setdefault(distribution.key, distribution)
            # A folder that a failed uninstall left behind must not stand for what is installed.
            if earlier is not distribution and isinstance(earlier, _Folder) and earlier.is_remnant():
                found[distribution.key] = distribution
    return found


def _sources(
    path: list[str], unreadable: list[UnreadableDistribution]
) -> Iterator[Iterable[FoundDistribution]]:
    """The path and the other finders, in the order in which importlib.metadata asks them."""
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
    # The backport of importlib.metadata puts a path finder of its own beside the interpreter's.
    module = str(getattr(finder, "__module__", "")).partition(".")[0]
    return finder is importlib.machinery.PathFinder or module == "importlib_metadata"


def _on_path(entry: str, unreadable: list[UnreadableDistribution]) -> Iterable[FoundDistribution]:
    try:
        with os.scandir(entry or ".") as children:
            return list(_in_directory(entry, children, unreadable))
    except NotADirectoryError:
        return in_archive(entry, unreadable)
    except (FileNotFoundError, ValueError):
        return []  # as import has it: a path may name what is not there
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
            # What vanished since the listing is no damage; a link to nothing is.
            if child.is_symlink() or not isinstance(error, FileNotFoundError):
                unreadable.append(UnreadableDistribution(child.path, why(error), plugins_unknown=True))
            continue
        if stat.S_ISDIR(status.st_mode):
            yield _Folder(entry, child.path, stem, status.st_mtime_ns)
        elif name.lower().endswith(".dist-info"):
            detail = "a file stands where the metadata's folder should"
            unreadable.append(UnreadableDistribution(child.path, detail, plugins_unknown=False))


def _stem(name: str, entry: str) -> str | None:
    """`name-version` of a metadata folder's name, None for all else that lies in a directory of the path."""
    if name[-5:].lower() != "-info" or name.startswith("~"):  # what pip moved aside and could not remove
        return None
    stem, dot, suffix = name.rpartition(".")
    if dot:
        return stem if suffix.lower() in ("dist-info", "egg-info") else None
    egg = entry.rstrip(os.sep).rpartition(os.sep)[2]
    return egg[:-4] if egg.lower().endswith(".egg") and name.lower() == "egg-info" else None


class _Folder:
    """A distribution whose metadata is a folder on the path."""

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
        return f"{self._stem}:{self._changed}:{self.where}"  # sorting is faster with what differs first

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
        """Whether there is nothing of a distribution in the folder."""
        files = ("METADATA", "PKG-INFO", "entry_points.txt")
        return not any(os.path.lexists(f"{self.where}/{file}") for file in files)


def _read(file: str) -> bytes | None:
    """The content of a regular file, None where there is none; OSError says what else stands there."""
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
            raise OSError(errno.EINVAL, "a pipe or device stands where a file should")
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
        raise OSError(errno.ENOENT, "a symbolic link to nothing") from None


def _header(found: re.Match[bytes] | None) -> str:
    return found[1].decode("utf-8", "replace").strip() if found else ""
