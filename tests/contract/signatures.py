"""The public surface of a class as lines that read like plugin-api.md.

abstract property is_self_hosted -> bool
abstract validate_connection(config: ComputeConfig) -> ConnectionResult
credentials: dict[str, Any] = {}
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from abc import ABCMeta
from collections.abc import Callable, Iterable
from typing import Any


def members(cls: type) -> list[str]:
    """Return a line for each public property and method that the class itself defines, in source order."""
    defined = ((name, value) for name, value in vars(cls).items() if not name.startswith("_"))
    return [_member(name, value) for name, value in defined]


def signature(function: Callable[..., Any]) -> str:
    """Return `(name: str, value: int = 0) -> None`: annotations as in the source, without `self`."""
    found = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_bare(parameter.annotation))
        for name, parameter in found.parameters.items()
        if name not in ("self", "cls")
    ]
    return str(found.replace(parameters=parameters, return_annotation=_bare(found.return_annotation)))


def parameters(function: Callable[..., Any], *, without_keyword_only: bool = False) -> str:
    """Return `(name, value=0)`: names, kinds, defaults; optional keyword-only parameters can be left out."""
    found = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in found.parameters.items()
        if name not in ("self", "cls") and not (without_keyword_only and _is_optional_keyword(parameter))
    ]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def fields(cls: type) -> list[str]:
    """Return a line for each field of a dataclass, in the order of the constructor."""
    return [f"{each.name}: {_bare(each.type)!r}{_default(each)}" for each in dataclasses.fields(cls)]


def lines(table: str) -> list[str]:
    """Return the lines of a table without its margin; an indented line continues the line above it."""
    joined: list[str] = []
    for line in textwrap.dedent(table).strip().splitlines():
        if line.startswith(" "):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line.strip())
    return joined


def abstract_names(cls: type) -> Iterable[str]:
    """Return the names that a subclass must define."""
    assert isinstance(cls, ABCMeta)
    return cls.__abstractmethods__


class _Bare(str):
    """A text whose repr has no quotes, because inspect shows the repr of an annotation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _bare(annotation: Any) -> Any:
    if annotation is inspect.Signature.empty:
        return annotation
    return _Bare(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _member(name: str, value: Any) -> str:
    abstract = "abstract " if getattr(value, "__isabstractmethod__", False) else ""
    if isinstance(value, property):
        assert value.fget is not None
        return f"{abstract}property {name}{signature(value.fget).removeprefix('()')}"
    kind = "classmethod " if isinstance(value, classmethod) else ""
    function = value.__func__ if isinstance(value, classmethod) else value
    return f"{abstract}{kind}{name}{signature(function)}"


def _is_optional_keyword(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f" = {field.default!r}"
    if field.default_factory is not dataclasses.MISSING:
        return f" = {field.default_factory()!r}"
    return ""
