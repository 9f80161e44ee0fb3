"""What a plugin host prints, as lines: limited in length and number, so that no plugin floods the log.

A line is a plugin's text and can contain anything; whoever receives the lines must scrub them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.marked_output import CallEnded, MarkedOutput, Piece

MAX_LINE_BYTES = 16 * 1024
LINES_PER_SECOND = 50
BURST = 500
_BYTES_OF_ONE = 4096
"""A line of so many bytes counts as two, and so on: each is searched for secrets."""
_CHUNK = 64 * 1024
_MOST_BEGUN = 256
"""The most lines that are assembled at the same time."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A line, and the plugins that may have printed it: exactly one where that is known."""

    text: str
    plugins: tuple[PluginId, ...]
    is_certain: bool
    """Whether it was one of these. Else it can be from another one's thread or child process."""


OnLine = Callable[[Printed], None]
OnLeftOut = Callable[[int, tuple[PluginId, ...]], None]
"""Gets the number of lines left out, and the plugins that may have printed them."""


@dataclass(slots=True)
class _Line:
    """A line that has begun; it is being skipped if it is too long."""

    text: bytearray = field(default_factory=bytearray)
    plugins: set[PluginId] = field(default_factory=set)
    is_certain: bool = True
    skipping: bool = False

    def extend(self, piece: bytes, writer: PluginId | None, suspects: frozenset[PluginId]) -> None:
        if not piece:
            return
        self.plugins |= suspects if writer is None else {writer}
        self.is_certain &= writer is not None
        if not self.skipping:
            self.text += piece
            if len(self.text) > MAX_LINE_BYTES:
                self.text.clear()
                self.skipping = True


class Output:
    """Reads a pipe as long as any process holds it open, and passes on the lines within the limits.

    A line above the limit is left out entirely: if it were cut, scrubbing might miss half a secret.
    `nonce` is that of the host's marks.
    """

    def __init__(self, on_line: OnLine, on_left_out: OnLeftOut, nonce: str = "") -> None:
        self._on_line = on_line
        self._on_left_out = on_left_out
        self._pieces = MarkedOutput(nonce)
        self._allowance = float(BURST)
        self._filled_at: float | None = None
        self._left_out = 0
        self._left_out_of: set[PluginId] = set()
        self._begun: dict[PluginId | None, _Line] = {}
        """The lines that have begun, by the plugin that prints them; text of unknown origin has one line."""
        self._last: deque[str] = deque(maxlen=20)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines printed, to explain why a host ended before its handshake."""
        return tuple(self._last)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read until the end of the pipe."""
        loop = asyncio.get_running_loop()
        while chunk := await stream.read(_CHUNK):
            self.feed(chunk, loop.time())
        for piece in self._pieces.end():
            self._add(piece, loop.time())
        for writer in list(self._begun):
            self._finish(writer, loop.time())
        self._report_left_out()

    def feed(self, chunk: bytes, now: float) -> None:
        """Process what was read at `now` (seconds, monotonic)."""
        for each in self._pieces.feed(chunk):
            match each:
                case Piece():
                    self._add(each, now)
                case CallEnded(plugin):
                    self._finish(plugin, now)

    def _add(self, piece: Piece, now: float) -> None:
        is_known = piece.writer in self._begun or len(self._begun) < _MOST_BEGUN
        writer = piece.writer if is_known else None
        first, *others = piece.text.split(b"\n")
        line = self._begun.setdefault(writer, _Line())
        line.extend(first, piece.writer, piece.suspects)
        for each in others:
            self._emit(line, now)
            line = self._begun[writer] = _Line()
            line.extend(each, piece.writer, piece.suspects)
        if not line.text and not line.skipping:
            del self._begun[writer]

    def _finish(self, writer: PluginId | None, now: float) -> None:
        line = self._begun.pop(writer, None)
        if line is not None:
            self._emit(line, now)

    def _emit(self, line: _Line, now: float) -> None:
        if line.skipping:
            self._leave_out(line)
            return
        if not line.text.strip():
            return
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._filled_at = now
        self._allowance = min(BURST, self._allowance + elapsed * LINES_PER_SECOND)
        if self._allowance < (LINES_PER_SECOND if self._left_out else 1):
            self._leave_out(line)
            return
        self._allowance -= 1 + len(line.text) // _BYTES_OF_ONE
        self._report_left_out()
        text = line.text.decode("utf-8", "backslashreplace").rstrip()
        self._last.append(text)
        self._on_line(Printed(text, _in_order(line.plugins), line.is_certain))

    def _leave_out(self, line: _Line) -> None:
        self._left_out += 1
        self._left_out_of |= line.plugins

    def _report_left_out(self) -> None:
        if self._left_out:
            self._on_left_out(self._left_out, _in_order(self._left_out_of))
            self._left_out = 0
            self._left_out_of.clear()


def _in_order(plugins: set[PluginId]) -> tuple[PluginId, ...]:
    return tuple(sorted(plugins, key=lambda plugin: plugin.slug))
