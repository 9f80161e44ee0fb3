"""Runs one command and kills it when the parent process is gone, even if SIGKILL ended the parent.

A script that needs only the standard library:

    python supervisor.py PARENT_PID FOLDER_TO_REMOVE COMMAND...

Its standard input is a pipe whose other end the parent holds. When the pipe closes, or PARENT_PID is
no longer the parent (a fork of it may hold the pipe open), the supervisor kills the command's process
group and removes the folder, if one is given. SIGTERM stops the command gracefully, SIGUSR1 kills it
immediately. On Linux, the command also dies with the supervisor.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
POLL = 0.5  # seconds between checks of the parent, in case the pipe stays open
REMOVE_WITHIN = 5.0
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the command until it ends or must end, and return its exit status (128 + N after signal N)."""
    parent, folder, *command = sys.argv[1:]
    # The signals below only wake the loop, which reads their meaning from `asked` and the child's state.
    wake, waker = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda received, _frame: asked.append(received))
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_die_with_this_process()
    )
    abandoned = False
    deadline: float | None = None
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin, wake], [], [], POLL)
        if wake in readable:
            os.read(wake, 4096)
        if sys.stdin in readable or os.getppid() != int(parent):
            abandoned = True
            _signal_group(child, signal.SIGKILL)
            child.wait()
        elif signal.SIGUSR1 in asked:
            _signal_group(child, signal.SIGKILL)
        elif asked and deadline is None:
            deadline = time.monotonic() + GRACE
            _signal_group(child, signal.SIGTERM)
        elif deadline is not None and time.monotonic() > deadline:
            _signal_group(child, signal.SIGKILL)
    if abandoned and folder:
        _remove(folder)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _die_with_this_process() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # the supervisor died before the line above
            os._exit(1)

    return in_child


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _remove(folder: str) -> None:
    # The other supervisors kill their commands at the same time; until then, these may still write.
    deadline = time.monotonic() + REMOVE_WITHIN
    while os.path.exists(folder) and time.monotonic() < deadline:  # noqa: PTH110
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
