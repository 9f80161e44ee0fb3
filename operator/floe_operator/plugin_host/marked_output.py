"""Takes the marks out of what is read from a host's log pipe, and says who printed what is left.

Pure. `floe_core.host.marks` has the form of the marks; a host of an older release writes none.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from select import PIPE_BUF

from floe_core.host.marks import LONGEST, opening
from floe_core.plugin_types import PluginId, PluginType

_MOST_UNDER_WAY = 256
"""The most plugins that are taken to be called at the same time: what a plugin prints can look like marks."""
_REST_OF_MARK = re.compile(rb"([-+=])(\d{1,6}):([^\x1f]+)\x1f")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text; `writer` is the plugin that printed it, or None if it can be any of `suspects`."""

    text: bytes
    writer: PluginId | None
    suspects: frozenset[PluginId]


@dataclass(frozen=True, slots=True)
class CallEnded:
    """No call of the plugin is under way any more."""

    plugin: PluginId


class MarkedOutput:
    """Cuts the bytes of one pipe, as they are read, into pieces with a known origin."""

    def __init__(self, nonce: str) -> None:
        self._opening = opening(nonce) if nonce else b""
        self._rest = b""
        """The beginning of what may become a mark."""
        self._writer: PluginId | None = None
        self._due = 0
        """The number of bytes that are still to come from the writer."""
        self._under_way: Counter[PluginId] = Counter()
        self._only: PluginId | None = None
        """The plugin that was named, if only one ever was."""
        self._has_met_several = False
        self._suspects: frozenset[PluginId] = frozenset()

    def feed(self, chunk: bytes) -> Iterator[Piece | CallEnded]:
        """Yield what is known of what was read."""
        data, at = self._rest + chunk, 0
        self._rest = b""
        while at < len(data):
            if self._due:
                piece = data[at : at + self._due]
                self._due -= len(piece)
                at += len(piece)
                yield Piece(piece, self._writer, frozenset())
                continue
            found = data.find(self._opening, at) if self._opening else -1
            end = found if found >= 0 else self._possible_beginning(data, at)
            if end > at:
                yield self._unmarked(data[at:end])
            if found < 0:
                self._rest = data[end:]
                return
            at = end + len(self._opening)
            rest = _REST_OF_MARK.match(data, at, end + LONGEST)
            plugin = _plugin(rest[3]) if rest else None
            if rest and plugin:
                at = rest.end()
                yield from self._take(rest[1], int(rest[2]), plugin)
            elif len(data) - end < LONGEST and b"\x1f" not in data[at:]:
                self._rest = data[end:]
                return
            else:
                yield self._unmarked(self._opening)

    def end(self) -> Iterator[Piece]:
        """Yield what was taken for the beginning of a mark, at the end of the pipe."""
        if self._rest:
            yield self._unmarked(self._rest)
            self._rest = b""

    def _unmarked(self, text: bytes) -> Piece:
        return Piece(text, None, self._suspects)

    def _take(self, kind: bytes, length: int, plugin: PluginId) -> Iterator[CallEnded]:
        if kind == b"=":
            self._writer, self._due = plugin, min(length, PIPE_BUF)
            return
        before = self._under_way[plugin]
        after = before + 1 if kind == b"+" else max(before - 1, 0)
        if after and (before or len(self._under_way) <= _MOST_UNDER_WAY):
            self._under_way[plugin] = after
        else:
            del self._under_way[plugin]
        if plugin != self._only:
            self._has_met_several = self._only is not None
            self._only = self._only or plugin
        if bool(before) != (plugin in self._under_way):
            # A process whose only plugin is this one prints nothing else, whether or not a call is under way.
            alone = () if self._has_met_several else (plugin,)
            self._suspects = frozenset(self._under_way) or frozenset(alone)
        if before and not after:
            yield CallEnded(plugin)

    def _possible_beginning(self, data: bytes, at: int) -> int:
        """Return where a mark may begin that is cut off, or the end of the data."""
        if not self._opening:
            return len(data)
        begins = data.rfind(self._opening[:1], max(at, len(data) - len(self._opening) + 1))
        return begins if begins >= 0 and self._opening.startswith(data[begins:]) else len(data)


@functools.lru_cache(maxsize=4096)
def _plugin(slug: bytes) -> PluginId | None:
    kind, _, name = slug.decode("utf-8", "replace").partition("/")
    if not name.isprintable():
        return None
    try:
        return PluginId(PluginType.from_slug(kind), name)
    except ValueError:
        return None
