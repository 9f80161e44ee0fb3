"""The process of a plugin host: starts it, reads its output, notices its end, kills it and all it started.

Knows nothing about the messages on the pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from floe_core.host.protocol import MAX_LINE_BYTES
from floe_operator.plugin_host.environment import plugin_environment
from floe_operator.plugin_host.output import OnLeftOut, OnLine, Output
from floe_operator.stop_signals import unblocked

_PAGE = os.sysconf("SC_PAGE_SIZE")
# floe_core and plugins must not come from the working directory. Python 3.10 has no -P, and processes that
# plugins start would inherit PYTHONSAFEPATH.
WITHOUT_WORKING_DIRECTORY = "import sys; getattr(sys.flags, 'safe_path', False) or sys.path.pop(0); "
"""The first statements of a program for `python -c`."""


def host_command(python: str, nonce: str) -> list[str]:
    """Return the command that does what `python -m floe_core.host` does, without the working directory.

    A host that writes marks into its log uses the nonce; one of an older release ignores it.
    """
    program = f"{WITHOUT_WORKING_DIRECTORY}from floe_core.host.__main__ import main; main()"
    return [python, "-X", "faulthandler", "-c", program, nonce]


class HostProcess:
    """A process in its own session that answers on stdout."""

    def __init__(self, popen: subprocess.Popen[bytes], output: Output) -> None:
        self.pid = popen.pid
        self.output = output
        self.ended = asyncio.Event()
        self._popen = popen
        self._exit_code: int | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._reading: asyncio.Task[None] | None = None
        self.reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        self.writer: asyncio.WriteTransport

    @classmethod
    async def start(
        cls, command: Sequence[str], *, on_line: OnLine, on_left_out: OnLeftOut, nonce: str = ""
    ) -> HostProcess:
        """Start a process, which may write marks with the nonce into its log.

        Raises:
            OSError: The program cannot be run.
        """
        with unblocked():
            popen = subprocess.Popen(  # noqa: ASYNC220 - returns once the interpreter is executed
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=plugin_environment(os.environ),
                start_new_session=True,
            )
        process = cls(popen, Output(on_line, on_left_out, nonce))
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=_await, args=(popen, loop, process._on_end), name="plugin-host-waiter", daemon=True
        ).start()
        try:
            await process._connect(loop)
        except BaseException:
            process.kill()
            await process.release()
            raise
        return process

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._popen.stdin
        assert self._popen.stdout
        assert self._popen.stderr
        await self._read_from(loop, self.reader, self._popen.stdout)
        log = asyncio.StreamReader()
        await self._read_from(loop, log, self._popen.stderr)
        self._reading = asyncio.create_task(self.output.read(log), name="plugin-host-output")
        self.writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._popen.stdin)
        self._transports.append(self.writer)

    async def _read_from(
        self, loop: asyncio.AbstractEventLoop, reader: asyncio.StreamReader, pipe: IO[bytes]
    ) -> None:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._transports.append(transport)

    def _on_end(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self.ended.set()

    @property
    def was_killed(self) -> bool:
        """Whether it was ended by SIGKILL, which a process rarely sends to itself."""
        return self._exit_code == -signal.SIGKILL

    @property
    def how_it_ended(self) -> str:
        """How it ended, as a clause: `it was killed by SIGSEGV`, `it exited with status 3`."""
        code = self._exit_code
        if code is None:
            return "it is running"
        if code >= 0:
            return f"it exited with status {code}"
        try:
            return f"it was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was killed by signal {-code}"

    def kill(self) -> None:
        """Kill the process and all it started in its session; `ended` is set when it is gone."""
        if self._popen.returncode is None:
            _kill_group(self.pid)

    async def wait(self, limit: float) -> bool:
        """Return True if the process ends within `limit` seconds, even if others still hold its pipes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self.ended.wait()
        return self.ended.is_set()

    async def drain_output(self, limit: float) -> None:
        """Wait up to `limit` seconds for the end of the output, which a child of the host can delay."""
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=limit)

    async def release(self) -> None:
        """Close the pipes."""
        if self._reading is not None:
            self._reading.cancel()
        for transport in self._transports:
            if transport.is_closing():
                continue
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()  # nobody will read what is not written yet
            else:
                transport.close()
        await asyncio.sleep(0)  # transports close their files in the loop's next iteration
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()  # an abandoned start may have no transport for it

    def resident_bytes(self) -> int | None:
        """Return the resident memory of the process in bytes, or None if the system does not report it."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1])
        except (OSError, ValueError, IndexError):
            return None
        return pages * _PAGE


def _await(
    popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, on_end: Callable[[int], None]
) -> None:
    """Wait in a thread for the process to end, kill the rest of its group, then report the exit code."""
    if hasattr(os, "waitid"):
        # Not reaped yet, so its pid, which is also its group's id, cannot be reused.
        os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        _kill_group(popen.pid)
    exit_code = popen.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
        loop.call_soon_threadsafe(on_end, exit_code)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
