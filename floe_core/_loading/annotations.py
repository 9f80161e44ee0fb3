"""Evaluates one annotation of a plugin's function, and takes it apart."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from floe_core._class_names import error_name


def evaluated(annotation: Any, function: Callable[..., Any], owner: type) -> Any:
    """Return an annotation of a function in the body of `owner`, evaluated if it is text.

    Other annotations of the function are not touched: they might name types imported for type checkers only.

    Raises:
        Exception: Whatever evaluating the text raises; what is no Exception becomes a ValueError.
    """
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, names, dict(vars(owner)))["it"]
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001  (an annotation is plugin code)
        raise ValueError(f"the annotation raised {error_name(error)}") from None


def alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, or else the annotation itself, without Annotated."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return alternatives(typing.get_args(annotation)[0])
    if origin is typing.Union or origin is types.UnionType:
        return [each for member in typing.get_args(annotation) for each in alternatives(member)]
    return [annotation]
