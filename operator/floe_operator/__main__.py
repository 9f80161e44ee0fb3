"""Starts `floe-operator` (or `python -m floe_operator`); first does what must precede other imports."""

# Only Python 3.10 syntax: the distribution also installs on 3.10 and must then print the message below.

import importlib.util
import os
import sys


def main() -> int:
    """Run the `floe-operator` command, or print what to install if a requirement is missing."""
    if sys.version_info < (3, 11):  # pragma: no cover
        print("floe-operator needs Python 3.11 or later", file=sys.stderr)  # noqa: T201
        return 2
    # pydantic's search for its own plugins would fail on the first damaged distribution in the environment.
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
    """Make `kubernetes` an empty package, so that only `kubernetes.aio` is imported; this saves 8 MB.

    Importing any part of the real package first imports its blocking client, which nothing here uses, along
    with requests, oauthlib and websocket.
    """
    spec = importlib.util.find_spec("kubernetes")
    if spec is not None:
        sys.modules.setdefault("kubernetes", importlib.util.module_from_spec(spec))


if __name__ == "__main__":
    sys.exit(main())
