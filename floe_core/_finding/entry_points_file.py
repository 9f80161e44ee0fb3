"""Parses the content of one entry_points.txt for floe's groups; does not access files.

It does not use configparser: one bad line must cost that line only, and a name that occurs twice in a file is
a conflict to report, not an exception. Sections, comments and pairs are what importlib.metadata takes them
to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from floe_core.plugin_types import PluginType

_TYPES = {member.value.encode(): member for member in PluginType}
_DOTTED_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_OBJECT_REFERENCE = re.compile(rf"{_DOTTED_NAME}\s*:\s*{_DOTTED_NAME}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class DeclaredEntry(NamedTuple):
    """One line of a floe group; `fault` says what is wrong with it, and is empty if nothing is."""

    plugin_type: PluginType
    name: str
    value: str
    fault: str = ""


class Damage(NamedTuple):
    """A fault that belongs to no name in the file; `hides_plugins` says whether it might hide entries."""

    detail: str
    hides_plugins: bool


def parse(content: bytes) -> tuple[list[DeclaredEntry], list[Damage]]:
    """Return the entries of floe's groups, good and bad, in the order of the file, and its damage."""
    if b"\0" in content:
        return [], [Damage("entry_points.txt is binary or UTF-16, not UTF-8", hides_plugins=True)]
    damage = []
    if not _is_utf8(content):
        damage.append(Damage("entry_points.txt is not UTF-8", hides_plugins=False))
    if b"floe." not in content:
        return [], damage
    entries = []
    for plugin_type, line in _lines_of_our_groups(content.removeprefix(_BYTE_ORDER_MARK), damage):
        raw_name, _, raw_value = line.partition(b"=")
        name, value = _text(raw_name), _text(raw_value)
        if name is None:
            damage.append(Damage(f"a name in [{plugin_type.value}] is not UTF-8", hides_plugins=True))
        elif not name:
            damage.append(Damage(f"an entry in [{plugin_type.value}] has no name", hides_plugins=False))
        elif b"=" not in line:
            entries.append(DeclaredEntry(plugin_type, name, "", "the line has no '=' and so no value"))
        elif value is None:
            entries.append(DeclaredEntry(plugin_type, name, "", "the value is not UTF-8"))
        else:
            entries.append(DeclaredEntry(plugin_type, name, value, _fault_of(value)))
    return entries, damage


def split_reference(value: str) -> tuple[str, str]:
    """Return the module and the attribute of an object reference such as `package.module:Class`."""
    module, _, attribute = value.partition(":")
    return module.strip(), attribute.strip()


def _lines_of_our_groups(content: bytes, damage: list[Damage]) -> Iterator[tuple[PluginType, bytes]]:
    plugin_type = None
    for raw in content.splitlines():
        line = raw.strip()
        if not line or line.startswith((b"#", b";")):
            continue
        if line.startswith(b"["):
            header, bracket, _ = line[1:].rpartition(b"]")
            if not bracket:
                damage.append(Damage("a section header has no closing bracket", b"floe." in line))
            plugin_type = _TYPES.get(header)
        elif plugin_type is not None:
            yield plugin_type, line


def _fault_of(value: str) -> str:
    if _OBJECT_REFERENCE.fullmatch(value):
        return ""
    if "[" in value:
        return "extras are not supported in an entry point"
    if ":" not in value:
        return f"{value!r} names no class: write module:Class"
    return f"{value!r} is not an object reference of the form module:Class"


def _is_utf8(content: bytes) -> bool:
    return content.isascii() or _text(content) is not None


def _text(content: bytes) -> str | None:
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        return None
