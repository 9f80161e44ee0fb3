"""The plugins that are in the images besides those of examples/plugins."""

from __future__ import annotations

from tests.support.distributions import Distribution, plugin_distribution

OTHER = plugin_distribution("other", config="size: int = 1\ncolour: str = Field('red', min_length=1)")
"""compute-other."""
LEFT_BEHIND = "sleep 86400"
FORKING = plugin_distribution(
    "forks",
    before=f"""\
    import subprocess
    # A daemon: its parent ends, and no process that the plugin knows waits for it.
    subprocess.run(["setsid", "sh", "-c", "{LEFT_BEHIND} &"], check=True)
    """,
)
"""compute-forks."""
CRASHING: list[Distribution] = [
    plugin_distribution("aborts", before="import os\nos.abort()"),
    plugin_distribution("exits", before="import os\nos._exit(3)"),
    plugin_distribution("segfaults", before="import ctypes\nctypes.string_at(0)"),
]
"""compute-aborts, compute-exits and compute-segfaults."""
