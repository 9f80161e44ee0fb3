"""A component's process: started under a supervisor, logged to a file, stopped or killed.

The cluster uses it for etcd and the Kubernetes components, the build for `go`. See `supervisor` for
what becomes of a process whose parent dies.
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
    """One run of a command; `log` receives its output, appended."""

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
                start_new_session=True,  # a terminal's Ctrl-C is the parent's to handle
            )  # fmt: skip

    def poll(self) -> int | None:
        """The exit status, or None while it runs; 128 + N after signal N."""
        return self._supervisor.poll()

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended, or does so in this time."""
        try:
            self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it gently; by SIGKILL if it does not end by itself within ten seconds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        self._end(signal.SIGUSR1)

    def _end(self, number: signal.Signals) -> None:
        self._supervisor.send_signal(number)  # does nothing once it has ended
        self._supervisor.wait()
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()

    def last_lines(self) -> str:
        """The end of its log, for error messages."""
        return last_lines(self.log)


def last_lines(log: Path) -> str:
    with log.open(errors="replace") as file:
        lines = deque(file, maxlen=LAST_LINES)
    return "\n".join(f"    {line.rstrip()[:LINE_LENGTH]}" for line in lines)
