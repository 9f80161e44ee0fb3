"""The commands in pages and sources that install distributions, as a reader or a pipeline runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OURS = r"(?:floe[-_.]core|floe[-_.]operator|localcluster)"
_INSTALLS = re.compile(
    r"\bpip3?[\"']?(?:\s+-\S+(?:\s+(?!install\b|download\b|wheel\b)[^\s-]\S*)?)*\s+(?:install|download|wheel)\b"
    r"|\bpipx\s+(?:install|inject|run)\b|\buvx\b|\buv\s+(?:add|run|pip\s+install|tool\s+(?:install|run))\b"
    r"|\b(?:poetry|pdm)\s+add\b|\bconda\s+install\b"
    r"|\badditional_dependencies\b"
)
_BY_NAME = re.compile(rf"(?<![\w./$^-]){_OURS}(?=[\s\"'`,;\[\](){{}}=<>~!]|$)", re.IGNORECASE)
_BY_PATH = re.compile(
    rf"{_OURS}-[0-9]\S*\.whl|(?<!\S)\.(?=\s|$)|\./(?:operator|tools/localcluster)\b|\$FLOE\b"
)
_MAKES_ENVIRONMENT = re.compile(r"-m venv\b")


def by_name(text: str) -> list[str]:
    """Return the lines that make an installer look for one of our distributions on a package index.

    None of ours is on one yet, and others can have the names: the public index has another floe-core.
    """
    return [
        line
        for line in _lines(text)
        if (found := _INSTALLS.search(line)) and _BY_NAME.search(line, found.end())
    ]


def by_path(text: str) -> bool:
    """Return True if the text installs one of our distributions from a folder or a wheel."""
    return any(
        (found := _INSTALLS.search(line)) is not None and _BY_PATH.search(line, found.end()) is not None
        for line in _lines(text)
    )


def commands(text: str) -> list[str]:
    """Return the shell commands of a block that make an environment or install something into one."""
    return [
        re.sub(r"^(?:- run:|\$)\s+", "", line)
        for line in _lines(text)
        if _INSTALLS.search(line) or _MAKES_ENVIRONMENT.search(line)
    ]


def _lines(text: str) -> Iterator[str]:
    """Yield the lines without indentation and comments, each joined with its continuation lines."""
    code = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    return (line.strip() for line in re.sub(r"\\\n\s*", " ", code).splitlines())
