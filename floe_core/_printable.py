"""Text that may come from anywhere, made fit for JSON and logs."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text, its lone surrogates spelled out: file names need not be Unicode, nor what plugins say."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
