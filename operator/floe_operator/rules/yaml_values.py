"""What YAML means to kubectl and the API server: one reading of scalars for manifests and for configFrom.

Pure. Which YAML a manifest or a source may contain is not decided here. The rules are those of
sigs.k8s.io/yaml, and of the JSON that the API server makes of the result. No message quotes any of the text.
"""

from __future__ import annotations

import base64
import functools
import math
import re
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import yaml

_YAML = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL = (f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null"))
MERGE, BINARY, TIMESTAMP = (f"{_YAML}{name}" for name in ("merge", "binary", "timestamp"))

NOT_FINITE = "has a number that is not finite"

Scalar = str | int | float | bool | None
_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
}
"""Plain scalars that are neither texts nor written as numbers."""
_NUMERIC = re.compile(r"(?:[-+]_*)?[0-9.][-+0-9a-fA-FoOxX_.]*")
_FRACTION = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
)

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


def whole_number(text: str) -> int | None:
    """Return the whole number that a plain scalar means, or None if it is none that 64 bits can hold."""
    found = _WHOLE.fullmatch("" if text.startswith("_") else text.replace("_", ""))
    if found is None:
        return None
    kind = found.lastgroup or "d"
    whole = int(found[1] + found[kind], _BASES[kind])
    return whole if -(2**63) <= whole < (2**63 if found[1] else 2**64) else None


def number(text: str) -> int | float | None:
    """Return the number that a plain scalar means, as the API server stores it, or None if it is text.

    A number that 64 bits cannot hold is a double if it is decimal; a number that a double cannot hold either
    is text.
    """
    whole = whole_number(text)
    if whole is not None:
        return whole if whole < 2**63 else _as_written(float(whole))
    if text.startswith(("_", ".")) and not _FRACTION.fullmatch(text):
        return None
    decimal = text.replace("_", "")
    if _DECIMAL.fullmatch(decimal):
        double = float(decimal)
        return _as_written(double) if math.isfinite(double) else None
    return None


def plain(text: str) -> Scalar:
    """Return what a plain scalar without a tag means; infinities and NaN are floats that JSON does not have.

    What only looks like a number is text: a date, a version, an address.
    """
    if text in _WORDS:
        return _WORDS[text]
    found = number(text) if _NUMERIC.fullmatch(text) else None
    return text if found is None else found


def tagged(tag: str, text: str) -> Scalar:
    """Return what a scalar with a tag means; tags of other tools are ignored.

    Raises:
        ValueError: The scalar is not what its tag says.
    """
    if tag == BINARY:
        return base64.b64decode("".join(text.split("\n")), validate=True).decode(errors="replace")
    if tag not in (INT, FLOAT, BOOL, NULL, TIMESTAMP):
        return text
    found = plain(text)
    is_meant = {
        BOOL: isinstance(found, bool),
        NULL: found is None,
        INT: whole_number(text) is not None,
        FLOAT: isinstance(found, int | float) and not isinstance(found, bool),
        TIMESTAMP: isinstance(found, str) and _DATE.fullmatch(found) is not None,
    }
    if not is_meant[tag]:
        raise ValueError(f"not a {tag.removeprefix(_YAML)}")
    return found


def key_text(key: str | float) -> str:
    """Return the text that a key becomes, since JSON has no other keys."""
    if isinstance(key, bool):
        return str(key).lower()
    return _float_text(key) if isinstance(key, float) else str(key)


def _float_text(double: float) -> str:
    """Return a float as Go formats it with the format 'g' and 32 bits."""
    if math.isnan(double):
        return ".nan"
    try:
        (single,) = struct.unpack("f", struct.pack("f", double))
    except OverflowError:
        single = math.copysign(math.inf, double)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = next(
        text
        for text in (f"{single:.{digits}e}" for digits in range(17))
        if struct.pack("f", float(text)) == struct.pack("f", single)
    )
    exponent = int(shortest.rpartition("e")[2])
    return shortest if exponent < -4 or exponent >= 6 else format(Decimal(shortest), "f")


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


class ValueLoader(_Base):  # type: ignore[misc]
    """Builds JSON types only; its base classes also know `<<`, dates, base 60 and much else."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012 - PyYAML's

    def construct_scalar_value(self, node: yaml.ScalarNode) -> Scalar:
        """Return the value of a scalar without a tag.

        Raises:
            YamlFault: It is a number that JSON does not have.
        """
        value = str(node.value) if node.style else plain(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise YamlFault(line_of(node), NOT_FINITE)
        return value


for _tag, _build in (
    (STR, ValueLoader.construct_scalar_value),
    (f"{_YAML}seq", _Base.construct_yaml_seq),
    (f"{_YAML}map", _Base.construct_yaml_map),
):
    ValueLoader.add_constructor(_tag, _build)
