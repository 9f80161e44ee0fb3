"""What is wrong with manifests, and the three formats in which it is reported. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Place:
    """A location: a file, a document in it (counted from 1), a line if known, and the object there."""

    file: str
    document: int
    line: int | None = None
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """One fault: its place, its dotted path, the rule it breaks, what is wrong and how to fix it.

    A rule is an API server cause (FieldValueRequired), the reason of a condition (PlaintextSecret; pydantic's
    error type can follow after a slash), or a rule on manifests (InvalidYAML, DuplicateObject).
    """

    place: Place
    path: str
    rule: str
    message: str


@dataclass(frozen=True)
class Tally:
    """How much was checked."""

    files: int
    plugins: int

    def sentence(self, findings: int) -> str:
        """Return the closing summary, for people."""
        looked = f"{_count(self.plugins, 'FloePlugin')} in {_count(self.files, 'file')}"
        return f"{looked}: {_count(findings, 'finding') if findings else 'no findings'}"


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings sorted by file, document and line, without duplicates."""
    unique = dict.fromkeys(findings)
    return sorted(unique, key=lambda one: (one.place.file, one.place.document, one.place.line or 0))


def as_text(findings: Sequence[Finding]) -> str:
    """Return one line per finding: file, line, document, object, path, message, rule."""
    return "\n".join(_line(finding) for finding in findings)


def as_warning(warning: Finding) -> str:
    """Return one line about something that is no fault; the message names the part of the object."""
    return _visible(f"{_where(warning.place)}: {_about(warning.place)}: {warning.message}")


def as_json(findings: Sequence[Finding], tally: Tally, warnings: Sequence[Finding] = ()) -> str:
    """Return one JSON object, for programs."""
    return json.dumps(
        {
            "valid": not findings,
            "files": tally.files,
            "plugins": tally.plugins,
            "findings": [_as_object(finding) for finding in findings],
            "warnings": [_as_object(warning) for warning in warnings],
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_object(finding: Finding) -> dict[str, object]:
    return {
        "file": finding.place.file,
        "document": finding.place.document,
        "line": finding.place.line,
        "namespace": finding.place.namespace,
        "name": finding.place.name,
        "path": finding.path,
        "rule": finding.rule,
        "message": finding.message,
    }


def as_github(findings: Sequence[Finding], warnings: Sequence[Finding] = ()) -> str:
    """Return workflow commands, which GitHub shows beside the line.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    errors = [_annotation("error", finding) for finding in findings]
    return "\n".join([*errors, *(_annotation("warning", warning) for warning in warnings)])


def _line(finding: Finding) -> str:
    return _visible(f"{_where(finding.place)}: {_what(finding)} [{finding.rule}]")


def _visible(text: str) -> str:
    """Return one line with escapes for what a terminal or the log of a CI job would obey.

    Bytes in the name of a file that Python could not decode (surrogates) stay.
    """
    return "".join(
        each if each.isprintable() or "\udc80" <= each <= "\udcff" else repr(each)[1:-1] for each in text
    )


def _where(place: Place) -> str:
    return place.file if place.line is None else f"{place.file}:{place.line}"


def _about(place: Place) -> str:
    named = "/".join(filter(None, (place.namespace, place.name)))
    return ", ".join(filter(None, (f"document {place.document}", named)))


def _what(finding: Finding) -> str:
    return ": ".join(filter(None, (_about(finding.place), finding.path, finding.message)))


def _annotation(level: Literal["error", "warning"], finding: Finding) -> str:
    place = finding.place
    properties = {"file": place.file, "line": str(place.line or 1), "title": finding.rule}
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {shown}::{_data(_what(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
