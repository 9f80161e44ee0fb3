"""`python -m benchmarks [--full] [NAME...]`: runs benchmarks in turn; their numbers go to bench-results/."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("discovery", "health", "secrets", "side_by_side")
LONG = ("idle", "kills")
"""Run only by name, because each takes about ten minutes."""
FULL = {"side_by_side": ["--objects", "100", "1000", "10000", "--runs", "3", "3", "1"]}
"""What `--full` adds to the arguments of a benchmark."""
RESULTS = Path("bench-results")


def main() -> int:
    """Run all benchmarks asked for, even if some fail; return 1 if any failed."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks")
    arguments.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[*BENCHMARKS, *LONG, []],
        help=f"one or more of {', '.join((*BENCHMARKS, *LONG))}; default: {' and '.join(BENCHMARKS)}",
    )
    arguments.add_argument("--full", action="store_true", help="measure with 10,000 objects, too")
    options = arguments.parse_args()
    names = options.names or BENCHMARKS
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in names:
        print(f"==> {name}", flush=True)
        # Each runs in its own process, so that what it leaves in memory does not slow the next.
        result = RESULTS / f"{name}.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(result)]
        command += FULL.get(name, []) if options.full else []
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
        print(flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
