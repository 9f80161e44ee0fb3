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
FLOE_OPERATOR = REPOSITORY / "operator" / "pyproject.toml"
LOCALCLUSTER = REPOSITORY / "tools" / "localcluster" / "pyproject.toml"
PROJECTS = [FLOE_CORE, FLOE_OPERATOR, LOCALCLUSTER, *EXAMPLES]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class DeclarationError(Exception):
    """A file that declares requirements is missing or invalid."""


def project(file: Path) -> Iterator[str]:
    """Yield what a project requires, except this repository's own distributions.

    A project whose dependencies are dynamic lists them in a `requirements.in` beside its pyproject.toml.

    Raises:
        DeclarationError: A file is missing or invalid.
    """
    table = _table(file, "project")
    if "dependencies" in table.get("dynamic", []):
        declared = listed(file.with_name("requirements.in"))
    else:
        declared = iter(table.get("dependencies", []))
    yield from (requirement for requirement in declared if name_of(requirement) not in own_names())


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
