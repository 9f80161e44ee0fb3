"""Finds the `config` parameter of a plugin's constructor: whether it is required, and its pydantic model.

Only the signature is read; nothing is called.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from floe_core._loading.annotations import alternatives, evaluated

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
        if constructor is None or owner is object:  # whose signature takes a millisecond to read
            continue
        try:
            parameters = inspect.signature(constructor).parameters
        except Exception:  # noqa: BLE001  (a signature can be plugin code)
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

    try:
        annotation = evaluated(annotation, constructor, owner)
    except Exception:  # noqa: BLE001  (an annotation is plugin code)
        return None
    found = [
        each
        for each in alternatives(annotation)
        if isinstance(each, type) and issubclass(each, BaseModel) and each is not BaseModel
    ]
    return found[0] if len(found) == 1 else None
