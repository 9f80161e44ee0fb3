"""The `floe-operator` command, and `python -m floe_operator`: what must be so before all else is imported."""

# Python 3.10 syntax here: the distribution installs there, and the message below must be seen.

import importlib.util
import os
import sys


def main() -> int:
    """The `floe-operator` command; says what to install where the operator's requirements are missing."""
    if sys.version_info < (3, 11):  # pragma: no cover
        print("floe-operator needs Python 3.11 or later", file=sys.stderr)  # noqa: T201
        return 2
    # Looking for its own plugins, pydantic would fail on the first damaged distribution beside the operator.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    _leave_out_the_blocking_client()
    try:
        from floe_operator.cli import main as run_cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("floe_operator", "floe_core"):
            raise
        print(  # noqa: T201
            f"floe-operator needs {error.name}, which is not installed: pip install 'floe-core[operator]'",
            file=sys.stderr,
        )
        return 2
    return run_cli()


def _leave_out_the_blocking_client() -> None:
    """Makes `kubernetes` a mere folder of `kubernetes.aio`: 8 MB less, and nobody here calls the rest.

    The package imports its blocking client, with requests, oauthlib and websocket, before any part of it.
    """
    spec = importlib.util.find_spec("kubernetes")
    if spec is not None:
        sys.modules.setdefault("kubernetes", importlib.util.module_from_spec(spec))


if __name__ == "__main__":
    sys.exit(main())
