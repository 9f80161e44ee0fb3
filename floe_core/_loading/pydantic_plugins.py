"""Has pydantic look for its own plugins before a plugin is imported.

pydantic looks for them when a process builds its first model. It reads every entry_points.txt and raises if
one is not text, and it runs the code of others; any error would be charged to the plugin being imported.
"""

from __future__ import annotations

import threading

from floe_core import _logs
from floe_core._class_names import error_name

_lock = threading.RLock()  # a pydantic plugin might ask the registry for a plugin
_looked = False


def look_for_pydantic_plugins() -> None:
    """Have pydantic look for its plugins, the first time this is called; log what it raises."""
    global _looked
    with _lock:
        if _looked:
            return
        _looked = True
        try:
            from pydantic import TypeAdapter

            TypeAdapter(int)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            _logs.warning("pydantic cannot look for its plugins", error=f"{error_name(error)}: {error}")
