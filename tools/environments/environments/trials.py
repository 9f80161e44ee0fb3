"""Runs tests on every Python on this machine, each in its own virtual environment under .venv-pythons/.

A `Suite` says which lock is installed and which tests run; `pythons` finds the interpreters.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from environments.declared import FLOE_CORE, FLOE_OPERATOR, LOCALCLUSTER, REPOSITORY, promised_pythons
from environments.pythons import Version, find, versions_to_try

_FOLDER = REPOSITORY / ".venv-pythons"
_OPERATOR: Version = (3, 11)
"""The oldest Python the operator runs on."""
_REGISTRY = ("tests/unit/core", "tests/unit/host/test_host_alone.py")
"""The tests of floe_core and the plugin host, which need nothing from the operator."""
_PLUGIN_API = "tests/contract/test_plugin_api_*.py"
"""The contract tests that depend on the Python version; the others check manifests and documentation."""


@dataclass(frozen=True)
class Suite:
    """Tests, and what is installed for them."""

    name: str
    lock: Path
    registry: tuple[str, ...]
    """Test files and patterns for a Python the operator does not run on."""
    everything: tuple[str, ...]
    """Test files and patterns for a Python the operator runs on."""
    installs_ours: bool


SUITES = {
    "lowest": Suite(
        "the lowest requirements",
        REPOSITORY / "requirements" / "lowest.txt",
        registry=_REGISTRY,
        everything=("tests/unit/core", "tests/unit/host", "tests/unit/operator/commands/test_yaml_depth.py"),
        installs_ours=False,
    ),
    "locked": Suite(
        "the requirements of requirements/dev.txt",
        REPOSITORY / "requirements" / "dev.txt",
        registry=(*_REGISTRY, _PLUGIN_API),
        everything=("tests/unit/core", "tests/unit/host", "tests/unit/operator", _PLUGIN_API),
        installs_ours=True,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How the tests went on one Python; `said` is everything they printed."""

    version: Version
    passed: bool
    said: str
    seconds: float


def run(suite: Suite, *, leave_out: Iterable[Version], say: Callable[[str], None]) -> bool:
    """Run the suite on every available Python, on as many at a time as there are processors.

    Return True if it passed on every promised Python. Missing Pythons are reported; in CI, a promised Python
    that is missing counts as a failure.
    """
    promised = set(promised_pythons())
    wanted = [version for version in versions_to_try() if version not in set(leave_out)]
    found = {version: find(version) for version in wanted}
    there = {version: python for version, python in found.items() if python is not None}
    say(f"with {suite.name}, on Python {', '.join(map(_text, there)) or '(none)'}")
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:

        def on(version: Version) -> Outcome:
            outcome = _tried(suite, version, there[version], say)
            say(_told(outcome, promised))
            return outcome

        failed = {outcome.version for outcome in pool.map(on, there) if not outcome.passed}
    missing = [version for version in wanted if version not in there]
    for version in missing:
        why = "this machine has none that can make virtual environments"
        say(f"Python {_text(version, promised)} was not tried: {why}")
    return not promised.intersection(failed) and not (_in_ci() and promised.intersection(missing))


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _tried(suite: Suite, version: Version, base: Path, say: Callable[[str], None]) -> Outcome:
    begun = time.monotonic()
    try:
        python = _environment(suite, version, base, say)
        tests = suite.everything if version >= _OPERATOR else suite.registry
        paths = [path for pattern in tests for path in _matching(pattern)]
        say(f"Python {_text(version)}: running tests")
        # Several pytest runs in parallel must not share a cache.
        said = _done([str(python), "-m", "pytest", "--quiet", "-p", "no:cacheprovider", *paths])
        passed = True
    except subprocess.CalledProcessError as error:
        said, passed = str(error.output), False
    return Outcome(version, passed, said, time.monotonic() - begun)


def _matching(pattern: str) -> list[str]:
    found = [str(path) for path in sorted(REPOSITORY.glob(pattern))]
    assert found, f"no test matches {pattern}"
    return found


def _environment(suite: Suite, version: Version, base: Path, say: Callable[[str], None]) -> Path:
    """Return the interpreter of the suite's environment, which is remade if its requirements have changed."""
    folder = _FOLDER / f"{suite.lock.stem}-{_text(version)}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    ours = [FLOE_CORE, FLOE_OPERATOR, LOCALCLUSTER] if version >= _OPERATOR else [FLOE_CORE]
    version_file = REPOSITORY / "floe_core" / "_version.py"
    files = [suite.lock, *([*ours, version_file] if suite.installs_ours else [])]
    wanted = f"{base} {hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()}\n"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    say(f"Python {_text(version)}: setting up {folder.relative_to(REPOSITORY)} (about a minute)")
    shutil.rmtree(folder, ignore_errors=True)
    _done([str(base), "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    _done([*pip, "--require-hashes", "--requirement", str(suite.lock)])
    if suite.installs_ours:
        editable = [f"--editable={project.parent}" for project in ours]
        _done([*pip, "--no-deps", "--no-build-isolation", *editable])
    stamp.write_text(wanted)
    return python


def _done(command: list[str]) -> str:
    """Run a command and return everything it printed.

    Raises:
        CalledProcessError: The command failed; `output` has what it printed.
    """
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=True,
    )
    return done.stdout


def _told(outcome: Outcome, promised: Collection[Version]) -> str:
    head = f"Python {_text(outcome.version, promised)}, after {outcome.seconds:.0f} s"
    if not outcome.passed:
        return f"{head}: failed\n{outcome.said.rstrip()}"
    closing = re.sub(r"^=+ | =+$", "", outcome.said.rstrip().rpartition("\n")[2])
    return f"{head}: {closing}"


def _text(version: Version, promised: Collection[Version] | None = None) -> str:
    """Return the version as "3.13"; if promised versions are given, mark one that is not among them."""
    text = f"{version[0]}.{version[1]}"
    return text if promised is None or version in promised else f"{text} (not promised)"
