"""The plugin API versions that this platform offers, and whether a plugin's is compatible."""

from __future__ import annotations

import re

FLOE_PLUGIN_API_VERSION = "1.0"
"""The plugin API version that this platform offers."""

FLOE_PLUGIN_API_MIN_VERSION = "1.0"
"""The oldest plugin API version that this platform still accepts."""

_API_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)
# int() rejects more than 4,300 digits with its own message.
_LONGEST = 64


def is_compatible(plugin_api_version: str, platform_api_version: str) -> bool:
    """Return True if the majors are equal and the plugin's minor is not newer than the platform's.

    Minors compare as numbers, so 1.10 is newer than 1.9.

    Raises:
        ValueError: A version is not of the form X.Y.
    """
    plugin_major, plugin_minor = parse_api_version(plugin_api_version)
    platform_major, platform_minor = parse_api_version(platform_api_version)
    return plugin_major == platform_major and plugin_minor <= platform_minor


def parse_api_version(text: object) -> tuple[int, int]:
    """Return the major and minor of X.Y, two non-negative integers.

    Raises:
        ValueError: The text is not of this form; the message shows it.
    """
    found = _API_VERSION.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if found is None:
        shown = repr(text)
        raise ValueError(f"Not an API version of the form X.Y: {shown[:_LONGEST]}")
    return int(found[1]), int(found[2])
