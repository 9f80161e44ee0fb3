"""Prepares the process and the descriptors of a plugin host before any plugin code runs.

After `isolate()` plugins find /dev/null on descriptor 0 and the log pipe on 1 and 2; the host itself uses
copies of 0, 1 and 2 with numbers far above the descriptors that plugins might close.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import os
import resource
import signal
import sys
from pathlib import Path

from floe_core.host.core_dumps import forbid_core_dumps

_HIGHEST_DESCRIPTOR = 65_536
_PR_SET_PDEATHSIG = 1


def isolate() -> tuple[int, int, int]:
    """Prepare the process; return the descriptors to read calls from, to write answers to, and of the log."""
    if sys.platform == "linux":
        _end_with_parent()
        _be_the_first_to_go()
    forbid_core_dumps()  # afterwards, only root could make it the first to go
    return _take_standard_streams()


def _end_with_parent() -> None:
    """Make the kernel kill this process when the thread that started it ends, even while a plugin hangs."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _be_the_first_to_go() -> None:
    """Make the kernel kill this process before the operator's if memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _take_standard_streams() -> tuple[int, int, int]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _HIGHEST_DESCRIPTOR if soft == resource.RLIM_INFINITY else min(soft, _HIGHEST_DESCRIPTOR)
    floor = max(limit - 16, 3)
    calls = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, floor)
    answers = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, floor)
    log = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, floor)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a plugin printed must not be lost if it ends the process without a flush.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    return calls, answers, log
