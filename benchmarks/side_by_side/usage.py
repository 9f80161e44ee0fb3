"""What the kernel says about a running process and those that it started: processor time and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.idle import kilobytes

PLUGIN_HOST = "plugin host"
_MAIN = "process"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree of processes has used since its start."""

    cpu: float
    """Seconds of processor time, including that of processes that have ended."""
    host_cpu: float
    """What of it the plugin host used."""
    peaks: Mapping[str, int]
    """The largest resident memory of `process` and, apart, of its `plugin host`, in bytes."""
    resident: Mapping[str, int]
    """The resident memory now."""


def usage_of(pid: int) -> Usage:
    """Return what a process and those below it have used."""
    cpu = host_cpu = 0.0
    peaks: dict[str, int] = {}
    resident: dict[str, int] = {}
    for each in _tree(pid):
        folder = Path(f"/proc/{each}")
        try:
            stat = (folder / "stat").read_text()
            status = kilobytes(folder / "status")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended; its parent's figures include it
        # utime, stime and what children that have ended used; the second field can contain spaces.
        used = sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICKS
        kind = PLUGIN_HOST if b"floe_core.host" in command else _MAIN
        cpu += used
        host_cpu += used if kind == PLUGIN_HOST else 0.0
        peaks[kind] = max(peaks.get(kind, 0), status.get("VmHWM", 0) * 1024)
        resident[kind] = resident.get(kind, 0) + status.get("VmRSS", 0) * 1024
    return Usage(cpu, host_cpu, peaks, resident)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield from _tree(child)
