"""Says which floe-core an interpreter has, for when it is not the one that is needed.

Imports only the standard library, in the syntax of Python 3.10: the operator's own floe-core may be the one
that is missing, and other interpreters run the text of this file, too. Nothing of floe_core is imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_VERSION = re.compile(rb'^__version__ = "(.+?)"\r?$', re.MULTILINE)
_UNKNOWN = "of an unknown version"
_MOST_NAMED = 5


@dataclass(frozen=True)
class InstalledCore:
    """The floe-core of an interpreter."""

    package: str | None
    """The folder or file that `import floe_core` finds, or None if it finds none."""
    what: str
    """What is found there: `floe-core 0.1.0`, `another project's code`."""
    version: str | None
    """The version that the package states, or None if it does not state one as ours does."""
    has_host: bool
    """Whether the package contains a plugin host."""
    distributions: tuple[tuple[str, str], ...]
    """The installed distributions named floe-core, as version and folder, in the order of the path."""

    def __str__(self) -> str:
        if self.package is None and not self.distributions:
            return "floe-core is not installed"
        named = [f"floe-core {version} in {shown(at)}" for version, at in self.distributions[:_MOST_NAMED]]
        named += [f"{left} more"] if (left := len(self.distributions) - _MOST_NAMED) > 0 else []
        installed = f"installed: {' and '.join(named) or 'no floe-core'}"
        if self.package is None:
            return f"there is no package floe_core ({installed})"
        return f"`import floe_core` finds {self.what} in {shown(self.package)} ({installed})"

    def is_only(self, version: str) -> bool:
        """Return True if this version can be imported and no other one is installed."""
        return self.version == version and {each for each, _ in self.distributions} <= {version}

    def comes_from_elsewhere(self) -> bool:
        """Return True if no installed distribution has the package's version or lies where it does.

        The package of an editable installation lies elsewhere, but its version is that of a distribution.
        """
        if self.package is None or self.version in {version for version, _ in self.distributions}:
            return False
        folders = {os.path.realpath(folder) for _, folder in self.distributions}
        return os.path.realpath(Path(self.package).parent) not in folders


def how_to_install(python: str, wanted: str, core: InstalledCore | None) -> str:
    """Return how to install the wanted version, as a clause; `core` is what the interpreter has, if known."""
    steps = []
    pip = f"{shown(shlex.quote(python))} -m pip"
    if core is not None and core.package is not None and core.comes_from_elsewhere():
        steps.append(f"take {shown(str(Path(core.package).parent))} off the path (PYTHONPATH, a .pth file)")
    if core is not None and core.distributions:
        # pip would leave a distribution of the same version number alone.
        uninstall = f"`{pip} uninstall floe-core`"
        several = f"repeat {uninstall} until none is left, taking off the path those that pip leaves"
        steps.append(several if len(core.distributions) > 1 else f"run {uninstall}")
    steps.append(
        f"run `{pip} install PATH`, where PATH is the wheel of floe-core {wanted} or a checkout of it "
        "(an index can have another project's under this name)"
    )
    return ", then ".join(steps)


def unmet_need(python: str, wanted: str, core: InstalledCore) -> str:
    """Return what the interpreter needs, what it has instead and the way out, as a predicate."""
    only = " and no other" if core.version == wanted else ""
    return f"needs floe-core {wanted}{only}, but {core}: {how_to_install(python, wanted, core)}"


def imported_version() -> str | None:
    """Return the version that the floe_core to be imported states, or None if there is none."""
    return find_core(distributions=False).version


def find_core(*, distributions: bool = True) -> InstalledCore:
    """Return what this interpreter has; without `distributions`, only what it would import."""
    installed = tuple(_distributions()) if distributions else ()
    try:
        spec = importlib.util.find_spec("floe_core")
    except Exception:  # noqa: BLE001 - foreign finders can raise anything
        spec = None
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec else None
    read = getattr(spec.loader, "get_data", None) if spec and spec.origin else None
    if folder is None:
        return InstalledCore(spec.origin if spec else None, "a single module", None, False, installed)
    if read is None:
        return InstalledCore(folder, "a folder without __init__.py", None, False, installed)
    version, what, has_host = None, "another project's code", False
    try:
        if found := _VERSION.search(read(str(Path(folder, "_version.py")))):
            version = shown(found[1].decode("utf-8", "replace"))
            what = f"floe-core {version}"
        has_host = bool(read(str(Path(folder, "host", "__main__.py"))))
    except FileNotFoundError:
        pass
    except OSError as error:
        # An archive has no FileNotFoundError.
        what = f"code that cannot be read ({error.strerror})" if error.strerror else what
    return InstalledCore(folder, what, version, has_host, installed)


def _distributions() -> Iterator[tuple[str, str]]:
    from importlib import metadata  # takes as long to import as all else here

    seen = set[tuple[str, str]]()
    try:
        for each in metadata.distributions(name="floe-core"):
            folder = str(each.locate_file(""))
            try:
                version = each.version and shown(each.version)
            except Exception:  # noqa: BLE001 - damaged metadata can raise anything
                version = _UNKNOWN
            identity = version, os.path.realpath(folder)
            if version and identity not in seen:  # a folder that an uninstallation left behind has no version
                seen.add(identity)
                yield version, folder
    except Exception:  # noqa: BLE001 - foreign finders can raise anything
        return


def shown(text: str) -> str:
    """Return a text that fits into a line and can be encoded, whatever the bytes of a path are."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


if __name__ == "__main__":
    print(json.dumps(asdict(find_core())))  # noqa: T201
