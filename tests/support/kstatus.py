"""How tools that wait for an object assess it: asks tools/kstatus, which answers each line with a line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).resolve().parents[2] / "tools" / "kstatus"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status such as Current or Healthy, and why."""

    status: str
    message: str


class Judge:
    """The running program; its arguments select the tool that assesses."""

    def __init__(self, program: Path, *arguments: str | Path) -> None:
        self._process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, manifest: Mapping[str, Any]) -> Verdict:
        """Return the verdict on one object.

        Raises:
            AssertionError: The program has no verdict; the message has its standard error.
        """
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        assert pipes.stderr is not None
        pipes.stdin.write(json.dumps(manifest) + "\n")
        pipes.stdin.flush()
        line = pipes.stdout.readline()
        assert line, f"no verdict on {manifest}: {pipes.stderr.read()}"
        return Verdict(**json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()
