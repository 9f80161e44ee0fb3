"""Set-up for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # on a busy machine, how long an example takes says nothing


def pytest_configure() -> None:
    """Make Ctrl-C work in the processes that tests start.

    A shell ignores SIGINT for what it runs in the background, and all child processes inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
