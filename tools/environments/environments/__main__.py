"""`python -m environments`: check or make the locks, and run tests on every Python on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from environments import locks, trials
from environments.declared import DeclarationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        match parsed.command:
            case "check":
                return _check()
            case "lock":
                changed = locks.compile_locks(renew=parsed.renew, say=lambda name: _say(f"==> {name}"))
                _say(f"==> changed: {', '.join(changed)}" if changed else "==> no lock changed")
                return 0
            case _:
                own = [sys.version_info[:2]] if parsed.others else []
                suite = trials.SUITES[parsed.suite]
                passed = trials.run(suite, leave_out=own, say=lambda text: _say(f"==> {text}"))
                return 0 if passed else 1
    except (DeclarationError, locks.LockError) as error:
        print(error, file=sys.stderr)
        return 1


def _check() -> int:
    faults = locks.check()
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("Run `make lock` and commit what it changes.", file=sys.stderr)
    return 1 if faults else 0


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="environments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("check", help="report locks that do not match what the pyproject.toml files declare")
    lock = commands.add_parser("lock", help="make the locks; requires uv and a package index")
    lock.add_argument("--renew", action="store_true", help="take the newest release of everything")
    test = commands.add_parser("test", help="run tests on every Python on this machine")
    test.add_argument("suite", choices=trials.SUITES)
    test.add_argument("--others", action="store_true", help="skip the Python that runs this command")
    return parser


if __name__ == "__main__":
    sys.exit(main())
