"""The errors that are sent in answer to a call."""

from __future__ import annotations

from floe_core._printable import printable
from floe_core.host.protocol import Message
from floe_core.plugin_errors import PluginConfigurationError, exception_text

LONGEST_TEXT = 64 * 1024
"""The maximum number of characters of a plugin's text in one message."""


class CallError(Exception):
    """A failed call. The message is the host's own, without configuration values; `data` is for callers."""

    def __init__(self, code: int, message: str, data: Message | None = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(message)


def plugin_text(error: BaseException | None, summary: str) -> str:
    """Return the text of a plugin's exception, which follows our summary; empty if it is too long.

    A truncated text might end in half a secret, which could no longer be recognised and scrubbed.
    """
    return whole_or(exception_text(error, after=summary), "") if error is not None else ""


def whole_or(text: str, stand_in: str) -> str:
    """Return a plugin's text in printable form, or `stand_in` if it is too long."""
    return printable(text if len(text) <= LONGEST_TEXT else stand_in)


def sentence_of(error: PluginConfigurationError) -> str:
    """Return what is wrong with a configuration or schema without naming the plugin (the caller knows it)."""
    faults = ((each.get("field", ""), each.get("message", "")) for each in error.errors)
    return "; ".join(f"{field}: {message}" if field else message for field, message in faults)
