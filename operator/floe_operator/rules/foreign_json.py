"""Reads JSON that others wrote: of any depth, on every Python, and of any shape.

The API server stores objects of nearly 10,000 levels, which is more than `json.loads` can parse on most
Pythons. What lies deeper than in any valid object is then cut off: the object can still be assessed, and its
neighbours in a listing are not lost with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

DEEPEST = 200
"""Levels that are kept: more than any accepted configuration has, fewer than any Python can parse."""

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+"
_LEAF = rb"[\[{]" + _FLAT + rb"[\]}]"
_LEAVES = rb'(?:[^"\[\]{}]++|' + _STRING + rb"|" + _LEAF + rb")*+"
_TWIG = rb"[\[{]" + _LEAVES + rb"[\]}]"
_TOKEN = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb"|" + _TWIG + rb')++|"|[\[{]|[\]}]', re.DOTALL)
"""What lies flat, with small arrays and objects in it, as one token; else a bracket, or an open string."""


def loads(text: bytes) -> Any:
    """Return the value of a JSON text; in a text too deep for `json.loads`, null replaces what is too deep.

    What is replaced is not checked.

    Raises:
        ValueError: The text is not JSON in UTF-8.
    """
    try:
        return json.loads(text.decode())
    except RecursionError:
        return json.loads(without_depths(text).decode())


def without_depths(text: bytes) -> bytes:
    """Return a JSON text with null in place of each array and object below the deepest level that is kept.

    The deepest two levels of a branch count as one, so that `DEEPEST` can be exceeded by two. A megabyte
    takes from a hundredth of a second to some seconds.
    """
    kept: list[bytes] = []
    depth, start = 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                if depth == DEEPEST + 1:
                    kept += (text[start : token.start()], b"null")
            case b"}" | b"]":
                depth -= 1
                if depth == DEEPEST:
                    start = token.end()
            case b'"':  # a string that does not end
                return b""
    if depth > DEEPEST:  # the text ends too early, so it must not become valid
        return b""
    return b"".join((*kept, text[start:]))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return a JSON array as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """Return a JSON string as it is, and an empty one for anything else."""
    return value if isinstance(value, str) else ""


def is_object(value: object) -> bool:
    """Return True if the value is a Kubernetes object: its metadata says which, and in which version."""
    metadata = mapping(mapping(value).get("metadata"))
    return all(text(metadata.get(key)) for key in ("name", "uid", "resourceVersion"))


def name(value: object) -> str:
    """Return the name in an object's metadata, shortened to what a name can have; empty if there is none."""
    return text(mapping(mapping(value).get("metadata")).get("name"))[:253]
