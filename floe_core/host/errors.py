"""The errors that a call is answered with."""

from __future__ import annotations

from floe_core._printable import printable
from floe_core.host.protocol import Message
from floe_core.plugin_errors import PluginConfigurationError, exception_text

LONGEST_TEXT = 64 * 1024
"""The most characters of a plugin's text in one message."""


class CallError(Exception):
    """A call failed. The message is ours and holds no value; `data` is for the caller to read."""

    def __init__(self, code: int, message: str, data: Message | None = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(message)


def plugin_text(error: BaseException | None) -> str:
    """What a plugin's exception says; nothing if that is too long to be carried whole.

    A text that is cut off may end in half a secret, which nobody would find in it any more.
    """
    return whole_or(exception_text(error), type(error).__name__) if error is not None else ""


def whole_or(text: str, stand_in: str) -> str:
    """A plugin's text as it can be carried; `stand_in` for one that is too long."""
    return printable(text if len(text) <= LONGEST_TEXT else stand_in)


def sentence_of(error: PluginConfigurationError) -> str:
    """What is wrong with a configuration or its schema, the plugin not named: its caller knows which."""
    faults = ((each.get("field", ""), each.get("message", "")) for each in error.errors)
    return "; ".join(f"{field}: {message}" if field else message for field, message in faults)
