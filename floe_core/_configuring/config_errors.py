"""Rewords pydantic's validation errors so that they tell rules and no values of their own.

The error's type decides the message: pydantic's own text for types that quote nothing but the schema, our
own sentence for the others, followed by what a validator of the plugin said. A location shows the names in
the schema; everything else in it is a user's data and shown as `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretBytes, SecretStr
from pydantic_core import PydanticKnownError, core_schema

from floe_core._configuring.config_shape import Fields, Items, JsonText, Shape, Values, shapes
from floe_core._configuring.faults import RULE, Fault, first_faults
from floe_core._configuring.secret_fields import SecretPaths
from floe_core._printable import printable

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

LONGEST_TEXT = 4 * 1024
"""The maximum number of characters of a validator's text; a cut text might end in half a secret."""

_QUOTES_THE_SCHEMA_ONLY = frozenset(
    """
    arguments_type bool_parsing bool_type bytes_too_long bytes_too_short bytes_type callable_type
    complex_str_parsing complex_type dataclass_exact_type dataclass_type date_from_datetime_inexact
    date_future date_past date_type datetime_future datetime_past datetime_type decimal_max_digits
    decimal_max_places decimal_parsing decimal_type decimal_whole_digits dict_type ellipsis_error enum
    extra_forbidden finite_number float_parsing float_type fraction_parsing fraction_type frozen_field
    frozen_set_type greater_than greater_than_equal int_from_float int_parsing int_parsing_size int_type
    invalid_key is_instance_of is_subclass_of iterable_type json_type less_than less_than_equal
    list_type literal_error missing missing_argument missing_keyword_only_argument
    missing_positional_only_argument model_attributes_type model_type multiple_argument_values
    multiple_of named_tuple_type none_required recursion_loop set_item_not_hashable set_type
    string_not_ascii string_pattern_mismatch string_too_long string_too_short string_type string_unicode
    time_delta_type time_type timezone_aware timezone_naive too_long too_short tuple_type
    unexpected_keyword_argument unexpected_positional_argument union_tag_not_found url_scheme
    url_too_long url_type uuid_type uuid_version
    """.split()  # noqa: SIM905
)
_SENTENCES = {
    "assertion_error": RULE,
    "bytes_invalid_encoding": "Data should be valid in its encoding",
    "date_from_datetime_parsing": "Input should be a valid date or datetime",
    "date_parsing": "Input should be a valid date in the format YYYY-MM-DD",
    "datetime_from_date_parsing": "Input should be a valid datetime or date",
    "datetime_object_invalid": "Input should be a valid datetime",
    "datetime_parsing": "Input should be a valid datetime",
    "json_invalid": "Input should be valid JSON, not nested too deeply",
    "mapping_type": "Input should be a valid mapping",
    "time_delta_parsing": "Input should be a valid timedelta",
    "time_parsing": "Input should be in a valid time format",
    "timezone_offset": "Input should have a different timezone offset",
    "union_tag_invalid": "The tag does not match any of the expected tags",
    "url_parsing": "Input should be a valid URL",
    "url_syntax_violation": "Input should follow the strict URL syntax",
    "uuid_parsing": "Input should be a valid UUID",
    "value_error": RULE,
}
_OF_VALIDATORS = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
_PYDANTICS_OWN = frozenset(get_args(core_schema.ErrorType))
_CUSTOM_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_UNKNOWN_NAMES = ("extra_forbidden", "unexpected_keyword_argument", "no_such_attribute")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_LENGTHS = ("too_short", "too_long")
_NEEDS_VALUE = ("missing", "too_short")


def faults_of(
    error: ValidationError, schema: type[BaseModel], plain: Mapping[str, Any] | None
) -> list[Fault]:
    """Return the faults that the error contains, in its order.

    An unknown field is named, as a user needs the name to fix a typo, but only if the name looks like a field
    name and, if `plain` is given, occurs in `plain`: a key of a merged Secret is secret, too.
    """
    try:
        found = error.errors(include_url=False)
    except Exception:  # noqa: BLE001  (the plugin's own errors might not be printable)
        return [Fault("", RULE, "value_error")]
    secrets = SecretPaths()
    return first_faults(found, lambda each: _fault(each, schema, plain, secrets))


def missing(schema: type[BaseModel], fields: Iterable[tuple[str | int, ...]]) -> list[Fault]:
    """Return a fault for each of these fields of the schema, which nobody has given."""
    secrets = SecretPaths()

    def fault(path: tuple[str | int, ...]) -> Fault:
        where, types, _ = _located(schema, path, "missing", None)
        return Fault(where, "Field required", "missing", secrets=secrets.below(types, where))

    return first_faults(list(fields), fault)


def own_text(text: str) -> str:
    """Return the text of a plugin's validator on one line; empty if it is too long to be shown whole."""
    return "" if len(text) > LONGEST_TEXT else " ".join(printable(text).split())


