"""The folders of clusters: each has one owner, and abandoned folders are removed.

An owner holds a lock on a file in its folder for as long as it lives; the kernel releases the lock however
the owner ends. Usually a supervisor then removes the folder. If the supervisor was killed as well, or the
machine crashed, the next cluster to start removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PREFIX = "localcluster-"
_LOCK = "owner.lock"
_MADE_WITHIN = 3600.0
"""Seconds that making a folder can take; after that, a folder without a lock counts as abandoned."""


@dataclass(frozen=True)
class OwnedFolder:
    """A folder that this process owns until it is released."""

    path: Path
    _lock: IO[bytes]

    def release(self) -> None:
        """Remove the folder and everything in it."""
        _remove(self.path)
        self._lock.close()


def new_folder() -> OwnedFolder:
    """Make a folder that only this user can enter, after removing abandoned ones."""
    remove_abandoned()
    path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    # Renamed only once it is locked; until then, another cluster's start finds no lock and leaves the folder.
    unlocked = path / f"{_LOCK}.new"
    lock = unlocked.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(path / _LOCK)
    return OwnedFolder(path, lock)


def remove_abandoned() -> None:
    """Remove this user's cluster folders whose owner has died."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another process may remove it first
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _remove_if_abandoned(path, time.time() - found.st_mtime)


def _remove_if_abandoned(path: Path, age: float) -> None:
    try:
        # Whatever else has this name, opening it must not block.
        lock = os.open(path / _LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:  # it is being made, or the process making it was killed
        if age > _MADE_WITHIN:
            _remove(path)
        return
    try:
        if stat.S_ISREG(os.fstat(lock).st_mode):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    """Remove a folder, its lock last, so that the next start recognises a folder left half removed."""
    with contextlib.suppress(OSError):  # another process may be removing it, too
        for each in path.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != _LOCK:
                each.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
