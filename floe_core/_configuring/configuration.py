"""Validates a configuration against a plugin's schema and never reveals a secret.

Errors carry paths and rules: their message, repr, cause and context contain no value, except what the text of
a plugin's own validator quotes, and never that of a secret field; the frames of their traceback hold no
configuration. A configuration consists of Python values, or of JSON values in pydantic's
JSON mode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from floe_core._class_names import class_name, error_name
from floe_core._configuring.faults import Fault, configuration_error
from floe_core._configuring.given_values import only_given
from floe_core._loading.description import schema_fault
from floe_core._loading.loading import is_users_interrupt
from floe_core.plugin_errors import FieldError, PluginSchemaError, exception_text
from floe_core.plugin_types import PluginName

if TYPE_CHECKING:
    from pydantic import BaseModel


def validate(
    schema: type[BaseModel],
    config: Mapping[str, Any],
    *,
    plugin: PluginName,
    json_mode: bool = False,
    plain: Mapping[str, Any] | None = None,
) -> BaseModel:
    """Return the validated configuration, with defaults filled in.

    With `json_mode`, values are given as in JSON (a date as a string). `plain` is the part of the
    configuration that did not come from a Secret, or None if nothing did; an unknown field is named only if
    it occurs in that part.

    Raises:
        PluginConfigurationError: The configuration does not match the schema.
        PluginSchemaError: The schema is unusable.
    """
    assessed = assess(schema, config, plugin=plugin, json_mode=json_mode, plain=plain)
    del config, plain  # a traceback keeps the locals of its frames
    if isinstance(assessed, list):
        raise configuration_error(plugin, assessed)
    if isinstance(assessed, PluginSchemaError):
        raise assessed
    return assessed


def assess(
    schema: type[BaseModel],
    config: object,
    *,
    plugin: PluginName,
    json_mode: bool = False,
    plain: Mapping[str, Any] | None = None,
) -> BaseModel | list[Fault] | PluginSchemaError:
    """Do the same as `validate`, but return what is wrong: frames of the callers hold the configuration."""
    from floe_core._configuring.withholding import without_secrets

    if not isinstance(config, Mapping):
        return [Fault("", "Input should be a mapping", "dict_type")]
    assessed = _assessed(schema, config, plugin, json_mode, plain)
    return without_secrets(assessed, schema, config) if isinstance(assessed, list) else assessed


def _assessed(
    schema: type[BaseModel],
    config: Mapping[str, Any],
    plugin: PluginName,
    json_mode: bool,
    plain: Mapping[str, Any] | None,
) -> BaseModel | list[Fault] | PluginSchemaError:
    from pydantic import BaseModel, ValidationError
    from pydantic.errors import PydanticUserError

    from floe_core._configuring.config_errors import faults_of, own_text

    try:
        validated: object = _validated(schema, config, json_mode)
    except ValidationError as error:
        return faults_of(error, schema, plain)
    except PydanticUserError as error:
        return schema_fault(plugin, f"the schema cannot be used ({error.code or 'not fully defined'})")
    except RecursionError:
        return [Fault("", "Input is nested too deeply", "recursion_depth_exceeded")]
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        if json_mode and not _is_json(config):
            return [Fault("", f"Validation raised {error_name(error)}", "not_json")]
        summary = f"A validator raised {error_name(error)}"
        return [Fault("", summary, "validator_error", own_text(exception_text(error, after=summary)))]
    if not isinstance(validated, BaseModel):
        return schema_fault(
            plugin, f"a validator returned {class_name(type(validated))}, which is not a model"
        )
    return validated


def required_fields(schema: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the required top-level fields, as a configuration spells them (aliases)."""
    return tuple(".".join(map(str, path)) for path in required_paths(schema))


def required_paths(schema: type[BaseModel]) -> list[tuple[str | int, ...]]:
    """Return the paths of the required top-level fields; an alias can be a path."""
    from pydantic import RootModel

    from floe_core._configuring.config_shape import spelling

    if issubclass(schema, RootModel):
        return []
    return [spelling(name, field) for name, field in schema.model_fields.items() if field.is_required()]


def json_schema(schema: type[BaseModel], *, of_all_accepted: bool = False) -> dict[str, Any]:
    """Return the JSON schema of the model, or that of everything that validation accepts.

    Raises:
        PluginSchemaError: The model has no JSON schema.
    """
    from floe_core._configuring.accepted_schema import accepted_schema
    from floe_core._configuring.written_schema import written_schema

    try:
        return accepted_schema(schema) if of_all_accepted else written_schema(schema)
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        message = f"the schema cannot be converted to JSON Schema ({error_name(error)})"
    raise PluginSchemaError(schema.__name__, [FieldError(field="", message=message, type="schema_error")])


def _validated(schema: type[BaseModel], config: Mapping[Any, Any], json_mode: bool) -> BaseModel:
    with only_given(config):
        if json_mode:
            try:
                return schema.model_validate_json(json.dumps(config))
            except NotImplementedError:
                pass  # the first releases of pydantic 2 cannot read a secret from JSON
        return schema.model_validate(dict(config))


def _is_json(config: Mapping[Any, Any]) -> bool:
    try:
        json.dumps(config)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
