"""Notices what gives a new interpreter another sys.path: the site directories and their .pth files.

A development install only writes a .pth file, and a user's site directory only counts if it exists when the
interpreter starts.
"""

from __future__ import annotations

import os
import site
import stat
import sys

from floe_core._finding.distribution import why
from floe_core._finding.files import read


def site_stamps() -> tuple[list[str], list[str]]:
    """Return texts that change when a new interpreter would search other directories.

    The first ones are about the site directories and what their .pth files say, the others about whether
    what those files name exists.
    """
    said, named = [_content(f"{sys.prefix}/pyvenv.cfg")], []
    for folder in _site_directories():
        try:
            files = [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".pth")]  # noqa: PTH208
        except OSError as error:
            said.append(f"{folder}: {why(error)}")
            continue
        contents = [_content(file) for file in files]
        said += [folder, *contents]
        named += [
            f"{line}: {_state(os.path.join(folder, line.rstrip()))}"  # noqa: PTH118
            for content in contents
            for line in content.splitlines()
            if line and not line.startswith(("#", "import ", "import\t"))
        ]
    return said, named


def _site_directories() -> list[str]:
    directories = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        directories.append(site.getusersitepackages())
    return directories


def _state(path: str) -> str:
    """Return whether a path exists; it can be that of an archive, which can be replaced."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return "absent"
    return "directory" if stat.S_ISDIR(status.st_mode) else str(status.st_mtime_ns)


def _content(file: str) -> str:
    try:
        content = read(file)
    except OSError as error:
        return f"{file}: {why(error)}"
    return f"# {file}\n{(content or b'').decode(errors='replace')}"
