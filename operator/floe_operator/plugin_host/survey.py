"""Asks the interpreter of a plugin environment which floe-core it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

from floe_operator import installed_core
from floe_operator.installed_core import InstalledCore
from floe_operator.plugin_host.environment import plugin_environment

_LIMIT = 10.0
_END_LIMIT = 1.0
_LONGEST_ANSWER = 1024 * 1024
# Without the working directory on sys.path, where the plugin host does not look, either.
_PROGRAM = "import sys; getattr(sys.flags, 'safe_path', False) or sys.path.pop(0); exec(sys.argv[1])"
_SURVEY = Path(installed_core.__file__).read_text(encoding="utf-8")


async def find_core_of(python: str) -> InstalledCore | None:
    """Return the floe-core of an interpreter, or None if it does not answer within 10 seconds."""
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            _PROGRAM,
            _SURVEY,
            env=plugin_environment(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    assert process.stdout
    try:
        async with asyncio.timeout(_LIMIT):
            await process.stdout.readexactly(_LONGEST_ANSWER)
    except asyncio.IncompleteReadError as answer:  # it has ended, as it should
        return _understood(answer.partial)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):  # a process that left the group can hold the pipe
            async with asyncio.timeout(_END_LIMIT):
                await process.communicate()
    return None


def _understood(answer: bytes) -> InstalledCore | None:
    """Return what the last line says; a .pth file or sitecustomize can print others before it."""
    try:
        said = json.loads(answer.splitlines()[-1])
        return InstalledCore(**{**said, "distributions": tuple(map(tuple, said["distributions"]))})
    except (IndexError, ValueError, TypeError, KeyError):
        return None
