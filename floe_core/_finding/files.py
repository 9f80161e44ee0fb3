"""Reads whole files, whatever stands in their place: a directory, a pipe, a device or a broken link."""

from __future__ import annotations

import errno
import os
import stat

_CHUNK = 64 * 1024
_LONGEST_FILE = 16 * 1024 * 1024
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def is_damage(error: Exception) -> bool:
    """Return True if an error says something about what was to be read, not about the process.

    A process that has no descriptor left cannot read anything.
    """
    return not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE))


def read(file: str) -> bytes | None:
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
