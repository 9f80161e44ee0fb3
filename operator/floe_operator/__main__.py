"""Starts `floe-operator` (or `python -m floe_operator`); first does what must precede other imports."""

from __future__ import annotations

import os
import sys

from floe_operator._version import __version__
from floe_operator.installed_core import (
    InstalledCore,
    find_core,
    how_to_install,
    imported_version,
    shown,
    unmet_need,
)


def main() -> int:
    """Run the `floe-operator` command; print what is wrong with the installation if it cannot run."""
    # pydantic's search for its own plugins would fail on the first damaged distribution in the environment.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    if imported_version() != __version__:
        return _fail(_unfit(find_core()))
    try:
        from floe_operator.cli import main as run_cli
    except Exception as error:
        fault = _fault_of(error)
        if fault is None:
            raise
        return _fail(fault)
    return run_cli()


def _fault_of(error: Exception) -> str | None:
    """Return what is wrong with the installation, or None if the error must have another cause."""
    core = find_core()
    if not core.is_only(__version__):  # files of several versions can lie in one folder
        return f"{type(error).__name__}: {error}; {_unfit(core)}"
    if not isinstance(error, ImportError):
        return None
    if str(error.name).startswith("floe_core"):
        return f"{type(error).__name__}: {error}: {how_to_install(sys.executable, __version__, core)}"
    is_missing = isinstance(error, ModuleNotFoundError)
    fault = "which is not installed" if is_missing else f"which cannot be imported ({error})"
    check = f"`{sys.executable} -m pip check` names what does not fit"
    return f"floe-operator needs {error.name or 'a module'}, {fault}; {check}"


def _unfit(core: InstalledCore) -> str:
    return f"floe-operator {__version__} {unmet_need(sys.executable, __version__, core)}"


def _fail(message: str) -> int:
    print(shown(message), file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
