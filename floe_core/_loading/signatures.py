"""What a plugin's signatures tell before anything is called: hooks and constructors that cannot work.

Pure: a class in, sentences out. A signature that cannot be read says nothing, nor does one that a decorator
or a metaclass might change.
"""

from __future__ import annotations

import builtins
import inspect
import types
import typing
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from floe_core._loading.annotations import alternatives, evaluated
from floe_core._loading.config_parameter import config_parameter
from floe_core.plugin_metadata import HealthStatus, PluginMetadata

_MOST_NAMED = 5


def signature_warnings(plugin_class: type[PluginMetadata]) -> list[str]:
    """Return what is wrong with the constructor and the hooks; each sentence says how to fix it."""
    found = _of_constructor(plugin_class)
    for name in ("configure", "startup", "health_check", "shutdown"):
        if _constructor_names(plugin_class, name):
            continue  # it may set the hook
        hook = _method(plugin_class, name)
        if hook is not None:
            found += _of_hook(hook)
        elif not _can_be_called(inspect.getattr_static(plugin_class, name)):
            found.append(f"its {name} is not a method: define it as one, or leave it out")
    return found


def _constructor_names(plugin_class: type, attribute: str) -> bool:
    """Return True if the code of a constructor mentions an attribute."""
    constructors = (vars(each).get("__init__") for each in plugin_class.__mro__)
    return any(
        attribute in each.__code__.co_names for each in constructors if isinstance(each, types.FunctionType)
    )


def _can_be_called(attribute: object) -> bool:
    return callable(attribute) or inspect.getattr_static(type(attribute), "__get__", None) is not None


@dataclass(frozen=True, slots=True)
class _Method:
    """A method as a class of the MRO, `owner`, defines it."""

    name: str
    owner: type
    function: types.FunctionType
    parameters: tuple[inspect.Parameter, ...]
    """The parameters without `self` or `cls`."""
    takes_no_self: bool = False
    """Whether the parameter for `self` or `cls` is missing."""

    def unpassed(self, *, positional: int = 0, keywords: Collection[str] = ()) -> list[str]:
        """Return the required parameters that get no value in a call with these arguments."""
        left = []
        for each in self.parameters:
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and positional > 0:
                positional -= 1
            elif each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.default is each.empty:
                by_name = each.name in keywords and each.kind is not each.POSITIONAL_ONLY
                left += [] if by_name else [each.name]
        return left

    @property
    def takes_positional(self) -> bool:
        """Whether the method can be called with a positional argument."""
        return any(each.kind not in (each.KEYWORD_ONLY, each.VAR_KEYWORD) for each in self.parameters)


def _method(plugin_class: type, name: str) -> _Method | None:
    """Return a method that the plugin defines, or None if it inherits ours or the signature is unreadable."""
    owner = next(each for each in plugin_class.__mro__ if name in vars(each))
    if owner in (PluginMetadata, object):
        return None
    found = vars(owner)[name]
    function = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    if not isinstance(function, types.FunctionType):
        return None
    try:
        parameters = tuple(inspect.signature(function, follow_wrapped=False).parameters.values())
    except Exception:  # noqa: BLE001  (a signature can be plugin code)
        return None
    if isinstance(found, staticmethod) and name != "__new__":
        return _Method(name, owner, function, parameters)
    # Not from the signature, which a decorator may have set.
    takes_any = bool(function.__code__.co_flags & inspect.CO_VARARGS)
    takes_no_self = not function.__code__.co_argcount and not takes_any
    first = [each for each in parameters[:1] if each.kind is not each.VAR_POSITIONAL]
    return _Method(name, owner, function, parameters[len(first) :], takes_no_self)


def _of_constructor(plugin_class: type[PluginMetadata]) -> list[str]:
    if type(plugin_class).__call__ is not type.__call__:
        return []
    keywords = ["config"] if config_parameter(plugin_class) is not None else []
    found = (_method(plugin_class, name) for name in ("__new__", "__init__"))
    methods = [each for each in found if each is not None]
    if any(each.takes_no_self for each in methods):
        return ["its constructor has no parameter for self: add it"]
    names = [name for each in methods for name in each.unpassed(keywords=keywords)]
    return _nobody_passes("constructor", dict.fromkeys(names), "add a default, or take a config instead")


def _of_hook(hook: _Method) -> list[str]:
    said = f"{hook.name}()"
    is_async = inspect.iscoroutinefunction(hook.function) or inspect.isasyncgenfunction(hook.function)
    if hook.takes_no_self:
        return [f"its {said} has no parameter for self: add it"]
    found = [f"its {said} is async, but nobody awaits it: define it without async"] if is_async else []
    match hook.name:
        case "configure":
            found += _nobody_passes(said, hook.unpassed(positional=1), "add a default")
            if not hook.takes_positional:
                found.append(f"its {said} does not take the configuration: add the parameter config")
        case "health_check":
            found += _nobody_passes(said, hook.unpassed(keywords=["timeout"]), "add a default")
            found += [] if is_async else _of_answer(hook)
        case _:
            found += _nobody_passes(said, hook.unpassed(), "add a default")
    return found


def _nobody_passes(what: str, names: Iterable[str], fix: str) -> list[str]:
    shown = [*names]
    if not shown:
        return []
    listed = ", ".join(shown[:_MOST_NAMED]) + (", and more" if len(shown) > _MOST_NAMED else "")
    return [f"its {what} requires {listed}, which nobody passes: {fix}"]


def _of_answer(check: _Method) -> list[str]:
    annotation = inspect.signature(check.function, follow_wrapped=False).return_annotation
    # A decorator copies the annotation of what it wraps, and might return something else.
    if annotation is inspect.Signature.empty or hasattr(check.function, "__wrapped__"):
        return []
    try:
        kinds = [_kind(each) for each in alternatives(evaluated(annotation, check.function, check.owner))]
        if any(kind is None or _can_be_a_status(kind) for kind in kinds):
            return []
    except Exception:  # noqa: BLE001  (an annotation is plugin code)
        return []
    name = _name(kinds[0]) if len(kinds) == 1 else "something else"
    return [f"its {check.name}() is annotated to return {name}, not a HealthStatus: return a HealthStatus"]


def _kind(annotation: Any) -> type | None:
    """Return the class that an annotation names, or None if it names none."""
    if annotation is None:
        return type(None)
    named = typing.get_origin(annotation) or annotation
    return named if isinstance(named, type) and named is not Any else None


def _can_be_a_status(kind: type) -> bool:
    return issubclass(kind, HealthStatus) or issubclass(HealthStatus, kind)


def _name(kind: type | None) -> str:
    """Return the name of a built-in class: the names of other classes are the plugin's text."""
    if kind is type(None):
        return "None"
    return next((name for name, value in vars(builtins).items() if value is kind), "something else")
