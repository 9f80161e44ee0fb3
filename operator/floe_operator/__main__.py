"""Starts `floe-operator` (or `python -m floe_operator`); first does what must precede other imports."""

from __future__ import annotations

import importlib.util
import os
import sys

from floe_operator._version import __version__
from floe_operator.installed_core import imported_version, look, way_out


def main() -> int:
    """Run the `floe-operator` command; print what is wrong with the installation if it cannot run."""
    # pydantic's search for its own plugins would fail on the first damaged distribution in the environment.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    _leave_out_the_blocking_client()
    fault = _fault_of_floe_core()
    if fault is None:
        try:
            from floe_operator.cli import main as run_cli
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("floe_operator", "floe_core"):
                raise
            fault = (
                f"floe-operator needs {error.name}, which is not installed; `{sys.executable} -m pip check` "
                "names what is missing"
            )
        else:
            return run_cli()
    print(fault, file=sys.stderr)  # noqa: T201
    return 1


def _fault_of_floe_core() -> str | None:
    """Return why this environment's floe-core does not fit, or None if it does; nothing of it is imported."""
    if imported_version() == __version__:
        return None
    core = look()
    needs = f"floe-operator {__version__} needs floe-core {__version__}"
    return f"{needs}, but {core}: {way_out(sys.executable, __version__, core)}"


def _leave_out_the_blocking_client() -> None:
    """Make `kubernetes` an empty package, so that only `kubernetes.aio` is imported; this saves 8 MB.

    Importing any part of the real package first imports its blocking client, which nothing here uses, along
    with requests, oauthlib and websocket.
    """
    spec = importlib.util.find_spec("kubernetes")
    if spec is not None:
        sys.modules.setdefault("kubernetes", importlib.util.module_from_spec(spec))


if __name__ == "__main__":
    sys.exit(main())
