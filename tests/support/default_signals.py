"""Signals as programs find them that somebody starts in the foreground."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def default_signals() -> Iterator[None]:
    """Let processes that are started in the block inherit no ignored signal.

    A shell has its background jobs ignore SIGQUIT, and nohup has a program ignore SIGHUP.
    """
    ignored = [
        number for number in (signal.SIGHUP, signal.SIGQUIT) if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
