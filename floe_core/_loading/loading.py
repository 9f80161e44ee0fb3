"""Imports the class that an entry point names, and checks that it is a plugin class.

Sets no time limit and remembers nothing; both are left to the caller.
"""

from __future__ import annotations

import importlib
import threading
from types import ModuleType

from floe_core._class_names import class_name
from floe_core._finding.discovery import EntryPointClaim
from floe_core._finding.entry_points_file import split_reference
from floe_core._loading.import_faults import is_within, not_imported, not_provided
from floe_core._loading.pydantic_plugins import look_for_pydantic_plugins
from floe_core._loading.type_bases import base_of, missing_members, wrong_base
from floe_core.plugin_errors import NotAPluginError, PluginImportError, PluginLoadError
from floe_core.plugin_metadata import PluginMetadata


def load_class(claim: EntryPointClaim) -> type[PluginMetadata]:
    """Return the plugin class that an entry point names.

    Whatever the plugin's code raises, even SystemExit, becomes one of the errors below. Only a
    KeyboardInterrupt in the main thread is raised unchanged, because it might be the user's Ctrl-C.

    Raises:
        PluginImportError: The import raised, or the module lacks what the entry point names.
        NotAPluginError: The entry point does not name a plugin class.
    """
    module_name, path = split_reference(claim.value)
    module: ModuleType | None = None
    try:
        look_for_pydantic_plugins()
        base_of(claim.plugin_type)  # now, because the plugin may break the import system
        module = _import(module_name)
        found: object = module
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        fault = (
            not_imported(module_name, error)
            if module is None
            else not_provided(claim.value, module_name, error)
        )
        failure: PluginLoadError = PluginImportError(*claim.spelled, fault.reason, cause=error, fix=fault.fix)
    else:
        plugin_class = _plugin_class(claim, found)
        if isinstance(plugin_class, type):
            return plugin_class
        failure = plugin_class
    raise failure


def is_users_interrupt(error: BaseException) -> bool:
    """Return True if the exception might be the user's Ctrl-C, which only the main thread receives."""
    return isinstance(error, KeyboardInterrupt) and is_main_thread()


def is_main_thread() -> bool:
    """Return True if the caller runs in the main thread."""
    return threading.current_thread() is threading.main_thread()


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not is_within(error.name, name):
            raise
    # The module might have been installed since the import system last listed the directory.
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _plugin_class(claim: EntryPointClaim, found: object) -> type[PluginMetadata] | PluginLoadError:
    if not isinstance(found, type):
        fault = f"{claim.value} is an object of type {class_name(type(found))}, not a class"
    elif PluginMetadata not in found.__mro__:
        fault = f"{claim.value} is a class that does not inherit from floe_core.PluginMetadata"
    elif (derived := wrong_base(found, claim.plugin_type)) and (
        missing := missing_members(found, claim.plugin_type)
    ):
        group = claim.plugin_type.entry_point_group
        fault = (
            f"{claim.value} {derived}, as a plugin of the group {group} should, and does not implement "
            f"{', '.join(missing)}: change its base class or its group"
        )
    elif missing := sorted(getattr(found, "__abstractmethods__", ())):
        fault = f"{claim.value} is an abstract class: it does not implement {', '.join(missing)}"
    else:
        return found
    return NotAPluginError(*claim.spelled, fault)
