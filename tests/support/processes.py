"""Inspection of running processes (Linux)."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.support.polling import eventually

_OPENS = """
import ctypes, os, signal
from pathlib import Path

def opens(*_):
    prctl = ctypes.CDLL(None).prctl
    dumpable = prctl(3, 0, 0, 0, 0)
    prctl(4, 1, 0, 0, 0)
    unfinished = Path({folder!r}, str(os.getpid()) + ".unfinished")
    unfinished.write_text(str(dumpable))
    unfinished.rename(unfinished.with_suffix(""))

signal.signal(signal.SIGUSR1, opens)
"""


class Openable:
    """Lets its user look into Python processes that forbid it, once a test asks for that."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "sitecustomize.py").write_text(_OPENS.format(folder=str(folder)))

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment with which the processes must be started."""
        folders = (str(self._folder), os.environ.get("PYTHONPATH"))
        return {"PYTHONPATH": os.pathsep.join(filter(None, folders))}

    def open(self, pid: int) -> bool:
        """Let a process be looked into; return whether it could be, or could leave a core dump, before."""
        told = self._folder / str(pid)
        os.kill(pid, signal.SIGUSR1)
        eventually(told.exists, saying="the process has answered")
        return told.read_text() != "0"


def memory_of(pid: int) -> bytes:
    """Return all writable memory of a process."""
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            memory.seek(start)
            try:
                parts.append(memory.read(end - start))
            except OSError:
                continue
    return b"".join(parts)


def plugin_hosts(operator: int) -> list[int]:
    """Return the pids of an operator's plugin hosts."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = next(line for line in status.read_text().splitlines() if line.startswith("PPid:"))
            command = (status.parent / "cmdline").read_bytes()
        except (OSError, StopIteration):
            continue  # the process has ended
        if int(parent.split()[1]) == operator and b"floe_core.host" in command:
            found.append(int(status.parent.name))
    return found
