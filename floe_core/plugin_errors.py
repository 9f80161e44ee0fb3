"""The errors of the registry.

PluginError
├── PluginNotFoundError
├── DuplicatePluginError
├── PluginLoadError
│   ├── PluginImportError             the module or its attribute cannot be imported
│   ├── NotAPluginError               what was imported is not a complete plugin class
│   └── PluginLoadTimeoutError        also a TimeoutError
├── PluginIncompatibleError           written for a different plugin API
│   └── InvalidPluginVersionError     a declared version is invalid
├── PluginConfigurationError          contains paths and rules, never values
│   ├── ConfigurationRequiredError    the plugin requires a configuration and has none
│   ├── ConfigurationNotAcceptedError the plugin takes no configuration
│   ├── ConfigurationChangedError     a started plugin cannot take another configuration
│   └── PluginSchemaError             the schema itself is missing or unusable
├── PluginStartupError
├── PluginTimeoutError                a hook did not return within its time limit; also a TimeoutError
├── CircularDependencyError
├── MissingDependencyError
└── AmbiguousDependencyError

Messages name a plugin as `COMPUTE:duckdb`. An error that is about one plugin has its `plugin_type`, and its
`name` (of dependencies: `plugin_name`) as the plugin's entry point spells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from floe_core._class_names import error_name

if TYPE_CHECKING:
    from floe_core.plugin_types import PluginType


class FieldError(TypedDict):
    """One fault in a configuration: a dotted path, a sentence and pydantic's error type."""

    field: str
    message: str
    type: str


_NOT_CONFIGURED = FieldError(
    field="", message="the plugin cannot be constructed before it is configured", type="config_required"
)

_HOOK_FAILED = {"constructor": "cannot be constructed", "configure": "did not accept its configuration"}


def _named(plugin_type: PluginType | None, name: str) -> str:
    return name if plugin_type is None else f"{plugin_type.name}:{name}"


class PluginError(Exception):
    """Base class of all registry errors; they can be copied, and pickled if their cause can."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own __reduce__ would call the constructor with the message.
        return _restored, (type(self), self.args), vars(self)


class PluginNotFoundError(PluginError):
    """No plugin of this type and name is installed or registered."""

    def __init__(self, plugin_type: PluginType, name: str) -> None:
        self.plugin_type = plugin_type
        self.name = name
        super().__init__(
            f"Plugin not found: {plugin_type.name}:{name} is neither installed nor registered; "
            "list_all() lists those that are"
        )


class DuplicatePluginError(PluginError):
    """Two plugins claim the same type and name; if both are installed, neither is used."""

    def __init__(
        self, plugin_type: PluginType, name: str, *, claims: Sequence[str] = (), fix: str = ""
    ) -> None:
        self.plugin_type = plugin_type
        self.name = name
        self.claims = tuple(claims)
        by = f", claimed by {' and by '.join(self.claims)}"
        why = by if self.claims else ": it already exists"
        super().__init__(f"Duplicate plugin: {plugin_type.name}:{name}{why}" + (f"; {fix}" if fix else ""))


class PluginLoadError(PluginError):
    """The plugin's class cannot be loaded; `cause` is what the plugin's own code raised, if it raised.

    `reason` is the registry's own sentence; only `cause` contains text from the plugin.
    """

    def __init__(
        self, plugin_type: PluginType, name: str, reason: str, *, cause: BaseException | None = None
    ) -> None:
        self.plugin_type = plugin_type
        self.name = name
        self.reason = reason
        self.cause = cause
        said = exception_text(cause, after=reason) if cause is not None else ""
        super().__init__(f"Cannot load {plugin_type.name}:{name}: {reason}" + (f": {said}" if said else ""))
        self.__cause__ = cause


class PluginImportError(PluginLoadError):
    """Importing the plugin's module raised, or the module lacks what the entry point names.

    `fix` says how to fix it, and ends the message.
    """

    def __init__(
        self,
        plugin_type: PluginType,
        name: str,
        reason: str,
        *,
        cause: BaseException | None = None,
        fix: str = "",
    ) -> None:
        super().__init__(plugin_type, name, reason, cause=cause)
        self.fix = fix
        if fix:
            self.args = (f"{self.args[0]}; {fix}",)

    def with_fix(self, other: str) -> PluginImportError:
        """Return the same error with another way to fix it."""
        fix = f"{self.fix}, {other}" if self.fix else other
        return PluginImportError(self.plugin_type, self.name, self.reason, cause=self.cause, fix=fix)


class NotAPluginError(PluginLoadError):
    """What the entry point names does not follow the plugin contract."""


class PluginLoadTimeoutError(PluginLoadError, TimeoutError):
    """The import did not return within its time limit."""


class PluginIncompatibleError(PluginError):
    """The plugin was written for a plugin API that this platform does not offer or no longer offers."""

    def __init__(
        self,
        name: str,
        required: str,
        platform: str,
        *,
        oldest: str | None = None,
        plugin_type: PluginType | None = None,
    ) -> None:
        self.plugin_type = plugin_type
        self.name = name
        self.required_version = required
        self.platform_version = platform
        offered = platform if oldest in (None, platform) else f"{oldest} to {platform}"
        super().__init__(
            f"Plugin {_named(plugin_type, name)} is incompatible: needs plugin API {required}, "
            f"but the platform offers {offered}"
        )


class InvalidPluginVersionError(PluginIncompatibleError):
    """The plugin declares an invalid version."""

    def __init__(
        self,
        name: str,
        required: str,
        platform: str,
        *,
        reason: str,
        plugin_type: PluginType | None = None,
    ) -> None:
        super().__init__(name, required, platform, plugin_type=plugin_type)
        self.reason = reason
        self.args = (f"Plugin {_named(plugin_type, name)} declares an invalid version: {reason}",)


class PluginConfigurationError(PluginError):
    """A configuration does not match the plugin's schema; `errors` has paths and rules, never values."""

    def __init__(
        self,
        name: str,
        errors: Sequence[Mapping[str, object]],
        *,
        plugin_type: PluginType | None = None,
    ) -> None:
        self.plugin_type = plugin_type
        self.name = name
        self.errors = [{key: str(value) for key, value in error.items()} for error in errors]
        faults = "; ".join(map(_sentence, self.errors))
        super().__init__(f"Invalid configuration for {_named(plugin_type, name)}: {faults}")


