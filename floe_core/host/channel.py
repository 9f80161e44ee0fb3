"""The pipes from and to the operator, one message per line; what the lines mean is left to others.

Reading never waits for writing: a thread writes what `send` queued, so an operator that reads slowly cannot
keep the host from noticing the end of input.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from typing import NoReturn

from floe_core.host.protocol import MAX_LINE_BYTES


class Channel:
    """Reads lines from one descriptor and writes lines to another."""

    def __init__(self, calls: int, answers: int) -> None:
        self._calls = calls
        self._answers = answers
        self._outgoing: queue.SimpleQueue[tuple[bytes, threading.Event | None]] = queue.SimpleQueue()
        # A process that a plugin forks would keep the pipes open as long as it lives; close them there.
        os.register_at_fork(after_in_child=self._close)
        threading.Thread(target=self._write, name="floe-host-writer", daemon=True).start()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that arrive, until the end of input or a line longer than MAX_LINE_BYTES."""
        with open(self._calls, "rb", buffering=256 * 1024, closefd=False) as stream:
            while line := stream.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    return
                yield line

    def send(self, line: bytes) -> None:
        """Queue a line, including its newline."""
        self._outgoing.put((line, None))

    def flush(self, timeout: float) -> None:
        """Wait until everything queued so far is written, at most `timeout` seconds."""
        written = threading.Event()
        self._outgoing.put((b"", written))
        written.wait(timeout)

    def _write(self) -> None:
        while True:
            line, written = self._outgoing.get()
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._answers, rest) :]
            except OSError as error:
                end(f"the pipe to the operator is gone: {error.strerror}")
            if written is not None:
                written.set()

    def _close(self) -> None:
        for descriptor in (self._calls, self._answers):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def end(why: str = "") -> NoReturn:
    """End the process immediately, without waiting for plugins' threads or running exit handlers."""
    if why:
        with contextlib.suppress(OSError):
            os.write(2, f"floe_core.host: {why}\n".encode())
    os._exit(1 if why else 0)
