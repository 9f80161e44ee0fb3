"""Calls shutdown(), the only hook that does not wait for one that hangs."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from floe_core import _logs
from floe_core._running.construction import reject_coroutine
from floe_core._running.plugin_thread import PluginThread
from floe_core._running.waiting import StillRunningError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginName

T = TypeVar("T")


def shut_down(plugin: PluginName, thread: PluginThread, work: Callable[[], T], timeout: float | None) -> T:
    """Do `work`, which calls shutdown(), on its thread, or on a new one once a hook there is over its limit.

    Raises:
        OutOfTimeError: The work did not end within `timeout` seconds (None: no limit).
        StillRunningError: It did not even begin, because a hook within its own limit did not return.
        DeadlockError: shutdown() is waiting for this call.
        BaseException: Whatever the plugin raises.
    """
    began = monotonic()
    try:
        return thread.run("shutdown", work, timeout)
    except StillRunningError as error:
        rest = None if timeout is None else began + timeout - monotonic()
        if rest is not None and rest <= 0:
            raise
        hung = error.hook
    _logs.warning("Shut down on a new thread, because a hook has not returned", plugin=str(plugin), hook=hung)
    return PluginThread(thread.name).run("shutdown", work, rest)


def call_shutdown(instance: PluginMetadata) -> None:
    """Call shutdown() here.

    Raises:
        BaseException: Whatever the plugin raises.
    """
    hook: Callable[[], object] = instance.shutdown
    reject_coroutine("shutdown", hook())