class ConfigurationRequiredError(PluginConfigurationError):
    """Nothing has been configured yet, and the plugin requires a configuration."""

    def __init__(
        self,
        name: str,
        errors: Sequence[Mapping[str, object]] = (),
        *,
        plugin_type: PluginType | None = None,
    ) -> None:
        super().__init__(name, errors or [_NOT_CONFIGURED], plugin_type=plugin_type)
        faults = "; ".join(map(_sentence, self.errors)) if errors else "call configure() first"
        self.args = (f"Plugin {_named(plugin_type, name)} is not configured: {faults}",)


class ConfigurationNotAcceptedError(PluginConfigurationError):
    """A configuration was given to a plugin that takes none."""


class ConfigurationChangedError(PluginConfigurationError):
    """A plugin that takes its configuration by the constructor is started, and keeps the one it has.

    `state` is "started" or "starting".
    """

    def __init__(self, name: str, *, state: str = "started", plugin_type: PluginType | None = None) -> None:
        message = f"it is {state}: shut it down, configure it, start it"
        error = FieldError(field="", message=message, type="config_changed")
        super().__init__(name, [error], plugin_type=plugin_type)
        self.args = (f"Plugin {_named(plugin_type, name)} keeps its configuration, because {message}",)


class PluginSchemaError(PluginConfigurationError):
    """The plugin's configuration schema raises, is not a pydantic model, or cannot be built."""


class PluginStartupError(PluginError):
    """The plugin's constructor, configure() or startup() raised or did not return in time."""

    def __init__(
        self, plugin_type: PluginType, name: str, cause: BaseException | None = None, *, hook: str = "startup"
    ) -> None:
        self.plugin_type = plugin_type
        self.name = name
        self.cause = cause
        self.hook = hook
        said = exception_text(cause) if cause is not None else ""
        because = f": {hook}: {said.removeprefix('PluginError: ')}" if said else ""
        what = _HOOK_FAILED.get(hook, "did not start")
        super().__init__(f"Plugin {plugin_type.name}:{name} {what}{because}")
        self.__cause__ = cause


class PluginTimeoutError(PluginError, TimeoutError):
    """A hook did not return within its time limit (`timeout`, in seconds).

    `behind` names the earlier hook because of which it did not even begin.
    """

    def __init__(self, what: str, timeout: float, *, behind: str | None = None) -> None:
        self.timeout = timeout
        self.behind = behind
        super().__init__(
            f"{what} did not return within {timeout:g} s"
            if behind is None
            else f"{what} did not begin, because an earlier {behind} has not returned"
        )


class CircularDependencyError(PluginError):
    """Plugins need one another; `cycle` repeats its first name at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = list(cycle)
        super().__init__(f"Circular dependency: {' -> '.join(self.cycle)}")


class MissingDependencyError(PluginError):
    """A plugin needs plugins that are missing (with `of_given`: missing from the objects to be ordered)."""

    def __init__(
        self,
        plugin_name: str,
        missing_dependencies: Sequence[str],
        *,
        of_given: bool = False,
        plugin_type: PluginType | None = None,
    ) -> None:
        self.plugin_type = plugin_type
        self.plugin_name = plugin_name
        self.missing_dependencies = list(missing_dependencies)
        lack = "not among the given plugins" if of_given else "neither installed nor registered"
        missing = ", ".join(self.missing_dependencies)
        super().__init__(f"Plugin {_named(plugin_type, plugin_name)} needs {missing}: {lack}")


class AmbiguousDependencyError(PluginError):
    """Several plugins share the bare name of a dependency; it must be written as `type/name`."""

    def __init__(
        self,
        plugin_name: str,
        dependency: str,
        candidates: Iterable[str],
        *,
        plugin_type: PluginType | None = None,
    ) -> None:
        self.plugin_type = plugin_type
        self.plugin_name = plugin_name
        self.dependency = dependency
        self.candidates = list(candidates)
        if len({*self.candidates}) == len(self.candidates):
            which = f"could be {' or '.join(self.candidates)}: write one of these instead"
        else:  # unregistered objects that share a name, so their types are unknown
            which = f"names {len(self.candidates)} of the given plugins"
        super().__init__(f"Plugin {_named(plugin_type, plugin_name)} needs {dependency!r}, which {which}")


def _restored(kind: type[PluginError], args: tuple[object, ...]) -> PluginError:
    error = kind.__new__(kind, *args)
    error.args = args  # a TimeoutError does not take them from __new__
    return error


def exception_text(error: BaseException, *, after: str = "") -> str:
    """Return the exception's type and text for use in a message, whatever its `__str__` does.

    The type is left out if the message has it already, as the last word before this text (`after`).
    """
    name = error_name(error)
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  (plugin code)
        text = ""
    return ": ".join(filter(None, ["" if after.endswith(f" {name}") else name, text]))


def _sentence(error: Mapping[str, str]) -> str:
    where = error.get("field", "")
    return f"{where}: {error.get('message', '')}" if where else error.get("message", "")
