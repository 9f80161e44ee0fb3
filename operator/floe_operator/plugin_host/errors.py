"""Why the plugin host could not do what it was asked.

PluginHostError
├── ScanFailed          what is installed is not known; the detail says what to mend
├── HostUnavailable     no host answered; ask again later
├── PluginGone          the plugin is not installed any more
├── ValidationCrashed   judging the configuration ended the host or did not return: the plugin's fault
└── HookError           a hook of a started (or starting) plugin
    ├── HookFailed      it raised
    ├── HookTimedOut    it did not return in time; the host was left as it is
    ├── HookCrashed     it ended the host
    └── NotStarted      the host that had started the plugin is gone; start it again

Messages hold no configuration value and no text of a plugin: that is in `HookFailed.failure` alone.
"""

from __future__ import annotations

from floe_core.host.protocol import HookFailure


class PluginHostError(Exception):
    """The base of what the plugin host raises."""


class ScanFailed(PluginHostError):
    """The environment of the plugins could not be scanned."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class HostUnavailable(PluginHostError):
    """No host could answer, through no fault of the plugin; a retry helps."""


class PluginGone(PluginHostError):
    """The plugin is not installed any more; the next scan will say so."""


class ValidationCrashed(PluginHostError):
    """The plugin's schema or validators ended the host, or did not return in time."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class HookError(PluginHostError):
    """A hook of a plugin did not do its work."""


class HookFailed(HookError):
    """The hook raised."""

    def __init__(self, failure: HookFailure) -> None:
        self.failure = failure
        super().__init__(failure.summary)


class HookTimedOut(HookError):
    """The hook did not return in time."""


class HookCrashed(HookError):
    """The hook ended the host."""


class NotStarted(HookError):
    """The plugin is not started in the present host."""
