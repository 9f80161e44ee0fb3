"""Writes a JSON schema of every configuration that validation accepts.

pydantic's own generator writes the form that it recommends: one name of a field, dates as RFC 3339 strings,
no duplicates in a set. Validation in JSON mode accepts more, and a check made from the schema must not
refuse what validation accepts. Only lax conversions between scalars ("8" for 8, "yes" for true) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, cast

from pydantic import BaseModel, SkipValidation

from floe_core._configuring.config_shape import shapes
from floe_core._configuring.secret_marks import about, is_marked, mark_secrets, without
from floe_core._configuring.written_schema import JsonSchemaOfGiven, written_schema
from floe_core._loading.loading import is_users_interrupt

_Json = dict[str, Any]
_CHANGES_VALUES = ("function-before", "function-after", "function-wrap", "function-plain", "json")
_BOUNDS = frozenset(
    """
    minLength maxLength minItems maxItems pattern
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    """.split()  # noqa: SIM905
)


def accepted_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of all accepted configurations.

    A model that cannot be written this way, because it changes how its schema is generated, is written as it
    writes itself. Raises whatever the model's own code raises.
    """
    try:
        return schema.model_json_schema(schema_generator=_AcceptedJsonSchema)
    except BaseException as error:
        if is_users_interrupt(error):
            raise
    written = written_schema(schema)
    mark_secrets(shapes([schema]), written)
    return written


