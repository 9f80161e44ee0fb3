"""Makes the plugin: the one place where a constructor of a plugin is called.

A constructor that takes a config gets the validated one; the others get it by configure() afterwards. No
constructor ever sees a made-up config.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from floe_core._loading.config_parameter import config_parameter
from floe_core._loading.loading import is_users_interrupt
from floe_core.plugin_errors import ConfigurationRequiredError, PluginError, PluginStartupError
from floe_core.plugin_types import PluginId

if TYPE_CHECKING:
    from pydantic import BaseModel

    from floe_core.plugin_metadata import PluginMetadata

T = TypeVar("T")


def construct(
    plugin_class: type[PluginMetadata], config: BaseModel | None, plugin: PluginId
) -> PluginMetadata:
    """The plugin, configured where there is a config.

    ConfigurationRequiredError where the constructor needs one and there is none; PluginStartupError with
    `hook` "constructor" or "configure" for whatever these raise.
    """
    parameter = config_parameter(plugin_class)
    if parameter is not None and parameter.required and config is None:
        raise ConfigurationRequiredError(str(plugin))
    if parameter is not None and config is not None:
        # The keyword is in no signature of the base: published plugins add it.
        return call_hook(plugin, "constructor", lambda: plugin_class(config=config))  # type: ignore[call-arg]
    instance = call_hook(plugin, "constructor", plugin_class)
    if config is not None:
        configure(instance, config, plugin)
    return instance


def configure(instance: PluginMetadata, config: BaseModel | None, plugin: PluginId) -> None:
    """Hands a validated config to a plugin that exists; PluginStartupError for whatever it raises."""
    call_hook(plugin, "configure", lambda: instance.configure(config))


def call_hook(plugin: PluginId, hook: str, call: Callable[[], T]) -> T:
    """What `call` returns; PluginStartupError whatever it raises, a user's Ctrl-C excepted."""
    try:
        return call()
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        failure = startup_error(plugin, hook, error)
    raise failure


def startup_error(plugin: PluginId, hook: str, cause: BaseException) -> PluginStartupError:
    """The error of a hook. A ValidationError quotes its input, so that its count stands for it."""
    from pydantic import ValidationError

    if isinstance(cause, ValidationError):
        cause = PluginError(f"{cause.error_count()} validation errors for {cause.title}")
    return PluginStartupError(*plugin, cause, hook=hook)
