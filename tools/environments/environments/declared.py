"""Reads the requirements that this repository declares in pyproject.toml files and requirements/*.in.

It leaves resolving and comparing them to `locks`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = sorted(REPOSITORY.glob("examples/plugins/*/pyproject.toml"))
FLOE_CORE = REPOSITORY / "pyproject.toml"
LOCALCLUSTER = REPOSITORY / "tools" / "localcluster" / "pyproject.toml"
PROJECTS = [FLOE_CORE, LOCALCLUSTER, *EXAMPLES]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class DeclarationError(Exception):
    """A file that declares requirements is missing or invalid."""


def project(file: Path, *extras: str) -> Iterator[str]:
    """Yield what a project and its extras require, except this repository's own distributions.

    A requirement on the project itself (`floe-core[operator]`) stands for the extras in its brackets.

    Raises:
        DeclarationError: The file is missing or invalid.
    """
    table = _table(file, "project")
    optional = {
        normalised(extra): declared for extra, declared in table.get("optional-dependencies", {}).items()
    }
    own = normalised(table["name"])
    declared = list(table.get("dependencies", []))
    todo, done = [normalised(extra) for extra in extras], set[str]()
    while todo:
        extra = todo.pop()
        if extra not in optional:
            raise DeclarationError(f"{file}: unknown extra {extra!r}")
        if extra not in done:
            done.add(extra)
            declared += optional[extra]
            todo += [inner for each in optional[extra] for inner in _extras_of(own, each)]
    yield from (requirement for requirement in declared if name_of(requirement) not in own_names())


def _extras_of(own: str, requirement: object) -> list[str]:
    """Return the extras named by a requirement on the project itself."""
    brackets = re.search(r"\[([^]]*)\]", str(requirement))
    if brackets is None or name_of(requirement) != own:
        return []
    if ";" in str(requirement):
        raise DeclarationError(f"{requirement!r}: an extra of the project itself cannot have a marker")
    return [normalised(extra.strip()) for extra in brackets[1].split(",") if extra.strip()]


def build(file: Path) -> Iterator[str]:
    """Yield what building a project requires.

    Raises:
        DeclarationError: The file is missing or invalid.
    """
    requires = _table(file, "build-system").get("requires")
    if not isinstance(requires, list):
        raise DeclarationError(f"{file}: build-system.requires is not a list")
    yield from requires


def listed(file: Path) -> Iterator[str]:
    """Yield the requirements in a requirements file.

    Raises:
        DeclarationError: The file is missing or invalid.
    """
    for line in _text(file).splitlines():
        if requirement := re.split(r"(?:^|\s)#", line)[0].strip():
            yield requirement


def promised_pythons() -> list[tuple[int, int]]:
    """Return the Python versions that floe-core's classifiers promise, oldest first."""
    classifiers = _table(FLOE_CORE, "project")["classifiers"]
    found = [re.fullmatch(r"Programming Language :: Python :: (\d+)\.(\d+)", each) for each in classifiers]
    return sorted((int(each[1]), int(each[2])) for each in found if each)


def name_of(requirement: object) -> str:
    """Return the normalised name of the required distribution.

    Raises:
        DeclarationError: This is not a requirement.
    """
    found = _NAME.match(requirement) if isinstance(requirement, str) else None
    if found is None:
        raise DeclarationError(f"{requirement!r} is not a requirement")
    return normalised(found[0])


def normalised(name: str) -> str:
    """Return the name in PEP 503's normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def own_names() -> frozenset[str]:
    """Return the normalised names of this repository's distributions, which never come from an index."""
    return frozenset(normalised(_table(file, "project")["name"]) for file in PROJECTS)


@cache
def _table(file: Path, name: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(_text(file)).get(name)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{file}: {error}") from None
    if not isinstance(table, dict):
        raise DeclarationError(f"{file}: no [{name}] table")
    return table


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise DeclarationError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeclarationError(f"{file}: not UTF-8") from None
