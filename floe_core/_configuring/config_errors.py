"""Rewords pydantic's validation errors so that they contain no value of the configuration.

The error's type decides the message: pydantic's own text for types that quote nothing but the schema, our
own sentence for the others, so that the text of a plugin's own validators is never passed on. A location
shows the names in the schema; everything else in it is a user's data and shown as `*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import PydanticKnownError

from floe_core._configuring.config_shape import Fields, Items, JsonText, Shape, Values, shapes
from floe_core.plugin_errors import FieldError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

T = TypeVar("T")

MOST_ERRORS = 50
"""The maximum number of errors that are listed; the rest are only counted."""

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
    "assertion_error": "Input does not satisfy one of the plugin's own rules",
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
    "value_error": "Input does not satisfy one of the plugin's own rules",
}
_UNKNOWN_NAMES = ("extra_forbidden", "unexpected_keyword_argument", "no_such_attribute")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


def field_errors(
    error: ValidationError, schema: type[BaseModel], plain: Mapping[str, Any] | None
) -> list[FieldError]:
    """Return the faults that the error contains, in its order.

    An unknown field is named, as a user needs the name to fix a typo, but only if the name looks like a field
    name and, if `plain` is given, occurs in `plain`: a key of a merged Secret is secret, too.
    """
    try:
        faults = error.errors(include_url=False)
    except Exception:  # noqa: BLE001  (the plugin's own errors might not be printable)
        return [FieldError(field="", message=_SENTENCES["value_error"], type="value_error")]

    def show(fault: ErrorDetails) -> FieldError:
        where = ".".join(_path(schema, fault["loc"], fault["type"], plain))
        return FieldError(field=where, message=_message(fault["type"], fault.get("ctx")), type=fault["type"])

    return bounded(faults, show)


def bounded(faults: Sequence[T], show: Callable[[T], FieldError]) -> list[FieldError]:
    """Return the first MOST_ERRORS faults, each converted by `show`, and the number of the rest."""
    shown = [show(fault) for fault in faults[:MOST_ERRORS]]
    if len(faults) > MOST_ERRORS:
        more = f"{len(faults) - MOST_ERRORS} more errors"
        shown.append(FieldError(field="", message=more, type="too_many_errors"))
    return shown


def _message(kind: str, context: Any) -> str:
    if kind in _QUOTES_THE_SCHEMA_ONLY:
        try:
            return PydanticKnownError(kind, context).message()  # type: ignore[arg-type]
        except (TypeError, KeyError, ValueError):  # not pydantic's own error, although of the same type
            pass
    return _SENTENCES.get(kind) or f"Input does not satisfy the rule {kind}"


def _path(
    schema: type[BaseModel], location: Sequence[str | int], kind: str, plain: Mapping[str, Any] | None
) -> Iterator[str]:
    states = shapes([schema])
    given: list[str | int] = []
    for index, item in enumerate(location):
        inner, name = _step(states, item)
        if inner:
            given.append(item)
            states = shapes(inner)
            yield name
        elif index == len(location) - 1 and kind in _UNKNOWN_NAMES:
            yield _unknown_name([*given, item], plain)
        elif item != "[key]" and not (isinstance(item, str) and len(states) > 1):
            states = []
            yield "*"
        # else it is pydantic's name for a member of a union, which is not part of the configuration


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
