"""What is wrong with a path into a list that is not there as the path needs it. Pure."""

from __future__ import annotations

from floe_operator.rules.config_layers import Conflict
from floe_operator.rules.config_paths import Steps
from floe_operator.rules.facts import ConfigSourceFault
from floe_operator.rules.resource import FloePluginSpec
from floe_operator.rules.sentences import dotted


def path_conflict(entry: int, steps: Steps, conflict: Conflict, spec: FloePluginSpec) -> ConfigSourceFault:
    """Return the fault of a path into a list that is not there as the path needs it."""
    path, place = dotted(steps), dotted(conflict.place)
    match conflict.lacks:
        case "anything":
            wrong = f"path {path} needs a list at {place}, where nothing is"
            mend = "correct the path, or give the list in spec.config"
        case "a list":
            wrong = f"path {path} needs a list at {place}, which is not a list"
            mend = "correct the path, or make it one"
        case "a mapping":
            wrong = f"path {path} leads through {place}, which is not a mapping"
            mend = "correct the path, or make it one"
        case "items":
            wanted = "1 item" if conflict.wanted == 1 else f"{conflict.wanted} items"
            wrong = f"path {path} needs {wanted} at {place}, which has {_has_items(conflict, spec)}"
            mend = "correct the path, or add what is missing"
            if isinstance(steps[-1], int):
                mend += " (null keeps the place of an item)"
    return ConfigSourceFault("PathConflict", f"{wrong}; {mend}", entry)


def _has_items(conflict: Conflict, spec: FloePluginSpec) -> str:
    """Return how many items a list has, unless a Secret gave it: its length is as secret as its values."""
    of_entry = spec.config_from[conflict.rank : conflict.rank + 1]
    if any(source.secret_key_ref is not None for source in of_entry):
        return "fewer"
    return str(conflict.items or "none")
