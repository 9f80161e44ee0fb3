"""The processes of a cluster, found in the machine's process table."""

from __future__ import annotations

import subprocess
from pathlib import Path


def pids_of(folder: Path) -> dict[int, str]:
    """Return the command lines that mention a cluster's folder, by pid: components and their supervisors."""
    table = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=1) for line in table.stdout.splitlines()]
    return {int(pid): command for pid, command in rows if str(folder) in command}


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of a cluster's components and their supervisors."""
    return list(pids_of(folder).values())


def supervisors_of(folder: Path) -> list[int]:
    """Return the pids of a cluster's supervisors."""
    return [pid for pid, command in pids_of(folder).items() if "supervisor.py" in command]


def pids_of_component(folder: Path, name: str) -> list[int]:
    """Return the pids of the processes that run a component of a cluster."""
    return [pid for pid, command in pids_of(folder).items() if Path(command.split()[0]).name == name]


def leftovers(folder: Path) -> list[str]:
    """Return what is left of a cluster: command lines, and its folder if it exists."""
    return [*processes_of(folder), *([str(folder)] if folder.exists() else [])]
