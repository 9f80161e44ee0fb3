"""Why the plugin host could not do what it was asked.

PluginHostError
├── ScanFailed          what is installed is unknown; the detail says how to fix it
├── HostUnavailable     no host answered; retry later
├── PluginGone          the plugin is no longer installed
├── ValidationCrashed   the configuration could not be assessed: the host ended, hung or met a limit
└── HookError           a hook of a started (or starting) plugin
    ├── HookFailed      it raised
    ├── HookTimedOut    it did not return in time
    ├── HookCrashed     it ended the host
    ├── CrashedBefore   it ended hosts before, and is not started now
    ├── NoPlace         it loads only alone, and there are enough hosts of single plugins
    └── NotStarted      the host that had started the plugin is gone; start the plugin again

Messages contain no configuration values and no plugin text; plugin text is only in `HookFailed.failure`.
"""

from __future__ import annotations

from floe_core.host.protocol import HookFailure


class PluginHostError(Exception):
    """Base class of the errors that the plugin host raises."""


class ScanFailed(PluginHostError):
    """The environment of the plugins could not be scanned."""

    def __init__(self, detail: str, *, lacks_core: bool = False) -> None:
        self.detail = detail
        self.lacks_core = lacks_core
        """Whether its interpreter works but has no floe-core with a plugin host, so no plugins either."""
        super().__init__(detail)


class HostUnavailable(PluginHostError):
    """No host could answer; a retry helps."""


class PluginGone(PluginHostError):
    """The plugin is no longer installed; the next scan will report that."""


class ValidationCrashed(PluginHostError):
    """The plugin's schema or validators ended the host, did not return in time, or exceeded a limit."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class HookError(PluginHostError):
    """A hook of a plugin did not do its job."""


class HookFailed(HookError):
    """The hook raised."""

    def __init__(self, failure: HookFailure) -> None:
        self.failure = failure
        super().__init__(failure.summary)


class HookTimedOut(HookError):
    """The hook did not return in time."""


class HookCrashed(HookError):
    """The hook ended the host."""


class CrashedBefore(HookError):
    """The plugin ended hosts before, and is not started now; the message says why."""


class NoPlace(HookError):
    """The plugin loads only in a host of its own, and no more of these may run."""


class NotStarted(HookError):
    """The plugin is not started in the current host."""
