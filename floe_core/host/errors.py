"""The errors that a call is answered with; the server puts them into JSON-RPC's form."""

from __future__ import annotations

from floe_core.host.protocol import Message
from floe_core.plugin_errors import exception_text

_LONGEST_TEXT = 64 * 1024


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
    if error is None:
        return ""
    text = exception_text(error)
    if len(text) > _LONGEST_TEXT:
        text = type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()
