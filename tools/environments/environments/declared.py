"""Reads the requirements that this repository declares: in pyproject.toml files and requirements/*.in.

What becomes of them is left to `locks`.
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
    """A file that declares requirements is missing or damaged."""


def project(file: Path, *extras: str) -> Iterator[str]:
    """Yield what a project and its extras require, without this repository's own distributions.

    An extra that names its own project (`floe-core[operator]`) stands for the extras in the brackets.
    """
    table = _read(file)["project"]
    lists = [table.get("dependencies", [])]
    lists += [table.get("optional-dependencies", {})[extra] for extra in extras]
    for requirement in (each for declared in lists for each in declared):
        name, own_extras = name_of(requirement), re.search(r"\[([^]]*)\]", requirement)
        if name not in own_names():
            yield requirement
        elif name == normalised(table["name"]) and own_extras is not None:
            yield from project(file, *(extra.strip() for extra in own_extras[1].split(",")))


def build(file: Path) -> Iterator[str]:
    """Yield what building a project requires."""
    yield from _read(file)["build-system"]["requires"]


def listed(file: Path) -> Iterator[str]:
    """Yield the requirements of a requirements file."""
    try:
        text = file.read_text()
    except OSError as error:
        raise DeclarationError(f"{file}: {error.strerror}") from None
    for line in text.splitlines():
        if requirement := line.partition("#")[0].strip():
            yield requirement


def promised_pythons() -> list[tuple[int, int]]:
    """Return the Pythons that floe-core's classifiers promise, oldest first."""
    classifiers = _read(FLOE_CORE)["project"]["classifiers"]
    found = [re.fullmatch(r"Programming Language :: Python :: (\d+)\.(\d+)", each) for each in classifiers]
    return sorted((int(each[1]), int(each[2])) for each in found if each)


def name_of(requirement: str) -> str:
    """Return the normalised name of the distribution that is required."""
    found = _NAME.match(requirement)
    if found is None:
        raise DeclarationError(f"{requirement!r} is not a requirement")
    return normalised(found[0])


def normalised(name: str) -> str:
    """Return the name as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def own_names() -> frozenset[str]:
    """Return the normalised names of the distributions of this repository, which no index is asked for."""
    return frozenset(normalised(_read(file)["project"]["name"]) for file in PROJECTS)


@cache
def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise DeclarationError(f"{file}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{file}: {error}") from None
