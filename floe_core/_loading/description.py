"""Reads a plugin's description before its constructor runs.

The constructors of some published plugins need a configuration, but the name, versions, dependencies and
configuration schema of every plugin can be read from an instance created without `__init__`. Whether the
versions are compatible is not assessed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from floe_core._class_names import class_name, error_name
from floe_core._loading.config_parameter import config_parameter
from floe_core._loading.loading import is_users_interrupt
from floe_core._loading.signatures import signature_warnings
from floe_core._loading.type_bases import base_warning
from floe_core._printable import printable
from floe_core.plugin_errors import FieldError, NotAPluginError, PluginSchemaError
from floe_core.plugin_types import PluginName

if TYPE_CHECKING:
    from pydantic import BaseModel

    from floe_core.plugin_metadata import PluginMetadata

_COLLECTIONS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """What a plugin declares; the versions are kept as unparsed text."""

    declared_name: str
    version: str
    floe_api_version: str
    description: str
    dependencies: tuple[str, ...]
    config_schema: type[BaseModel] | None
    schema_error: PluginSchemaError | None
    """Why there is no usable schema: the plugin cannot be configured, but everything else is known."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the class although it loads; each says how its author can fix it."""


def describe(plugin_class: type[PluginMetadata], plugin: PluginName) -> PluginDescription:
    """Return what the plugin declares, and what is wrong with its class.

    Raises:
        NotAPluginError: The class needs its constructor, or a value is unreadable or of the wrong type.
    """
    description = describe_instance(_bare_instance(plugin_class, plugin), plugin)
    warnings, _ = _attempt(
        lambda: [base_warning(plugin_class, plugin.plugin_type), *signature_warnings(plugin_class)]
    )
    return replace(description, warnings=tuple(filter(None, warnings or ())))


def describe_instance(instance: PluginMetadata, plugin: PluginName) -> PluginDescription:
    """Return what an existing instance of the plugin declares.

    Raises:
        NotAPluginError: A declared value cannot be read or has the wrong type.
    """
    schema, schema_error = _schema(type(instance), instance, plugin)
    return PluginDescription(
        declared_name=_text(instance, "name", plugin),
        version=_text(instance, "version", plugin),
        floe_api_version=_text(instance, "floe_api_version", plugin),
        description=_one_line(instance),
        dependencies=_dependencies(instance, plugin),
        config_schema=schema,
        schema_error=schema_error,
    )


def _bare_instance(plugin_class: type[PluginMetadata], plugin: PluginName) -> PluginMetadata:
    instance, error = _attempt(lambda: object.__new__(plugin_class))
    if error is not None:  # a subclass of a built-in type must be created by that type
        instance, error = _attempt(lambda: plugin_class.__new__(plugin_class))
    if not isinstance(instance, plugin_class):
        reason = f"no instance of {class_name(plugin_class)} can be created without its constructor"
        raise NotAPluginError(*plugin, reason, cause=error)
    return instance


def _text(instance: PluginMetadata, attribute: str, plugin: PluginName) -> str:
    value, error = _attempt(lambda: getattr(instance, attribute))
    if error is not None:
        raise NotAPluginError(*plugin, _unreadable(attribute, error), cause=error)
    if not isinstance(value, str):
        raise NotAPluginError(*plugin, f"its {attribute} is of type {class_name(type(value))}, not str")
    return printable(value)


def _one_line(instance: PluginMetadata) -> str:
    value, _ = _attempt(lambda: instance.description)
    return printable(value) if isinstance(value, str) else ""


def _dependencies(instance: PluginMetadata, plugin: PluginName) -> tuple[str, ...]:
    value, error = _attempt(lambda: instance.dependencies)
    if error is not None:
        raise NotAPluginError(*plugin, _unreadable("dependencies", error), cause=error)
    if value is None:
        return ()
    if not isinstance(value, _COLLECTIONS) or not all(isinstance(each, str) for each in value):
        raise NotAPluginError(*plugin, "its dependencies are not a list of str")
    names = sorted(value) if isinstance(value, (set, frozenset)) else value
    return tuple(dict.fromkeys(map(printable, names)))


def _schema(
    plugin_class: type[PluginMetadata], instance: PluginMetadata, plugin: PluginName
) -> tuple[type[BaseModel] | None, PluginSchemaError | None]:
    schema, error = _attempt(instance.get_config_schema)
    if error is not None:
        return None, schema_fault(plugin, f"get_config_schema() raised {error_name(error)}", error)
    if schema is None:
        parameter = config_parameter(plugin_class)
        if parameter is None or not parameter.required:
            return None, None
        schema = parameter.model
        if schema is None:
            fault = (
                "the constructor requires a config, but get_config_schema() returns None and the parameter"
            )
            return None, schema_fault(plugin, f"{fault} is not annotated with a pydantic model")
    return _usable(schema, plugin)


def _usable(schema: Any, plugin: PluginName) -> tuple[type[BaseModel] | None, PluginSchemaError | None]:
    from pydantic import BaseModel

    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None, schema_fault(plugin, "get_config_schema() did not return a pydantic model")
    _, error = _attempt(schema.model_rebuild)  # does nothing for a model that is complete
    if error is not None:
        return None, schema_fault(plugin, f"building the schema raised {error_name(error)}", error)
    return schema, None


def schema_fault(plugin: PluginName, message: str, cause: BaseException | None = None) -> PluginSchemaError:
    """Return the error for a schema that is missing or unusable.

    Pass a `cause` only if it was raised before any config was seen.
    """
    fault = FieldError(field="", message=message, type="schema_error")
    error = PluginSchemaError(plugin.name, [fault], plugin_type=plugin.plugin_type)
    error.__cause__ = cause
    return error


def _attempt(read: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return read(), None
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        return None, error


def _unreadable(attribute: str, error: BaseException) -> str:
    return (
        f"its {attribute} cannot be read before the constructor runs "
        f"(the attempt raised {error_name(error)}): the value must not depend on the constructor"
    )
