"""Says which floe-core an interpreter has, for when it is not the one that is needed.

Imports only the standard library, in the syntax of Python 3.10: the operator's own floe-core may be the one
that is missing, and other interpreters run the text of this file, too.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_VERSION = re.compile(rb'^__version__ = "(.+)"$', re.MULTILINE)
_ORIGIN = "from the release or the checkout that this floe-operator is from (docs/install.md)"


@dataclass(frozen=True)
class InstalledCore:
    """The floe-core of an interpreter."""

    package: str | None
    """The folder that `import floe_core` finds, or None if it finds none."""
    version: str | None
    """The version of the code in it, or None if it is not this project's."""
    has_host: bool
    """Whether it contains a plugin host."""
    distributions: tuple[str, ...]
    """What is installed under the name floe-core, in the order of the path: `0.1.0 in /venv/lib/…`."""

    def __str__(self) -> str:
        if self.package is None and not self.distributions:
            return "floe-core is not installed"
        installed = " and ".join(f"floe-core {each}" for each in self.distributions) or "no floe-core"
        if self.package is None:
            return f"there is no package floe_core (installed: {installed})"
        what = f"floe-core {self.version}" if self.version else "another project's code"
        return f"`import floe_core` finds {what} in {self.package} (installed: {installed})"


def way_out(python: str, wanted: str, core: InstalledCore | None) -> str:
    """Return how to install the wanted version, as a clause; `core` is what the interpreter has, if known."""
    several = core is not None and len(core.distributions) > 1
    first = "uninstall floe-core until none is left, then " if several else ""
    return f"{first}install floe-core {wanted} with {python} -m pip, {_ORIGIN}"


def imported_version() -> str | None:
    """Return the version of the floe_core that would be imported, or None if it is not this project's."""
    return _package()[1]


def look() -> InstalledCore:
    """Return what this interpreter has, without importing it."""
    package, version = _package()
    has_host = package is not None and Path(package, "host", "__main__.py").is_file()
    return InstalledCore(package, version, has_host, tuple(_distributions()))


def _package() -> tuple[str | None, str | None]:
    spec = importlib.util.find_spec("floe_core")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        return None, None
    read = getattr(spec.loader, "get_data", None) if spec else None
    try:
        found = _VERSION.search(read(str(Path(folders[0], "_version.py")))) if read else None
    except OSError:
        found = None
    return folders[0], found[1].decode() if found else None


def _distributions() -> list[str]:
    from importlib import metadata  # takes as long to import as all else here

    try:
        found = [
            f"{each.version or 'of an unknown version'} in {each.locate_file('')}"
            for each in metadata.distributions(name="floe-core")
        ]
    except Exception:  # noqa: BLE001 - foreign finders and damaged metadata can raise anything
        return []
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the working directory, where the plugin host does not look, either
    print(json.dumps(asdict(look())))  # noqa: T201
