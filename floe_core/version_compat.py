"""Whether a plugin's API version fits the platform's."""

from __future__ import annotations

import re

FLOE_PLUGIN_API_VERSION = "1.0"
"""The plugin API that this platform offers."""

FLOE_PLUGIN_API_MIN_VERSION = "1.0"
"""The oldest plugin API that this platform still accepts."""

_API_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)
# int() refuses texts of more than 4,300 digits with a message of its own.
_LONGEST = 64


def is_compatible(plugin_api_version: str, platform_api_version: str) -> bool:
    """Whether the majors are the same and the plugin's minor is no newer than the platform's.

    Minors compare as numbers, so 1.10 is newer than 1.9. ValueError for anything but X.Y.
    """
    plugin_major, plugin_minor = parse_api_version(plugin_api_version)
    platform_major, platform_minor = parse_api_version(platform_api_version)
    return plugin_major == platform_major and plugin_minor <= platform_minor


def parse_api_version(text: object) -> tuple[int, int]:
    """Major and minor of X.Y, two non-negative integers; ValueError shows any other text."""
    found = _API_VERSION.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if found is None:
        shown = repr(text)
        raise ValueError(f"Not an API version of the form X.Y: {shown[:_LONGEST]}")
    return int(found[1]), int(found[2])
