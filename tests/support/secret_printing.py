"""Parts of secrets, and encodings of text, that the standard library has no function for."""

from __future__ import annotations

import ast
import base64
import json
import re
import textwrap
from collections.abc import Callable
from html.entities import codepoint2name
from urllib.parse import unquote, urlsplit


def password_of(text: str) -> str:
    """Return the password in a URL, decoded."""
    return unquote(urlsplit(text).password or "")


def body_of(text: str) -> str:
    """Return what is between the first and the last line, on one line."""
    return "".join(text.splitlines()[1:-1])


def der_of(text: str) -> bytes:
    """Return the bytes in a PEM file."""
    return base64.b64decode(body_of(text))


def b64(raw: str | bytes) -> str:
    """Return text or bytes in base64."""
    return base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


def grouped(text: str, size: int, separator: str) -> str:
    """Return a text with a separator after every `size` characters."""
    return separator.join(text[at : at + size] for at in range(0, len(text), size))


def cut(text: str, first: float, last: float) -> str:
    """Return the part of a text between two fractions of its length."""
    return text[round(len(text) * first) : round(len(text) * last)]


def lower_percent(text: str) -> str:
    """Return percent-encoded text with its digits in lower case."""
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def each_byte(text: str, form: str, separator: str = "") -> str:
    """Return each byte of a text in a format."""
    return separator.join(form.format(byte) for byte in text.encode())


def each_character(text: str, form: str) -> str:
    """Return the code point of each character of a text in a format."""
    return "".join(form.format(ord(char)) for char in text)


def in_turn(text: str) -> str:
    """Return a text with another letter after each of its own."""
    return "".join(f"{char}{'qxz'[at % 3]}" for at, char in enumerate(text))


def rot47(text: str) -> str:
    """Return a text with all printable characters replaced."""
    return "".join(chr(33 + (ord(char) + 14) % 94) if "!" <= char <= "~" else char for char in text)


def yaml_folded(text: str) -> str:
    """Return a text in YAML's double quotes, on several lines."""
    return '"' + "\\\n  \\".join(textwrap.wrap(json.dumps(text)[1:-1], 24, break_on_hyphens=False)) + '"'


def basic(user: str) -> Callable[[str], str]:
    """Return a function that prints a password as the header of HTTP's basic authentication."""
    return lambda text: f"Authorization: Basic {b64(f'{user}:{text}')}"


def octal(found: re.Match[str]) -> str:
    """Return the octal escapes of what a pattern found."""
    return each_byte(found[0], "\\{:03o}")


def html_name(found: re.Match[str]) -> str:
    """Return HTML's entity of the character that a pattern found."""
    return f"&{codepoint2name[ord(found[0])]};"


def doubled(text: str) -> str:
    """Return a text with its quotes doubled."""
    return text.replace("'", "''")


def backslashed(text: str) -> str:
    """Return a text with backslashes before quotes and backslashes."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def claims(text: str) -> str:
    """Return a text as one of the claims in the token of a session."""
    return base64.urlsafe_b64encode(json.dumps({"sub": "floe", "key": text}).encode()).decode().rstrip("=")


def string_in(content: str | bytes, key: str) -> str:
    """Return one string of an object in JSON."""
    return str(json.loads(content)[key])


def registry_auth(text: str) -> str:
    """Return the base64 in the credentials of a registry."""
    return str(json.loads(text)["auths"]["registry.example"]["auth"])


def password_in(raw: bytes) -> str:
    """Return what is behind the user's name."""
    return raw.decode().partition(":")[2]


def numbered(text: str) -> str:
    """Return a line with a number for each character."""
    return "\n".join(f"{number} {char}" for number, char in enumerate(text))


def sevens(text: str) -> list[str]:
    """Return pieces of seven characters."""
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def syntax_error(text: str) -> str:
    """Return what Python says when the text stands in a program without quotes."""
    try:
        ast.parse(f"password = {text}")
    except SyntaxError as error:
        return f"invalid syntax: {error.text}"
    return text
