"""Parts around the watch on FloePlugins, for tests that are about something else."""

from __future__ import annotations

from dataclasses import dataclass

from floe_core.plugin_types import PluginId
from floe_operator.api.kopf_run import Seen
from floe_operator.objects import Objects
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.wakeups import Wakeups

UNSEEN = Seen(
    moment=lambda: 0,
    changed=lambda event, raw: None,
    found=lambda page, began: None,
    listed=lambda names, began: None,
    knows=lambda raw: False,
)
"""Takes what a watch brings, and does nothing with it."""


@dataclass
class Works:
    """A watch that is doing well, unless a test says otherwise."""

    begins: bool = False
    obstacle: str = ""


def unheard(objects: Objects) -> Wakeups:
    """Return wakeups that store what they hear about objects, and wake nobody."""

    def nobody(plugin: PluginId) -> None:
        del plugin

    return Wakeups(objects, Dependents(), changed=nobody, later=nobody, on_complete=lambda: None)
