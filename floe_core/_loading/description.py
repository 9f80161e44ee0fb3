"""Reads what a plugin says of itself before any constructor of it runs.

Published plugins include ones whose constructor needs a configuration; name, versions, dependencies and the
configuration schema of all of them can be read from an instance made without `__init__`. Whether the versions
fit is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from floe_core._loading.config_parameter import config_parameter
from floe_core._loading.loading import is_users_interrupt
from floe_core._printable import printable
from floe_core.plugin_errors import NotAPluginError, PluginSchemaError
from floe_core.plugin_types import PluginId

if TYPE_CHECKING:
    from pydantic import BaseModel

    from floe_core.plugin_metadata import PluginMetadata

_COLLECTIONS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """What a plugin declares; the versions as the texts they are."""

    declared_name: str
    version: str
    floe_api_version: str
    description: str
    dependencies: tuple[str, ...]
    config_schema: type[BaseModel] | None
    schema_error: PluginSchemaError | None
    """Why there is no usable schema; the plugin cannot be configured, all else of it is known."""


def describe(plugin_class: type[PluginMetadata], plugin: PluginId) -> PluginDescription:
    """What the plugin declares; NotAPluginError where that cannot be read or is of the wrong type."""
    return describe_instance(_bare_instance(plugin_class, plugin), plugin)


def describe_instance(instance: PluginMetadata, plugin: PluginId) -> PluginDescription:
    """The same of a plugin that exists."""
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


def _bare_instance(plugin_class: type[PluginMetadata], plugin: PluginId) -> PluginMetadata:
    instance, error = _attempt(lambda: object.__new__(plugin_class))
    if error is not None:  # a subclass of a built-in type has to be made by that type
        instance, error = _attempt(lambda: plugin_class.__new__(plugin_class))
    if not isinstance(instance, plugin_class):
        reason = f"no instance of {plugin_class.__name__} can be made without its constructor"
        raise NotAPluginError(*plugin, reason, cause=error)
    return instance


def _text(instance: PluginMetadata, attribute: str, plugin: PluginId) -> str:
    value, error = _attempt(lambda: getattr(instance, attribute))
    if error is not None:
        raise NotAPluginError(*plugin, _unreadable(attribute, error), cause=error)
    if not isinstance(value, str):
        raise NotAPluginError(*plugin, f"its {attribute} is no str but of type {type(value).__name__}")
    return printable(value)


def _one_line(instance: PluginMetadata) -> str:
    value, _ = _attempt(lambda: instance.description)
    return printable(value) if isinstance(value, str) else ""


def _dependencies(instance: PluginMetadata, plugin: PluginId) -> tuple[str, ...]:
    value, error = _attempt(lambda: instance.dependencies)
    if error is not None:
        raise NotAPluginError(*plugin, _unreadable("dependencies", error), cause=error)
    if value is None:
        return ()
    if not isinstance(value, _COLLECTIONS) or not all(isinstance(each, str) for each in value):
        raise NotAPluginError(*plugin, "its dependencies are no list of str")
    names = sorted(value) if isinstance(value, (set, frozenset)) else value
    return tuple(dict.fromkeys(map(printable, names)))


def _schema(
    plugin_class: type[PluginMetadata], instance: PluginMetadata, plugin: PluginId
) -> tuple[type[BaseModel] | None, PluginSchemaError | None]:
    schema, error = _attempt(instance.get_config_schema)
    if error is not None:
        return None, schema_fault(plugin, f"get_config_schema() raised {type(error).__name__}", error)
    if schema is None:
        parameter = config_parameter(plugin_class)
        if parameter is None or not parameter.required:
            return None, None
        schema = parameter.model
        if schema is None:
            fault = (
                "the constructor requires a config, get_config_schema() returns None, and no pydantic model"
            )
            return None, schema_fault(plugin, f"{fault} annotates the parameter")
    return _usable(schema, plugin)


def _usable(schema: Any, plugin: PluginId) -> tuple[type[BaseModel] | None, PluginSchemaError | None]:
    from pydantic import BaseModel

    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None, schema_fault(plugin, "get_config_schema() returned something else than a pydantic model")
    _, error = _attempt(schema.model_rebuild)  # does nothing for a model that is complete
    if error is not None:
        return None, schema_fault(plugin, f"building the schema raised {type(error).__name__}", error)
    return schema, None


def schema_fault(plugin: PluginId, message: str, cause: BaseException | None = None) -> PluginSchemaError:
    """The error for a schema that cannot be had or used; a cause only from before any config was seen."""
    error = PluginSchemaError(str(plugin), [{"field": "", "message": message, "type": "schema_error"}])
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
        f"its {attribute} cannot be read before the constructor ran (it raised {type(error).__name__}): "
        "it must not depend on the constructor"
    )
