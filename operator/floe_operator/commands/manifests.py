"""Reads manifests: the objects in files, folders and standard input, including the items of lists.

A file that cannot be read is the caller's mistake (UsageError); a file that cannot be parsed is a finding.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from floe_operator.commands.findings import Finding, Place
from floe_operator.commands.manifest_text import Part, UnreadableText, read_text
from floe_operator.commands.manifest_yaml import Path as Steps

STDIN = "<stdin>"
_SUFFIXES = (".yaml", ".yml", ".json")
_NOTHING = "no *.yaml, *.yml or *.json that is not hidden; is this the right folder?"


class UsageError(Exception):
    """There is nothing to check, or nothing to check it against; the text says what to do."""


@dataclass(frozen=True)
class Document:
    """One object of a manifest: a document, or an item of a document that is a list."""

    file: str
    part: Part = field(repr=False)
    value: Mapping[str, Any] = field(repr=False)
    prefix: Steps = ()
    """The path from the document to the object; empty if they are the same."""

    @property
    def lists(self) -> Sequence[Any]:
        """The lists that the object is an item of, the outermost first."""
        found: list[Any] = []
        value = self.part.value
        for step in self.prefix:
            if step == "items":
                found.append(value)
            value = value[step]
        return found

    @property
    def kind(self) -> str:
        """The kind, empty if there is none."""
        return _text(self.value.get("kind"))

    @property
    def api_version(self) -> str:
        """The apiVersion, empty if there is none."""
        return _text(self.value.get("apiVersion"))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata, empty if there is none."""
        found = self.value.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def name(self) -> str:
        """metadata.name, empty if there is none."""
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """metadata.namespace, empty if there is none."""
        return _text(self.metadata.get("namespace"))

    def place(self, *path: str | int) -> Place:
        """Return the place of a part of the object."""
        return Place(
            self.file, self.part.number, self.part.line((*self.prefix, *path)), self.namespace, self.name
        )


@dataclass
class Manifests:
    """What was read from the manifests."""

    documents: list[Document] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    files: int = 0


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    try:
        content = sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"cannot read standard input: {error.strerror}") from None
    if not content.strip():
        raise UsageError("standard input is empty; did the command before it fail?")
    return content


def read_manifests(names: Iterable[str], *, stdin: Callable[[], bytes] = _standard_input) -> Manifests:
    """Return every object in the named files and folders; `-` is standard input.

    Raises:
        UsageError: A file or folder does not exist, cannot be read or holds nothing.
    """
    read = Manifests()
    seen: set[Path] = set()
    for name in names:
        if name == "-":
            _take(read, STDIN, stdin())
            continue
        for path in _files(name):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                content = path.read_bytes()
            except OSError as error:
                raise UsageError(f"cannot read {path}: {error.strerror}") from None
            _take(read, str(path), content)
    return read


def _files(name: str) -> Iterator[Path]:
    path = Path(name)
    try:
        if path.is_dir():
            inside = (each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
            found = sorted(each for each in inside if not _is_hidden(each.relative_to(path)))
            if not found:
                raise UsageError(f"{name} has no manifests: {_NOTHING}")
            yield from found
        elif path.exists():
            yield path
        else:
            raise UsageError(f"{name} does not exist")
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None


def _is_hidden(path: Path) -> bool:
    """Return True for .git, .venv and the like, which hold nothing to apply."""
    return any(part.startswith(".") for part in path.parts)


def _take(read: Manifests, file: str, content: bytes) -> None:
    read.files += 1
    is_json = file.endswith(".json")
    try:
        for part in read_text(_decoded(content), is_json=is_json):
            read.documents.extend(_objects(file, part, part.value, ()))
    except UnicodeDecodeError as error:
        place = Place(file, 1, content.count(b"\n", 0, error.start) + 1)
        read.findings.append(Finding(place, "", "NotText", "the file is not UTF-8 text; save it as UTF-8"))
    except UnreadableText as error:
        language = "JSON" if is_json else "YAML"
        mend = "" if ";" in error.detail else f"; fix the {language}"
        place = Place(file, error.document, error.line)
        message = f"cannot read the document: {error.detail}{mend}"
        read.findings.append(Finding(place, "", f"Invalid{language}", message))


def _decoded(content: bytes) -> str:
    """Return a text in UTF-8, or in UTF-16 with a byte order mark; kubectl reads both."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _objects(file: str, part: Part, value: Any, prefix: Steps) -> Iterator[Document]:
    if not isinstance(value, Mapping):
        return
    items, kind = value.get("items"), _text(value.get("kind"))
    if kind.endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, Mapping) and not item.get("kind") and not item.get("apiVersion"):
                item = {**item, "kind": kind.removesuffix("List"), "apiVersion": value.get("apiVersion")}
            yield from _objects(file, part, item, (*prefix, "items", index))
    else:
        yield Document(file, part, value, prefix)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
