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
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PREFIX = "localcluster-"
_LOCK = "owner.lock"


@dataclass(frozen=True)
class OwnedFolder:
    """A folder that is this process's until it is released."""

    path: Path
    _lock: IO[bytes]

    def release(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
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
        # A folder without a lock is being made, another user's cannot be opened, another start may be faster.
        with contextlib.suppress(OSError), (path / _LOCK).open("rb") as lock:
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
