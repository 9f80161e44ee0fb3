"""The code blocks of a Markdown page: files, and commands with their output.

A block with a title (```` ```python title="try_it.py" ````) is a file; a `console` block has commands after
`$ `, each followed by its output; an `sh` block prepares the reader's shell. `Session` writes and runs the
blocks in the order of the page.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.polling import eventually

_FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
_VARYING = re.compile(r"[0-9]+(m?s|m|h)")
"""Ages and durations: they all count as equal."""


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    language: str
    title: str | None
    text: str

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield each command of a console block with the output that the page shows."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    return [
        Block(found["language"], found["title"], found["text"]) for found in _FENCE.finditer(page.read_text())
    ]


class Session:
    """A folder in which a page's blocks are written and run; `close` stops what runs in the background.

    `instead_of` maps paths on the page that a test must not write to, to their replacements.
    """

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str], instead_of: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._instead_of = instead_of
        self._environment: dict[str, str] = {**os.environ, **environment}
        self._log = folder / "background.log"
        self._background: list[subprocess.Popen[bytes]] = []

    def follow(self, block: Block) -> None:
        """Do what a reader of the block would do.

        Raises:
            AssertionError: The result is not what the page shows.
        """
        if block.title is not None:
            path = self._folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._at_home(block.text))
            return
        if block.language == "sh":
            self._prepare(self._at_home(block.text))
            return
        assert block.language == "console", f"neither a file nor commands: {block.text}"
        for command, output in block.commands():
            self._run(command, output)

    def close(self) -> None:
        """Stop background commands, the latest first."""
        for process in reversed(self._background):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def _at_home(self, text: str) -> str:
        for path, own in self._instead_of.items():
            text = text.replace(path, own)
        return text

    def _prepare(self, script: str) -> None:
        """Run the lines and keep the variables that they export."""
        variables = self._folder / ".variables"
        done = subprocess.run(
            ["bash", "-ec", f'{script}\nenv -0 > "$0"', variables],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        pairs = variables.read_text().split("\0")[:-1]
        self._environment = dict(pair.split("=", 1) for pair in pairs)

    def _run(self, command: str, output: str) -> None:
        if command.endswith("&"):
            with self._log.open("ab") as log:
                self._background.append(
                    subprocess.Popen(
                        ["bash", "-c", f"exec {command.removesuffix('&')}"],
                        cwd=self._folder,
                        env=self._environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        elif command.startswith("kubectl get"):  # a reader repeats the command until the object exists
            eventually(lambda: self._check(command, output), within=60, every=0.5, saying=command)
        else:
            self._check(command, output)

    def _check(self, command: str, output: str) -> bool:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        background = "".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
        seen = f"$ {command}\n{done.stdout}{done.stderr}\n{background}"
        assert done.returncode == 0, seen
        assert _comparable(done.stdout) == _comparable(output), seen
        return True


def _comparable(output: str) -> list[list[str]]:
    return [[_VARYING.sub("AGE", word) for word in line.split()] for line in output.strip().splitlines()]
