"""The two ends of the pipe to the operator, a line a message; knows nothing of what the lines say.

Reading never waits for writing: a thread writes what `send` queued, so that an operator that is slow to read
never keeps the host from hearing that it is to end.
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
    """Lines from one descriptor and lines to another."""

    def __init__(self, calls: int, answers: int) -> None:
        self._calls = calls
        self._answers = answers
        self._outgoing: queue.SimpleQueue[tuple[bytes, threading.Event | None]] = queue.SimpleQueue()
        # A process that a plugin forks holds the pipe open for as long as it lives, unless it lets go here.
        os.register_at_fork(after_in_child=self._close)
        threading.Thread(target=self._write, name="floe-host-writer", daemon=True).start()

    def lines(self) -> Iterator[bytes]:
        """The lines that arrive, until the end of input or a line above its bound."""
        with open(self._calls, "rb", buffering=256 * 1024, closefd=False) as stream:
            while line := stream.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    return
                yield line

    def send(self, line: bytes) -> None:
        """Queues a line, its newline included."""
        self._outgoing.put((line, None))

    def flush(self, timeout: float) -> None:
        """Waits until what was sent is written, `timeout` seconds at most."""
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
    """Ends the process at once, with plugins' threads and exit handlers as they are."""
    if why:
        with contextlib.suppress(OSError):
            os.write(2, f"floe_core.host: {why}\n".encode())
    os._exit(1 if why else 0)