class _AcceptedJsonSchema(JsonSchemaOfGiven):
    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._configs: list[Mapping[str, Any]] = [{}]

    def generate_inner(self, schema: Any) -> _Json:
        written = super().generate_inner(schema)
        if schema["type"] in _CHANGES_VALUES and written.keys() & _BOUNDS:
            # A bound given after a function is about what the function returns.
            bare = super().generate_inner({**schema, "metadata": {}})
            return {
                word: value
                for word, value in written.items()
                if word not in _BOUNDS or bare.get(word) == value
            }
        return about(written) if schema["type"] == "any" and _skips_validation(schema) else written

    def date_schema(self, schema: Any) -> _Json:
        return {"type": ["string", "number"], "format": "date"}

    def time_schema(self, schema: Any) -> _Json:
        return {"type": ["string", "number"], "format": "time"}

    def datetime_schema(self, schema: Any) -> _Json:
        return {"type": ["string", "number"], "format": "date-time"}

    def timedelta_schema(self, schema: Any) -> _Json:
        return {"type": ["string", "number"], "format": "duration"}

    def decimal_schema(self, schema: Any) -> _Json:
        written = super().decimal_schema(schema)
        for each in written.get("anyOf", [written]):
            for word in ("pattern", "multipleOf"):
                each.pop(word, None)
        return written

    def bytes_schema(self, schema: Any) -> _Json:
        return {"type": "string"}  # lengths count bytes, encoded or decoded, and JSON has only characters

    def str_schema(self, schema: Any) -> _Json:
        written = super().str_schema(schema)
        strips = schema.get("strip_whitespace", self._configs[-1].get("str_strip_whitespace", False))
        if strips:
            written = without(written, "maxLength", "pattern")
        if "pattern" in written:
            engine = schema.get("regex_engine") or self._configs[-1].get("regex_engine")
            written["pattern"] = _pattern(schema.get("pattern"), is_of_python=engine == "python-re")
        return written

    def float_schema(self, schema: Any) -> _Json:
        # Validation allows for rounding, JSON Schema does not: 0.3 is no multiple of 0.1 there.
        return without(super().float_schema(schema), "multipleOf")

    def complex_schema(self, schema: Any) -> _Json:
        return {"type": ["string", "number"]}

    def set_schema(self, schema: Any) -> _Json:
        return without(super().set_schema(schema), "uniqueItems", "maxItems")

    def frozenset_schema(self, schema: Any) -> _Json:
        return without(super().frozenset_schema(schema), "uniqueItems", "maxItems")

    def generator_schema(self, schema: Any) -> _Json:
        return {}  # whose items are checked when somebody iterates

    def default_schema(self, schema: Any) -> _Json:
        written = super().default_schema(schema)
        return written if schema.get("on_error", "raise") == "raise" else about(written)

    def enum_schema(self, schema: Any) -> _Json:
        written = super().enum_schema(schema)
        is_plain = getattr(schema["cls"]._missing_, "__func__", None) is Enum._missing_.__func__  # type: ignore[attr-defined]
        return written if is_plain else about(written)

    def named_tuple_schema(self, schema: Any) -> _Json:
        array = super().named_tuple_schema(schema)
        names = (field["name"] for field in schema["fields"])
        fields = {
            "type": "object",
            "properties": dict(zip(names, array.get("prefixItems", ()), strict=False)),
        }
        for written in (array, fields) if "cls" in schema else ():
            mark_secrets(shapes([schema["cls"]]), written)
        return {"anyOf": [array, fields]}

    def call_schema(self, schema: Any) -> _Json:
        written = super().call_schema(schema)
        return {"anyOf": [written, {"type": "object"}]} if written.get("type") == "array" else written

    def function_before_schema(self, schema: Any) -> _Json:
        return self._rewritten(schema, super().function_before_schema)

    def function_wrap_schema(self, schema: Any) -> _Json:
        return self._rewritten(schema, super().function_wrap_schema)

    def function_plain_schema(self, schema: Any) -> _Json:
        return super().function_plain_schema(schema) if _states_its_input(schema) else {}

    def field_is_required(self, *given: Any, **more: Any) -> bool:
        return False  # a field with several names is given under one of them

    def model_schema(self, schema: Any) -> _Json:
        return self._of_class(schema, super().model_schema)

    def dataclass_schema(self, schema: Any) -> _Json:
        return self._of_class(schema, super().dataclass_schema)

    def model_fields_schema(self, schema: Any) -> _Json:
        return super().model_fields_schema(
            cast("Any", {**schema, "fields": self._by_every_name(schema["fields"])})
        )

    def typed_dict_schema(self, schema: Any) -> _Json:
        def write(schema: Any) -> _Json:
            named = {**schema, "fields": self._by_every_name(schema["fields"])}
            return super(_AcceptedJsonSchema, self).typed_dict_schema(named)  # type: ignore[arg-type]

        return self._of_class(schema, write)

    def dataclass_args_schema(self, schema: Any) -> _Json:
        named = self._by_every_name({field["name"]: field for field in schema["fields"]})
        fields = [{**field, "name": name} for name, field in named.items()]
        return super().dataclass_args_schema({**schema, "fields": fields})  # type: ignore[typeddict-item]

    def _of_class(self, schema: Any, write: Callable[[Any], _Json]) -> _Json:
        self._configs.append(schema.get("config") or self._configs[-1])
        try:
            written = write(schema)
        finally:
            self._configs.pop()
        cls = schema.get("cls")
        if cls is not None and not getattr(cls, "__parameters__", ()):  # the arguments are not known here
            mark_secrets(shapes([cls]), written)
        return written

    def _by_every_name(self, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the fields by each name that a configuration can use, which is then their only alias."""
        config = self._configs[-1]
        by_alias = config.get("validate_by_alias", True)
        by_name = config.get("validate_by_name", False) or config.get("populate_by_name", False)
        named: dict[str, Any] = {}
        for name, field in fields.items():
            alias = field.get("validation_alias")
            paths = [(alias,)] if isinstance(alias, str) else _paths(alias)
            if alias is None or by_name:
                paths = [*paths, (name,)]
            for first, *rest in dict.fromkeys(paths if by_alias or alias is None else [(name,)]):
                if rest or first in named:  # what is there belongs to several fields
                    field = {"type": field["type"], "schema": {"type": "any"}}
                named[first] = {**field, "validation_alias": first}
        return named

    def _rewritten(self, schema: Any, write: Callable[[Any], _Json]) -> _Json:
        """Write what a plugin's own function takes and rewrites: anything, unless the author states it."""
        written = write(schema)
        if _states_its_input(schema) or _is_pydantics(schema["function"]["function"]):
            return written
        kept = about(written)
        if "properties" in written:
            kept["properties"] = {
                name: inner if is_marked(inner) else about(inner)
                for name, inner in written["properties"].items()
            }
            kept["additionalProperties"] = True
        return kept


def _paths(alias: Any) -> list[tuple[Any, ...]]:
    """Return the paths of a validation alias, which is None, one path or a list of paths."""
    if not alias:
        return []
    return [tuple(path) for path in alias] if isinstance(alias[0], list) else [tuple(alias)]


def _states_its_input(schema: Mapping[str, Any]) -> bool:
    """Return True if the author gave `json_schema_input_type`, which older releases keep in the metadata."""
    metadata = schema.get("metadata") or {}
    return any(
        each is not None
        for each in (schema.get("json_schema_input_schema"), metadata.get("pydantic_js_input_core_schema"))
    )


def _skips_validation(schema: Mapping[str, Any]) -> bool:
    """Return True for SkipValidation, which writes the schema that it does not apply."""
    metadata = schema.get("metadata") or {}
    functions = (
        each
        for key in ("pydantic_js_annotation_functions", "pydantic_js_functions")
        for each in metadata.get(key) or ()
    )
    return any(getattr(each, "__module__", None) == SkipValidation.__module__ for each in functions)


def _is_pydantics(function: Any) -> bool:
    module = getattr(getattr(function, "func", function), "__module__", None) or ""  # partial functions, too
    return module.partition(".")[0] in ("pydantic", "pydantic_core")


def _pattern(pattern: str | re.Pattern[str], *, is_of_python: bool) -> str:
    """Return a pattern with the flags that its text does not show.

    In Python's own engine, `$` also matches before a newline at the end; the flag `u`, which changes nothing,
    tells that this engine is meant.
    """
    flags = ""
    if isinstance(pattern, re.Pattern):
        letters = (("i", re.I), ("m", re.M), ("s", re.S), ("x", re.X))
        flags = "".join(letter for letter, flag in letters if pattern.flags & flag)
        pattern, is_of_python = pattern.pattern, True
    if not flags and is_of_python and "$" in pattern:
        flags = "u"
    return f"(?{flags}){pattern}" if flags else pattern
