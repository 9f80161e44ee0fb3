"""The folders of clusters: each has one owner, and what a killed machine left behind is removed.

An owner holds a lock on a file in its folder for as long as it lives; the kernel frees it however the owner
ends. A folder that is nobody's is usually removed by a supervisor. Where that was killed as well, or the
machine was, the next cluster to start removes it.
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
"""Seconds after which a folder without a lock is no longer being made."""


@dataclass(frozen=True)
class OwnedFolder:
    """Holds a folder for this process until it is released."""

    path: Path
    _lock: IO[bytes]

    def release(self) -> None:
        """Remove the folder and everything in it."""
        _remove(self.path)
        self._lock.close()


def new_folder() -> OwnedFolder:
    """Make a folder that only this user can enter, after removing those that nobody owns any more."""
    remove_abandoned()
    path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    # Under its name only once it is locked, or somebody else's start might take the folder for abandoned.
    unlocked = path / f"{_LOCK}.new"
    lock = unlocked.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(path / _LOCK)
    return OwnedFolder(path, lock)


def remove_abandoned() -> None:
    """Remove this user's cluster folders whose owner has died."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another start may be faster
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _remove_if_abandoned(path, time.time() - found.st_mtime)


def _remove_if_abandoned(path: Path, age: float) -> None:
    try:
        # Whatever else may lie there under this name, opening it must not wait.
        lock = os.open(path / _LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:  # it is being made, or whoever made it was killed meanwhile
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
    """Remove a folder, its lock last: a kill half way leaves a folder that the next start still knows."""
    with contextlib.suppress(OSError):  # somebody else may be removing it, too
        for each in path.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != _LOCK:
                each.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
