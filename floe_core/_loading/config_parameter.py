"""The `config` of a plugin's constructor, read from its signature: whether it must be there, and its model.

Nothing is called: the signature alone is read.
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
    """The parameter named `config` of a constructor, and the one pydantic model that annotates it, if any."""

    required: bool
    model: type[BaseModel] | None


def config_parameter(plugin_class: type[PluginMetadata]) -> ConfigParameter | None:
    """The constructor's `config`, None where it takes none.

    A constructor that passes keyword arguments on is asked on behalf of the one it passes them to.
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
    # That one alone: other parameters may name what is imported for type checkers only.
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
