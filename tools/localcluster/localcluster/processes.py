"""A process that is started under a supervisor, logged to a file, and stopped or killed.

`supervisor` describes what happens to a process whose parent dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster import supervisor

LAST_LINES = 20
LINE_LENGTH = 500


class Process:
    """One run of a command, whose output is appended to `log`."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        remove_when_abandoned: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._supervisor = subprocess.Popen(
                [
                    sys.executable, "-I", "-S", supervisor.__file__,
                    str(os.getpid()), str(remove_when_abandoned or ""), *command,
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=env,
                start_new_session=True,  # the parent handles a terminal's Ctrl-C
            )  # fmt: skip

    def poll(self) -> int | None:
        """Return the exit status (128 + N after signal N), or None while the process runs."""
        return self._supervisor.poll()

    def ends_within(self, seconds: float) -> bool:
        """Return whether the process ends within this time, or has ended already."""
        try:
            self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Stop the process gracefully, or by SIGKILL if it takes longer than ten seconds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process by SIGKILL, as in a crash."""
        self._end(signal.SIGUSR1)

    def _end(self, number: signal.Signals) -> None:
        self._supervisor.send_signal(number)  # does nothing if it has ended
        self._supervisor.wait()
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()

    def last_lines(self) -> str:
        """Return the end of the process's log, for error messages."""
        return last_lines(self.log)


def last_lines(log: Path) -> str:
    """Return the last lines of a log, indented and shortened, for error messages."""
    with log.open(errors="replace") as file:
        lines = deque(file, maxlen=LAST_LINES)
    return "\n".join(f"    {line.rstrip()[:LINE_LENGTH]}" for line in lines)
