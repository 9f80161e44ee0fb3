"""What a command prints: the answer to standard output, whole or not at all, and notes to standard error."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from floe_operator.rules.sentences import printable

_READER_LEFT = 141  # as a shell reports a program that SIGPIPE ended
_CANNOT_WRITE = 2


class OutputError(Exception):
    """The answer cannot be written; the text, empty if nobody wants the answer, says why."""


def guarded(program: Callable[[], int]) -> int:
    """Run a program and return its exit code, or one of ours if its answer could not be written."""
    _prepare()
    try:
        try:
            return program()
        finally:
            _flush()
    except OutputError as error:
        if not str(error):
            return _READER_LEFT
        note(f"floe-operator: {error}")
        return _CANNOT_WRITE


def answer(text: str, *, is_json: bool = False) -> None:
    """Print an answer; JSON in ASCII if not in UTF-8, which is the only encoding that JSON has.

    Raises:
        OutputError: It cannot be written.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    if is_json and codecs.lookup(sys.stdout.encoding).name != "utf-8":
        text = text.encode("ascii", _ESCAPE).decode("ascii")
    rest = memoryview(f"{text}\n".encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    try:
        while rest:  # an unbuffered stream can write less than it is given
            written = sys.stdout.buffer.write(rest)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[written:]
    except OSError as error:
        raise _output_error(error) from None
    _flush()


def note(text: str) -> None:
    """Print what is not part of the answer, without control characters; if it cannot be printed, go on."""
    try:
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        _discard(sys.stderr)


def _prepare() -> None:
    """Make every character writable in every encoding."""
    codecs.register_error(_ESCAPE, _escaped)
    if sys.stderr is None:  # else what is printed to it goes to standard output
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPE)


_ESCAPE = "floe_operator.escape"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Write what the encoding lacks as JSON does, so that JSON stays JSON and people know the character."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    with contextlib.suppress(UnicodeError):  # names of files, which Python could not decode either
        lacking = lacking.encode("utf-8", "surrogateescape").decode("utf-8")
    units = lacking.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise _output_error(error) from None


def _output_error(error: OSError) -> OutputError:
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return OutputError()
    return OutputError(f"cannot write to standard output: {error.strerror}")


def _discard(stream: TextIO) -> None:
    """Discard what is left in a stream's buffer, which would fail once more when the interpreter ends."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
