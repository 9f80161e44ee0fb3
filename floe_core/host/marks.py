"""Marks in the log pipe, which tell the operator whose text it reads; reading them is left to the operator.

All that the host's process prints goes through one pipe, and calls run side by side. A mark is

    RS NONCE KIND LENGTH : SLUG US

with the control characters RS (0x1e) and US (0x1f), and stands anywhere in the pipe, within a line, too:

| kind | what it says |
|---|---|
| + | a call of the plugin's code begins; LENGTH is 0 |
| - | a call of the plugin's code ends; LENGTH is 0 |
| = | the plugin printed the next LENGTH bytes |

Text between marks can be from any plugin whose call is under way: from C code, child processes and threads.
The operator chooses the nonce, so that what a plugin prints by accident, such as a mark of another host, is
text. A plugin that forges a mark achieves no more than a wrong name in the log.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from contextvars import ContextVar

# These names, because plugins replace the modules'.
from os import fstat, write
from typing import TYPE_CHECKING, Any

from floe_core.plugin_types import PluginId

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LONGEST = 256
"""The most bytes of a mark; a plugin whose name is too long for it is not named."""
_LONGEST_PIECE = select.PIPE_BUF - LONGEST
"""The most bytes after a mark: a write of up to PIPE_BUF bytes to a pipe is not mixed with others."""

_present: ContextVar[PluginId | None] = ContextVar("floe_present_plugin", default=None)
"""The plugin that runs here. A plugin's own asyncio tasks inherit it; its threads do not."""


def opening(nonce: str) -> bytes:
    """Return what all marks begin with."""
    return b"\x1e" + nonce.encode("ascii")


def mark(nonce: str, kind: str, plugin: PluginId, length: int = 0) -> bytes:
    """Return a mark, or nothing if the plugin's name cannot be in one."""
    written = f"{kind}{length}:{plugin.slug}"
    if not written.isprintable():
        return b""
    made = opening(nonce) + written.encode() + b"\x1f"
    return made if len(made) <= LONGEST else b""


class Marks:
    """Writes marks to a descriptor of its own of the log pipe; none without a nonce."""

    def __init__(self, nonce: str, log: int) -> None:
        self._nonce = nonce
        self._log: int | None = log
        self._pipe = _file(log)
        # What a fork of the host prints comes from a call under way, but the call ends only in the host.
        os.register_at_fork(after_in_child=self._close)

    @contextlib.contextmanager
    def around(self, plugin: PluginId) -> Iterator[None]:
        """Name the plugin whose code runs in the block.

        The marks are written by whoever runs the plugin, so a full pipe delays only that.
        """
        before = _present.set(plugin)
        self._write_mark("+", plugin)
        try:
            yield
        finally:
            _present.reset(before)
            self._write_mark("-", plugin)

    def name_printed(self) -> None:
        """Replace sys.stdout and sys.stderr by streams that say which plugin prints what.

        Calls under way alone would name them all for a line from one of several side by side.
        """
        for name in ("stdout", "stderr") if self._nonce else ():
            stream = getattr(sys, name)
            if not isinstance(stream, io.TextIOWrapper):
                continue  # a .pth file has replaced it
            stream.flush()
            # As with python -u: whatever is buffered here would be mixed with what other threads print.
            named: Any = io.TextIOWrapper(
                _Named(stream.fileno(), f"<{name}>", self),
                stream.encoding,
                stream.errors,
                newline="\n",
                line_buffering=True,
                write_through=True,
            )
            named.mode = "w"
            setattr(sys, name, named)
            setattr(sys, f"__{name}__", named)

    def print_named(self, descriptor: int, text: ReadableBuffer) -> int:
        """Write text to a descriptor; with marks, if a plugin prints it and it goes to the log pipe.

        Raises:
            OSError: The descriptor cannot be written to.
        """
        view = memoryview(text).cast("B")
        plugin = _present.get()
        # Who has redirected a descriptor reads what arrives there and expects no marks.
        if plugin is None or _file(descriptor) != self._pipe:
            _write_all(descriptor, view)
            return len(view)
        for start in range(0, len(view), _LONGEST_PIECE):
            piece = view[start : start + _LONGEST_PIECE]
            _write_all(descriptor, mark(self._nonce, "=", plugin, len(piece)) + piece)
        return len(view)

    def _write_mark(self, kind: str, plugin: PluginId) -> None:
        if self._log is not None and self._nonce:
            with contextlib.suppress(OSError):  # the operator is gone, and so will be this process
                _write_all(self._log, mark(self._nonce, kind, plugin))

    def _close(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with contextlib.suppress(OSError):
                os.close(log)


class _Named(io.FileIO):
    """A standard stream of which each piece names the plugin that prints it."""

    def __init__(self, descriptor: int, name: str, marks: Marks) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.name = name
        self._marks = marks

    def write(self, text: ReadableBuffer, /) -> int:
        """Write all of the text."""
        return self._marks.print_named(self.fileno(), text)


def _file(descriptor: int) -> tuple[int, int]:
    found = fstat(descriptor)
    return found.st_dev, found.st_ino


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all data, in one piece if it is short, even if a child process made the pipe non-blocking."""
    rest = memoryview(data)
    while rest:
        rest = rest[_write(descriptor, rest) :]


def _write(descriptor: int, data: memoryview) -> int:
    try:
        return write(descriptor, data)
    except BlockingIOError:
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        room.poll()
        return 0
