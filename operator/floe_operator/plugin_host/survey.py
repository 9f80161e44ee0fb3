"""Asks the interpreter of a plugin environment which floe-core it has."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

from floe_operator import installed_core
from floe_operator.installed_core import InstalledCore
from floe_operator.plugin_host.environment import plugin_environment

_LIMIT = 10.0


async def floe_core_of(python: str) -> InstalledCore | None:
    """Return the floe-core of an interpreter, or None if it does not answer within 10 seconds."""
    return await asyncio.to_thread(_ask, python)


def _ask(python: str) -> InstalledCore | None:
    program = Path(installed_core.__file__).read_text(encoding="utf-8")
    try:
        answer = subprocess.run(
            [python, "-c", program],
            env=plugin_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=True,
        ).stdout
        said = json.loads(answer)
        return InstalledCore(**{**said, "distributions": tuple(said["distributions"])})
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError):
        return None
