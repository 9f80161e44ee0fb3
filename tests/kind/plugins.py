"""The plugins that are in the images beside those of examples/plugins."""

from __future__ import annotations

from tests.support.distributions import Distribution, plugin_distribution

OTHER = plugin_distribution("other", config="size: int = 1")
"""compute-other."""
CRASHING: list[Distribution] = [
    plugin_distribution("aborts", before="import os\nos.abort()"),
    plugin_distribution("exits", before="import os\nos._exit(3)"),
    plugin_distribution("segfaults", before="import ctypes\nctypes.string_at(0)"),
]
"""compute-aborts, compute-exits and compute-segfaults."""
