"""The parameters of calls to a plugin host, and digests of them. No I/O."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from floe_core.plugin_types import PluginId

_KEY = secrets.token_bytes(16)


def json_params(plugin: PluginId) -> Mapping[str, Any]:
    """Return the parameters that name a plugin."""
    return {"type": plugin.plugin_type.slug, "name": plugin.name}


def digest_of(params: str) -> bytes:
    """Return a digest that tells parameters apart without keeping them: they can hold a configuration."""
    return hashlib.blake2b(params.encode(), key=_KEY, digest_size=16).digest()
