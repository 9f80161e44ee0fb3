"""Parses the content of one entry_points.txt for the groups of floe; does not access files.

It does not use configparser: one bad line must cost that line only, and a name that occurs twice in a file is
a conflict to report, not an exception. Sections, comments and pairs are what importlib.metadata takes them
to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from floe_core.plugin_types import PluginType

_TYPES = {member.value.encode(): member for member in PluginType}
_DOTTED_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_OBJECT_REFERENCE = re.compile(rf"({_DOTTED_NAME})\s*:\s*({_DOTTED_NAME})\s*(?:\[[^\[\]]*\])?")
"""Module, attribute and extras; the specification lets consumers ignore extras."""
_LINE_END = re.compile(rb"\r\n|[\n\r\v\f\x1c-\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]")
"""The line ends of str.splitlines(), which importlib.metadata uses, in UTF-8."""
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


class Parsed(NamedTuple):
    """What a file declares in floe's groups."""

    entries: tuple[DeclaredEntry, ...] = ()
    """The entries, good and bad, in the order of the file; a line that occurs again is not repeated."""
    unknown_groups: tuple[str, ...] = ()
    """Groups with entries that are called `floe.…` and are none of floe's."""
    damage: tuple[Damage, ...] = ()


NOTHING = Parsed()


def parse(content: bytes) -> Parsed:
    """Return what the file declares in floe's groups."""
    if b"\0" in content:
        return Parsed(damage=(Damage("entry_points.txt is binary or UTF-16, not UTF-8", hides_plugins=True),))
    damage = []
    if not content.isascii() and _text(content) is None:
        damage.append(Damage("entry_points.txt is not UTF-8", hides_plugins=False))
    entries: list[DeclaredEntry] = []
    unknown_groups: dict[str, None] = {}
    for group, line in _lines_of_groups(content.removeprefix(_BYTE_ORDER_MARK), damage):
        plugin_type = _TYPES.get(group)
        if plugin_type is None:
            unknown_groups[group.decode(errors="replace")] = None
            continue
        entry = _entry(plugin_type, line, damage)
        if entry is not None:
            entries.append(entry)
    return Parsed(_distinct(entries), tuple(unknown_groups), tuple(damage))


def split_reference(value: str) -> tuple[str, str]:
    """Return the module and the attribute of an object reference: `package.module:Class [extra]`.

    Extras are ignored.

    Raises:
        ValueError: The text is not an object reference.
    """
    found = _OBJECT_REFERENCE.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is not an object reference")
    return found[1], found[2]


def _distinct(entries: Sequence[DeclaredEntry]) -> tuple[DeclaredEntry, ...]:
    """Leave out lines that occur again, whatever their extras."""
    if len(entries) < 2:
        return tuple(entries)
    distinct: dict[tuple[object, ...], DeclaredEntry] = {}
    for entry in entries:
        reference = entry.value if entry.fault else split_reference(entry.value)
        distinct.setdefault((entry.plugin_type, entry.name, reference), entry)
    return tuple(distinct.values())


def mentions_floe(content: bytes) -> bool:
    """Return True if the file can declare anything in a group of floe's, or in one that resembles them."""
    if b"\0" in content:
        return True
    may_mention = b"loe." in content or b"LOE." in content  # two searches instead of three for most files
    return may_mention and (b"floe." in content or b"Floe." in content or b"FLOE." in content)


def _lines_of_groups(content: bytes, damage: list[Damage]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each line in a group called `floe.…`, in whatever case and with whatever spaces around it."""
    group = None
    for raw in _LINE_END.split(content):
        line = raw.strip()
        if not line or line.startswith((b"#", b";")):
            continue
        if line.startswith(b"["):
            header, bracket, _ = line[1:].rpartition(b"]")
            if not bracket:
                damage.append(Damage("a section header has no closing bracket", b"floe." in line))
            group = header if header.strip().lower().startswith(b"floe.") else None
        elif group is not None:
            yield group, line


def _entry(plugin_type: PluginType, line: bytes, damage: list[Damage]) -> DeclaredEntry | None:
    raw_name, equals, raw_value = line.partition(b"=")
    name, value = _text(raw_name), _text(raw_value)
    if name is None:
        damage.append(Damage(f"a name in [{plugin_type.value}] is not UTF-8", hides_plugins=True))
        return None
    if not name:
        damage.append(Damage(f"an entry in [{plugin_type.value}] has no name", hides_plugins=False))
        return None
    if not equals:
        return DeclaredEntry(plugin_type, name, "", "the line has no '=' and so no value")
    if value is None:
        return DeclaredEntry(plugin_type, name, "", "the value is not UTF-8")
    return DeclaredEntry(plugin_type, name, value, _fault_of(value))


def _fault_of(value: str) -> str:
    if _OBJECT_REFERENCE.fullmatch(value):
        return ""
    if ":" not in value:
        return f"{value!r} names no class: write module:Class"
    return f"{value!r} is not an object reference of the form module:Class"


def _text(content: bytes) -> str | None:
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        return None
