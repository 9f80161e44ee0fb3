"""Finds the `config` parameter of a plugin's constructor: whether it is required, and its pydantic model.

Only the signature is read; nothing is called.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from floe_core.plugin_metadata import PluginMetadata


@dataclass(frozen=True, slots=True)
class ConfigParameter:
    """A constructor's `config` parameter; `model` is the only pydantic model in its annotation, or None."""

    required: bool
    model: type[BaseModel] | None


def config_parameter(plugin_class: type[PluginMetadata]) -> ConfigParameter | None:
    """Return the constructor's `config` parameter, or None if there is none.

    If a constructor has no `config` but takes `**kwargs`, the next constructor in the MRO is examined.
    """
    for owner in plugin_class.__mro__:
        constructor = owner.__dict__.get("__init__")
        if constructor is None:
            continue
        try:
            parameters = inspect.signature(constructor).parameters
        except (TypeError, ValueError):
            return None
        parameter = parameters.get("config")
        if parameter is not None and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            model = _model(parameter.annotation, constructor, owner)
            return ConfigParameter(parameter.default is parameter.empty, model)
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return None
    return None


def _model(annotation: Any, constructor: Any, owner: type) -> type[BaseModel] | None:
    from pydantic import BaseModel

    if isinstance(annotation, str):
        annotation = _evaluated(annotation, constructor, owner)
    found = [
        each
        for each in _alternatives(annotation)
        if isinstance(each, type) and issubclass(each, BaseModel) and each is not BaseModel
    ]
    return found[0] if len(found) == 1 else None


def _evaluated(annotation: str, constructor: Any, owner: type) -> Any:
    # Only this annotation: those of other parameters might name types imported for type checkers only.
    holder = types.SimpleNamespace(__annotations__={"config": annotation})
    names = getattr(inspect.unwrap(constructor), "__globals__", {})
    try:
        return typing.get_type_hints(holder, names, dict(vars(owner)))["config"]
    except Exception:  # noqa: BLE001  (an annotation is plugin code)
        return None


def _alternatives(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin is typing.Union or origin is types.UnionType:
        return [each for member in typing.get_args(annotation) for each in _alternatives(member)]
    return [annotation]
