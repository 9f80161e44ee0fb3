"""The commands of docs/, run as a reader pastes them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.kind.clusters import Cluster
from tests.kind.commands import run
from tests.kind.images import REPOSITORY

INSTALL, OPERATIONS, UPGRADE = (
    REPOSITORY / "docs" / f"{name}.md" for name in ("install", "operations", "upgrade")
)
_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_COMMENT = "\0"
"""Stands for the `#` of a comment in a block, which is not a heading."""
_SECONDS = 900.0


def section(page: Path, heading: str) -> str:
    """Return the text below a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _hidden(page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no heading {heading}"
    return found[1].replace(_COMMENT, "#")


def scripts(page: Path, heading: str) -> list[str]:
    """Return the shell blocks below a heading."""
    return [text for language, _, text in _FENCE.findall(section(page, heading)) if language == "sh"]


def files(page: Path, heading: str) -> dict[str, str]:
    """Return the blocks below a heading that are files, by their paths."""
    return {title: text for _, title, text in _FENCE.findall(section(page, heading)) if title}


def _hidden(page: Path) -> str:
    return _FENCE.sub(lambda block: re.sub("^#", _COMMENT, block[0], flags=re.MULTILINE), page.read_text())


class Shell:
    """Runs bash in a folder with this cluster as the current one; `instead_of` maps words to a test's own."""

    def __init__(self, cluster: Cluster, folder: Path, instead_of: Mapping[str, str]) -> None:
        machine = cluster.machine
        programs = [str(Path(program).parent) for program in (machine.kubectl, machine.kind, machine.docker)]
        self._environment = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        }
        self._folder = folder
        self._instead_of = instead_of

    def run(self, script: str) -> str:
        """Run a script, each of whose commands must succeed, and return what it prints."""
        command = ("bash", "-euo", "pipefail", "-c", self._adapted(script))
        return run(*command, timeout=_SECONDS, environment=self._environment, folder=self._folder)

    @contextmanager
    def background(self, command: str) -> Iterator[None]:
        """Run a command while the body runs."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self._adapted(command)}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env={**os.environ, **self._environment},
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def _adapted(self, script: str) -> str:
        for theirs, ours in self._instead_of.items():
            script = script.replace(theirs, ours)
        return script
