"""Creates plugins: the only place where a plugin's constructor is called.

A constructor with a `config` parameter gets the validated configuration; other plugins get it through
configure() afterwards. No constructor ever gets a made-up configuration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from floe_core._class_names import class_name
from floe_core._loading.config_parameter import config_parameter
from floe_core._loading.loading import is_users_interrupt
from floe_core.plugin_errors import ConfigurationRequiredError, PluginError, PluginStartupError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginName

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


def construct(
    plugin_class: type[PluginMetadata], config: BaseModel | None, plugin: PluginName
) -> PluginMetadata:
    """Return the plugin, configured if there is a configuration.

    Raises:
        ConfigurationRequiredError: The constructor requires a configuration and there is none.
        PluginStartupError: A hook raised; `hook` is "constructor" or "configure".
    """
    check_constructible(plugin_class, config, plugin)
    parameter = config_parameter(plugin_class)
    if parameter is not None and config is not None:
        return call_hook(plugin, "constructor", lambda: _constructed_with(plugin_class, config))
    instance = call_hook(plugin, "constructor", lambda: _checked(plugin_class(), plugin_class))
    if config is not None:
        configure(instance, config, plugin)
    return instance


def _constructed_with(plugin_class: type[PluginMetadata], config: BaseModel) -> PluginMetadata:
    # The base class has no such parameter; published plugins add it.
    instance = _checked(plugin_class(config=config), plugin_class)  # type: ignore[call-arg]
    attributes = getattr(instance, "__dict__", {})
    if attributes.get("_config") is None:  # so that is_configured is true; a frozen dataclass refuses setattr
        attributes["_config"] = config
    return instance


def _checked(instance: object, plugin_class: type[PluginMetadata]) -> PluginMetadata:
    if not isinstance(instance, PluginMetadata):  # a class can have any __new__
        raise TypeError(
            f"{class_name(plugin_class)}() returned {class_name(type(instance))}, which is not a plugin"
        )
    return instance


def check_constructible(
    plugin_class: type[PluginMetadata], config: BaseModel | None, plugin: PluginName
) -> None:
    """Check that there is a configuration if the constructor requires one.

    Raises:
        ConfigurationRequiredError: There is none.
    """
    parameter = config_parameter(plugin_class)
    if parameter is not None and parameter.required and config is None:
        raise ConfigurationRequiredError(plugin.name, plugin_type=plugin.plugin_type)


def is_configured_by_constructor(plugin_class: type[PluginMetadata]) -> bool:
    """Return True if an object keeps the configuration of its constructor, whatever is configured later."""
    overrides = inspect.getattr_static(plugin_class, "configure", None) is not PluginMetadata.configure
    return config_parameter(plugin_class) is not None and not overrides


def configure(instance: PluginMetadata, config: BaseModel | None, plugin: PluginName) -> None:
    """Pass a validated configuration to an existing plugin.

    Raises:
        PluginStartupError: configure() raised.
    """
    call_hook(plugin, "configure", lambda: instance.configure(config))


def call_hook(plugin: PluginName, hook: str, call: Callable[[], T]) -> T:
    """Return what `call` returns.

    Raises:
        PluginStartupError: `call` raised anything but a user's Ctrl-C, or the hook is async.
    """
    try:
        answer = call()
        reject_coroutine(hook, answer)
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        failure = startup_error(plugin, hook, error)
    else:
        return answer
    raise failure


def reject_coroutine(hook: str, answer: object) -> None:
    """Raise TypeError if a hook is async, so that calling it did nothing."""
    if inspect.iscoroutine(answer):
        answer.close()  # or else Python prints that nobody awaited it, without the plugin's name
        raise TypeError(f"{hook}() is async, but nobody awaits it")


def startup_error(plugin: PluginName, hook: str, cause: BaseException) -> PluginStartupError:
    """Return the error for a failed hook; a ValidationError is cut to its count, because it quotes input."""
    from pydantic import ValidationError

    if isinstance(cause, ValidationError):
        cause = PluginError(f"{cause.error_count()} validation errors for {cause.title}")
    return PluginStartupError(*plugin, cause, hook=hook)
