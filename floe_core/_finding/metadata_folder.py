"""Reads a distribution whose metadata is a directory inside an entry of the path, the usual case."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from floe_core._finding.distribution import Identity, named_by, why
from floe_core._finding.files import is_damage, read
from floe_core._finding.record import record_matches
from floe_core.plugin_types import normalize_name

_HEADERS_END = re.compile(rb"^\r?\n", re.MULTILINE)
_NAME = re.compile(rb"^name:[ \t]*([^\s].*)", re.IGNORECASE | re.MULTILINE)
_VERSION = re.compile(rb"^version:[ \t]*([^\s].*)", re.IGNORECASE | re.MULTILINE)


class MetadataFolder:
    """The metadata directory; `stem` is its name without the suffix, `changed` its modification time."""

    __slots__ = ("_changed", "_stem", "key", "location", "where")

    def __init__(self, location: str, where: str, stem: str, changed: int) -> None:
        name, _, version = stem.partition("-")
        if "-" in version or not version[:1].isdigit():
            name = named_by(stem).name
        self.key = normalize_name(name)
        self.location = location
        self.where = where
        self._stem = stem
        self._changed = changed

    @property
    def stamp(self) -> str:
        return f"{self._stem}:{self._changed}:{self.where}"  # sorting is faster if the texts differ early

    def entry_points(self) -> bytes | None:
        return read(self.where + "/entry_points.txt")

    def identity(self) -> Identity:
        file = "METADATA" if self.where.lower().endswith(".dist-info") else "PKG-INFO"
        try:
            content = read(f"{self.where}/{file}")
        except OSError as error:
            if not is_damage(error):
                raise
            return named_by(self._stem)._replace(fault=f"{file} cannot be read: {why(error)}")
        if content is None:
            return named_by(self._stem)._replace(fault=f"{file} is missing")
        name, version = _header(_NAME, content), _header(_VERSION, content)
        if name and version:
            return Identity(name, version)
        named = named_by(self._stem)
        missing = [word for word, found in (("Name", name), ("Version", version)) if not found]
        return Identity(
            name or named.name,
            version or named.version,
            f"{file} has no {' and no '.join(missing)}",
            bool(name) or named.is_certain,
        )

    def is_remnant(self) -> bool:
        files = ("METADATA", "PKG-INFO", "entry_points.txt")
        return not any(os.path.lexists(f"{self.where}/{file}") for file in files)

    def installed_files_match(self, modules: Collection[str]) -> bool:
        return record_matches(self.where, self.location, modules)


def _header(pattern: re.Pattern[bytes], content: bytes) -> str:
    found = pattern.search(content)
    if found is None or _HEADERS_END.search(content, 0, found.start()):  # it is part of the description
        return ""
    return found[1].decode("utf-8", "replace").strip()
