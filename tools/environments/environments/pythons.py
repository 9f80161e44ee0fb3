"""Finds the Pythons on this machine: one interpreter for each promised version and for the next version.

An interpreter counts if it runs, is CPython (with the GIL) of the version in its name, and can make virtual
environments.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from environments.declared import promised_pythons

Version = tuple[int, int]

_ASK = """
import ensurepip, sys, sysconfig, venv
if sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("%d.%d %s" % (*sys.version_info[:2], sys.executable))
"""


def versions_to_try() -> list[Version]:
    """Return the promised versions and the one after them, oldest first."""
    promised = promised_pythons()
    major, minor = promised[-1]
    return [*promised, (major, minor + 1)]


def find(version: Version) -> Path | None:
    """Return an interpreter of this version (the current one, from PATH or from pyenv), or None."""
    return next(filter(None, (_asked(each, version) for each in _candidates(version))), None)


def _candidates(version: Version) -> Iterator[str]:
    name = f"python{version[0]}.{version[1]}"
    yield getattr(sys, "_base_executable", sys.executable)  # the interpreter this environment was made from
    for folder in os.get_exec_path():
        if found := shutil.which(name, path=folder):
            yield found
    # The shims that pyenv puts on PATH run only the versions that `pyenv global` selects.
    for installed in _pyenv_versions():
        yield str(installed / "bin" / name)


def _pyenv_versions() -> list[Path]:
    """Return the folders of the CPython releases that pyenv has installed, newest first."""
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    root = _output([pyenv, "root"])
    folders = Path(root).glob("versions/*") if root else []
    releases = [folder for folder in folders if re.fullmatch(r"\d+\.\d+\.\d+", folder.name)]
    return sorted(releases, key=lambda folder: tuple(map(int, folder.name.split("."))), reverse=True)


def _asked(interpreter: str, version: Version) -> Path | None:
    said, _, executable = (_output([interpreter, "-I", "-c", _ASK]) or "").partition(" ")
    found = Path(executable)
    return found if said == f"{version[0]}.{version[1]}" and os.access(found, os.X_OK) else None


def _output(command: list[str]) -> str | None:
    """Return what a command prints, stripped, or None if it fails, does not run or takes longer than 30 s."""
    # A file, not a pipe: a child of the command might keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=30,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        output.seek(0)
        return output.read().decode(errors="replace").strip()
