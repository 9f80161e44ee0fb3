"""Waits until the operator has told whether a plugin is in use, in all places where it tells that."""

from __future__ import annotations

from typing import Any

from tests.support.operator import FloePlugins
from tests.support.polling import eventually

_AWAITED = ("Reconciling", "Stalled")


def until_told(plugins: FloePlugins, name: str, reason: str) -> dict[str, Any]:
    """Wait until ConfigValid has this reason, and Ready and inUse fit it; return the object.

    The reasons are NotConfigured, which nothing in use has, ConfigRequired, which stalls, and Valid.
    """
    ready = "Ready" if reason == "Valid" else reason
    expected = {"ConfigValid": reason, "Ready": ready}
    if reason == "ConfigRequired":
        expected["Stalled"] = reason

    def look() -> dict[str, Any]:
        found = plugins.get(name)
        assert found is not None
        conditions = found["status"].get("conditions", ())
        kinds = ("ConfigValid", "Ready", *_AWAITED)
        told = {one["type"]: one["reason"] for one in conditions if one["type"] in kinds}
        assert (found["status"].get("inUse"), told) == (reason != "NotConfigured", expected), found
        return found

    return eventually(look)
