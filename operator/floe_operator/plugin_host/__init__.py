"""The plugin host as the operator sees it: `PluginHost`, its states and its errors.

Plugin code runs in its own process (`python -m floe_core.host`). This package starts that process, replaces
it when it dies, hangs, uses too much memory or has stale modules, and remembers what its plugins reported.
"""

from __future__ import annotations

from floe_operator.plugin_host.errors import (
    CrashedBefore,
    HookCrashed,
    HookError,
    HookFailed,
    HookTimedOut,
    HostUnavailable,
    NoPlace,
    NotStarted,
    PluginGone,
    PluginHostError,
    ScanFailed,
    ValidationCrashed,
)
from floe_operator.plugin_host.output import Printed
from floe_operator.plugin_host.plugin_host import PluginHost
from floe_operator.rules.load_states import Described, LoadFault, Loading, LoadState

__all__ = [
    "CrashedBefore",
    "Described",
    "HookCrashed",
    "HookError",
    "HookFailed",
    "HookTimedOut",
    "HostUnavailable",
    "LoadFault",
    "LoadState",
    "Loading",
    "NoPlace",
    "NotStarted",
    "PluginGone",
    "PluginHost",
    "PluginHostError",
    "Printed",
    "ScanFailed",
    "ValidationCrashed",
]
