"""Notices what gives a new interpreter another sys.path: the site directories and their .pth files.

A development install only writes a .pth file, and a user's site directory only counts if it exists when the
interpreter starts.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator

from floe_core._finding.distribution import why
from floe_core._finding.files import read


def site_stamps() -> list[str]:
    """Return texts that change when a new interpreter would search other directories."""
    config = f"{sys.prefix}/pyvenv.cfg"
    return [_content(config), *(stamp for folder in _site_directories() for stamp in _stamps_of(folder))]


def _site_directories() -> list[str]:
    directories = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        directories.append(site.getusersitepackages())
    return directories


def _stamps_of(folder: str) -> Iterator[str]:
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".pth")]  # noqa: PTH208
    except OSError as error:
        yield f"{folder}: {why(error)}"
        return
    yield folder
    for name in names:
        file = f"{folder}/{name}"
        content = _content(file)
        yield content
        # A directory that a .pth file names counts from when it exists.
        for line in content.splitlines():
            if line and not line.startswith(("#", "import ", "import\t")):
                yield f"{line}: {os.path.isdir(os.path.join(folder, line.rstrip()))}"  # noqa: PTH112, PTH118


def _content(file: str) -> str:
    try:
        content = read(file)
    except OSError as error:
        return f"{file}: {why(error)}"
    return f"# {file}\n{(content or b'').decode(errors='replace')}"
