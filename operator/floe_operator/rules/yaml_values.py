"""What YAML means to kubectl and the API server: one reading of scalars for manifests and for configFrom.

Pure. Which YAML a manifest or a source may contain is not decided here. The rules are those of
sigs.k8s.io/yaml, and of the JSON that the API server makes of the result. No message quotes any of the text.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"

_WHOLE = re.compile(
    r"([-+]?)(?:0[bB](?P<b>[01]+)|0[xX](?P<x>[0-9a-fA-F]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]{0,19}))"
)
_BASES = {"b": 2, "x": 16, "o": 8, "d": 10}
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WRITTEN_WHOLE = 1e21
"""Go writes whole numbers below this without a decimal point or an exponent."""


class YamlFault(ValueError):
    """A text breaks a rule; `detail` continues a sentence that begins with "it" or the line."""

    def __init__(self, line: int, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(f"line {line} {detail}")


def number(text: str) -> int | float | None:
    """Return the number that a plain scalar means, as the API server stores it, or None if it is text.

    A number that 64 bits cannot hold is a double if it is decimal; a number that a double cannot hold either
    is text.
    """
    plain = "" if text.startswith("_") else text.replace("_", "")
    if found := _WHOLE.fullmatch(plain):
        kind = found.lastgroup or "d"
        whole = int(found[1] + found[kind], _BASES[kind])
        if -(2**63) <= whole < 2**63:
            return whole
        if not found[1] and whole < 2**64:
            return _as_written(float(whole))
    if _DECIMAL.fullmatch(plain):
        double = float(plain)
        return _as_written(double) if math.isfinite(double) else None
    return None


def _as_written(double: float) -> int | float:
    """Return a double as Go writes it: the shortest digits that identify it, and zeros for the rest."""
    if double.is_integer() and abs(double) < _WRITTEN_WHOLE:
        return int(Decimal(repr(double)))
    return double


def events(text: str, deepest: int) -> Iterator[yaml.Event]:
    """Yield the parser's events, before anything is built from them: building recurses, parsing does not.

    Raises:
        YamlFault: Mappings and lists are nested more than `deepest` levels deep.
        yaml.YAMLError: The text is not YAML.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Base):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > deepest:
                    raise YamlFault(line_of(event), too_deep(deepest))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            yield event
    except yaml.MarkedYAMLError as error:
        if error.problem_mark is None or error.problem != _parsers_own_limit():
            raise
        raise YamlFault(error.problem_mark.line + 1, too_deep(deepest)) from None


def too_deep(deepest: int) -> str:
    """Return the fault detail for a text that is nested more than `deepest` levels deep."""
    return f"is nested deeper than {deepest} levels"


@functools.cache
def _parsers_own_limit() -> str | None:
    """Return what the parser says at its own limit on nesting, or None if it has none.

    libyaml has had a limit of 1,000 levels since 0.2.6. It reads up to 1,024 characters ahead of its events,
    so it reaches that limit before an event shows the depth. Only a trial shows how it words the error.
    """
    if _Base is yaml.SafeLoader:  # PyYAML's own parser has no limit, and takes long to show that
        return None
    text = "[" * 10_000
    try:
        for _ in yaml.parse(text, Loader=_Base):
            pass
    except yaml.MarkedYAMLError as error:
        # Without a limit, the parser reads to the end and misses the closing brackets.
        if error.problem_mark is not None and error.problem_mark.index < len(text):
            return error.problem
    return None


def line_of(part: yaml.Node | yaml.Event) -> int:
    """Return the line on which a part of a text begins, counted from 1."""
    return part.start_mark.line + 1 if part.start_mark is not None else 1


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = "\0number"
"""The tag of plain scalars that look like numbers; no text can spell it."""


class ValueLoader(_Base):  # type: ignore[misc]
    """Builds JSON types only; its base classes also know `<<`, dates, base 60 and much else."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012 - PyYAML's

    def construct_plain(self, node: yaml.ScalarNode) -> int | float | str:
        """Return a number, or the text that only looks like a number: a date, a version, an address."""
        found = number(node.value)
        return str(node.value) if found is None else found

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Return a value that is declared to be a number."""
        found = number(node.value)
        if found is None:
            raise YamlFault(line_of(node), "has a value that cannot be read")
        return found

    def construct_infinite(self, node: yaml.ScalarNode) -> None:
        """Refuse a number that JSON does not have."""
        raise YamlFault(line_of(node), "has a number that is not finite")


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return bool(node.value.lower() in ("y", "yes", "true", "on"))


_INFINITE = "\0infinite"
for _tag, _pattern, _first in (
    (
        "tag:yaml.org,2002:bool",
        r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    (_INFINITE, r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    (_NUMBER, r"(?:[-+]_*)?[0-9.][-+0-9a-fA-FoOxX_.]*", "-+.0123456789"),
    (NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    ValueLoader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})\\Z"), list(_first))
for _tag, _build in (
    ("tag:yaml.org,2002:bool", _bool),
    ("tag:yaml.org,2002:int", ValueLoader.construct_number),
    ("tag:yaml.org,2002:float", ValueLoader.construct_number),
    (_NUMBER, ValueLoader.construct_plain),
    (_INFINITE, ValueLoader.construct_infinite),
    (NULL, lambda loader, node: None),
    ("tag:yaml.org,2002:str", _Base.construct_yaml_str),
    ("tag:yaml.org,2002:seq", _Base.construct_yaml_seq),
    ("tag:yaml.org,2002:map", _Base.construct_yaml_map),
):
    ValueLoader.add_constructor(_tag, _build)
