"""Runs docker, kind and kubectl: their output, or an AssertionError with everything they printed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class CommandError(AssertionError):
    """A command ended with an exit code other than 0, or not in time; `eventually` tries it again."""


def run(
    *command: str | Path,
    input: str | None = None,  # noqa: A002 -- as subprocess calls it
    timeout: float = 120.0,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Return what a command printed to its standard output.

    Raises:
        CommandError: The command failed or did not end in time.
    """
    arguments = [str(argument) for argument in command]
    try:
        done = subprocess.run(
            arguments,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(environment or {})},
            cwd=folder,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"") + (error.stderr or b"")
        text = said.decode(errors="replace")
        raise CommandError(f"{' '.join(arguments)} did not end in {timeout:g} s:\n{text}") from None
    if done.returncode:
        raise CommandError(
            f"{' '.join(arguments)} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout
