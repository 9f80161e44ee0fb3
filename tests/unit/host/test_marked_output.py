"""Which plugin a line of a host's log is from: marks in the pipe say so, wherever the reads cut them."""

from __future__ import annotations

import pytest

from floe_core.host.marks import mark
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.plugin_host.output import BURST, MAX_LINE_BYTES, Output

NONCE = "0123456789abcdef"
A, B, C = (PluginId(PluginType.COMPUTE, name) for name in ("a", "b", "größe"))


def begin(plugin: PluginId, nonce: str = NONCE) -> bytes:
    return mark(nonce, "+", plugin)


def end(plugin: PluginId) -> bytes:
    return mark(NONCE, "-", plugin)


def by(plugin: PluginId, text: bytes) -> bytes:
    pieces = (text[at : at + 1024] for at in range(0, len(text), 1024))
    return b"".join(mark(NONCE, "=", plugin, len(piece)) + piece for piece in pieces)


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.left_out: list[tuple[int, str]] = []
        self.output = Output(
            lambda printed: self.lines.append((printed.text, _names(printed.plugins))),
            lambda count, plugins: self.left_out.append((count, _names(plugins))),
            NONCE,
        )


def _names(plugins: tuple[PluginId, ...]) -> str:
    return " ".join(plugin.name for plugin in plugins)


STREAMS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "nothing was ever under way": (b"x\n", [("x", "")]),
    "one is under way": (begin(A) + b"x\ny\n" + end(A), [("x", "a"), ("y", "a")]),
    "several are under way": (
        begin(B) + begin(A) + begin(C) + b"x\n" + end(A) + b"y\n" + end(C) + b"z\n" + end(B),
        [("x", "a b größe"), ("y", "b größe"), ("z", "b")],
    ),
    "two calls of one plugin": (
        begin(B) + end(B) + begin(A) + begin(A) + end(A) + b"x\n" + end(A) + b"y\n",
        [("x", "a"), ("y", "")],
    ),
    "nothing is under way any more": (begin(A) + end(A) + begin(B) + end(B) + b"x\n", [("x", "")]),
    "nothing is under way, and only one plugin ever was": (begin(A) + end(A) + b"x\n", [("x", "a")]),
    "who prints is known beside others": (
        begin(A) + begin(B) + by(B, b"x\n") + b"y\n" + by(A, b"z\n"),
        [("x", "b"), ("y", "a b"), ("z", "a")],
    ),
    "lines of several, piece by piece": (
        begin(A)
        + begin(B)
        + by(A, b"one ")
        + by(B, b"un ")
        + b"C"
        + by(A, b"two\n")
        + by(B, b"deux\n")
        + b"!\n",
        [("one two", "a"), ("un deux", "b"), ("C!", "a b")],
    ),
    "a line without an end ends with the plugin's call": (
        begin(A) + by(A, b"one") + end(A) + begin(A) + by(A, b"two\n") + end(A),
        [("one", "a"), ("two", "a")],
    ),
    "a line of unknown origin goes on beyond marks": (
        begin(A) + b"one" + end(A) + begin(B) + b"two\n" + end(B),
        [("onetwo", "a b")],
    ),
    "what a task prints after its call": (
        begin(A) + end(A) + begin(B) + by(A, b"late\n") + b"x\n" + end(B),
        [("late", "a"), ("x", "b")],
    ),
    "text that begins like a mark": (
        begin(A) + b"\x1e\x1e" + NONCE.encode() + b"?\x1f\n" + end(A),
        [("\x1e\x1e" + NONCE + "?", "a")],
    ),
    "a mark with another nonce is text": (
        begin(A) + begin(B, "f" * 16) + b"\n" + end(A),
        [(f"\x1e{'f' * 16}+0:compute/b", "a")],
    ),
    "a plugin of an unknown type is text": (
        begin(A) + b"\x1e" + NONCE.encode() + b"+0:nothing/x\x1f\n",
        [(f"\x1e{NONCE}+0:nothing/x", "a")],
    ),
    "more ends than beginnings": (end(A) + begin(B) + end(B) + begin(A) + b"x\n" + end(A), [("x", "a")]),
}


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize("name", STREAMS)
def test_each_line_names_the_plugins_that_may_have_printed_it(name: str, size: int) -> None:
    stream, lines = STREAMS[name]
    log = Log()
    for start in range(0, len(stream), size):
        log.output.feed(stream[start : start + size], now=0.0)
    assert [(line.rstrip("\x1f"), plugins) for line, plugins in log.lines] == lines


def test_marks_are_no_lines_and_lines_left_out_are_named() -> None:
    log = Log()
    log.output.feed((begin(A) + end(A)) * 2 * BURST + begin(A) + b"x\n" * BURST, now=0.0)
    assert log.lines == [("x", "a")] * BURST
    log.output.feed(b"y\n" * 10 + begin(B) + by(B, b"z\n"), now=0.0)
    log.output.feed(b"later\n", now=60.0)
    assert log.left_out == [(11, "a b")]
    assert log.lines[-1] == ("later", "a b")


def test_a_line_that_is_too_long_costs_no_other_plugin_a_line() -> None:
    log = Log()
    for _ in range(3):
        log.output.feed(by(A, b"x" * MAX_LINE_BYTES) + by(B, b"short\n"), now=0.0)
    log.output.feed(by(A, b"end\n") + by(A, b"next\n"), now=0.0)
    assert log.lines == [("short", "b")] * 3 + [("next", "a")]
    assert log.left_out == [(1, "a")]


def test_a_name_that_is_no_printable_text_or_too_long_has_no_mark() -> None:
    for name in ("a\x1fb", "line\nbreak", "\udcff", "x" * 300):
        assert mark(NONCE, "+", PluginId(PluginType.COMPUTE, name)) == b""


def test_what_looks_like_marks_of_many_plugins_costs_little_and_names_few() -> None:
    log = Log()
    forged = b"".join(
        mark(NONCE, "+", PluginId(PluginType.COMPUTE, f"p{number}")) for number in range(20_000)
    )
    log.output.feed(forged + b"x\n" + mark(NONCE, "+", A).replace(b"/", b"/\n\x1b[31m") + b"y\n", 0.0)
    assert log.lines[0][0] == "x"
    assert all(len(names.split()) <= 300 for _, names in log.lines)
    assert not any("\n" in names or "\x1b" in names for _, names in log.lines)
