"""`python -m demo run` (until Ctrl-C) and `python -m demo once` (prints the table and exits)."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from demo.playground import Playground, PlaygroundError
from localcluster import LocalClusterError


def main() -> int:
    """Run the playground and return the exit code."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("mode", choices=("run", "once"))
    mode = parser.parse_args().mode
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Playground() as playground:
            if mode == "once":
                playground.settle()
                print(playground.table(), flush=True)
                playground.rotate_secret()
            else:
                playground.show()
    except KeyboardInterrupt:
        print()
    except (PlaygroundError, LocalClusterError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