def _fault(
    fault: ErrorDetails, schema: type[BaseModel], plain: Mapping[str, Any] | None, secrets: SecretPaths
) -> Fault:
    kind, given = fault["type"], fault["input"]
    path, types, within = _located(schema, fault["loc"], kind, plain)
    item = len(given) if kind == "too_short" and isinstance(given, (list, tuple)) else 0
    needs_value = kind.startswith(_NEEDS_VALUE) or kind.endswith("_type") or kind in _UNKNOWN_NAMES
    message, text, quoted = _message(fault)
    if len(quoted) > LONGEST_TEXT:
        message, quoted = RULE, ""
    return Fault(
        path,
        message,
        kind if kind in _PYDANTICS_OWN or _CUSTOM_TYPE.fullmatch(kind) else "value_error",
        own_text(text),
        quoted,
        secrets.below(types, within, item=item) if needs_value else (),
    )


def _message(fault: ErrorDetails) -> tuple[str, str, str]:
    """Return our sentence or pydantic's, what a validator of the plugin said, and what of it is quoted."""
    kind, context, text = fault["type"], fault.get("ctx"), fault["msg"]
    if kind in _OF_VALIDATORS:
        return RULE, text.removeprefix(_OF_VALIDATORS[kind]), ""
    if kind not in _PYDANTICS_OWN:
        return RULE, text, kind
    try:
        rule = PydanticKnownError(kind, context)  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError):
        return RULE, text, ""  # a validator's error, although of the same type as one of pydantic's
    # Unless a validator raised it with a context of its own, the message quotes nothing but the schema.
    quoted = " ".join(str(value) for name, value in (context or {}).items() if name != "actual_length")
    if kind in _LENGTHS:
        return _length(context or {}, fault["input"]), "", quoted
    if kind in _QUOTES_THE_SCHEMA_ONLY:
        return rule.message(), "", quoted
    return _SENTENCES.get(kind, f"Input does not satisfy the rule {kind}"), "", ""


def _length(context: Mapping[str, Any], value: object) -> str:
    """Return the bound that a length breaks, but not the length: the value can be a secret."""
    kind = str(context.get("field_type"))
    least, most = context.get("min_length"), context.get("max_length")
    number = most if least is None else least
    unit = "item"
    if kind == "Value":  # whose length was measured after a function: the type is unknown
        kind = "Input"
        unit = "character" if isinstance(value, (str, bytes, SecretStr, SecretBytes)) else "item"
    at = "most" if least is None else "least"
    return f"{kind} should have at {at} {number} {unit}{'' if number == 1 else 's'}"


def _located(
    schema: type[BaseModel], location: Sequence[str | int], kind: str, plain: Mapping[str, Any] | None
) -> tuple[str, list[Any], str]:
    """Return the path of a fault, and the types at the innermost known part of it, with the path of that."""
    types: list[Any] = [schema]
    states = shapes(types)
    given: list[str | int] = []
    shown: list[str] = []
    for index, item in enumerate(location):
        inner, name = _step(states, item)
        if inner:
            given.append(item)
            types, states = inner, shapes(inner)
            shown.append(name)
        elif index == len(location) - 1 and kind in _UNKNOWN_NAMES:
            path = ".".join(shown)
            name = _unknown_name([*given, item], plain)
            return f"{path}.{name}" if path else name, types, path
        elif index == len(location) - 1 and kind == "missing" and isinstance(item, str):
            types = []  # a default has fields that nobody gave; the name is that of a field
            shown.append(item if _PLAIN_NAME.fullmatch(item) else "*")
        elif item != "[key]" and not (isinstance(item, str) and len(states) > 1):
            types, states = [], []
            shown.append("*")
        # else it is pydantic's name for a member of a union, which is not part of the configuration
    path = ".".join(shown)
    return path, types, path


def _step(states: Sequence[Shape], item: str | int) -> tuple[list[Any], str]:
    """Return the types that an item of a location leads to, and how to show the item."""
    states = [each for state in states for each in ([state, *_json(state)])]
    if isinstance(item, str):
        named = [each for state in states if isinstance(state, Fields) for each in state.names.get(item, ())]
    else:
        named = [each for state in states if isinstance(state, Items) for each in state.types]
    if named:
        return named, str(item)
    return [state.value for state in states if isinstance(state, Values)], "*"


def _json(state: Shape) -> list[Shape]:
    return shapes([state.type]) if isinstance(state, JsonText) else []


def _unknown_name(given: Sequence[str | int], plain: Mapping[str, Any] | None) -> str:
    name = str(given[-1])
    if not _PLAIN_NAME.fullmatch(name):
        return "*"
    here: Any = plain
    for item in given if plain is not None else ():
        inside = (
            item in here if isinstance(here, Mapping) else isinstance(here, list) and item in range(len(here))
        )
        if not inside:
            return "*"
        here = here[item]
    return name
