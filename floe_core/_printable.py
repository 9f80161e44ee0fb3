"""Makes text of any origin safe for JSON and logs."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with lone surrogates escaped: file names and plugin texts need not be valid Unicode."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
