"""Asks the interpreter of a plugin environment which floe-core it has."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from floe_operator import installed_core
from floe_operator.installed_core import InstalledCore
from floe_operator.plugin_host.process import WITHOUT_WORKING_DIRECTORY, HostProcess

_LIMIT = 10.0
_MOST_LINES = 1000
_PROGRAM = f"{WITHOUT_WORKING_DIRECTORY}exec(sys.argv[1])"
_SURVEY = Path(installed_core.__file__).read_text(encoding="utf-8")


async def find_core_of(python: str) -> InstalledCore | None:
    """Return the floe-core of an interpreter, or None if it gives no answer within 10 seconds."""
    command = [python, "-c", _PROGRAM, _SURVEY]
    try:
        process = await HostProcess.start(command, on_line=_ignore, on_left_out=_ignore)
    except OSError:
        return None
    try:
        async with asyncio.timeout(_LIMIT):
            for _ in range(_MOST_LINES):  # a .pth file or sitecustomize can print lines before the answer
                line = await process.reader.readline()
                core = _understood(line)
                if core is not None or not line:
                    return core
    except (TimeoutError, ValueError):  # no answer, or a line that is too long
        pass
    finally:
        process.kill()
        await process.release()
    return None


def _understood(line: bytes) -> InstalledCore | None:
    try:
        said = json.loads(line)
        return InstalledCore(**{**said, "distributions": tuple(map(tuple, said["distributions"]))})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _ignore(*_: object) -> None:
    pass
