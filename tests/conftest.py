"""What every test may rely on."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Ctrl-C works in the processes that tests start.

    A shell that runs the tests in the background has SIGINT ignored, and what it starts inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
