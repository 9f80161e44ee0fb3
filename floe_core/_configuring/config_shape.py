"""Derives the possible shapes of a configuration from the types of a pydantic model.

A type is reduced to its alternatives: named fields, items, a free mapping, a string of JSON, a secret, or a
leaf. The alternatives show where a configuration has secrets. In the location of an error they distinguish
names from the schema, which can be shown, from keys that are user data, which must not be shown.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pydantic
import typing_extensions  # required by pydantic; recognises typing's TypedDict and its own
from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo


class Fields(NamedTuple):
    """Keys defined by the schema, each with the types it can have."""

    names: Mapping[str, tuple[Any, ...]]
    spelled: tuple[str, ...]
    """One of the names of each field: that which pydantic uses for it."""


class Items(NamedTuple):
    """A sequence or a set."""

    types: tuple[Any, ...]


class Values(NamedTuple):
    """A mapping with free keys."""

    key: Any
    value: Any


class JsonText(NamedTuple):
    """A string that holds JSON of another type."""

    type: Any


class Secret(NamedTuple):
    """SecretStr, SecretBytes or Secret[T]."""


class Leaf(NamedTuple):
    """Anything else."""


Shape = Fields | Items | Values | JsonText | Secret | Leaf

# Secret[T] was added in pydantic 2.7.
SECRETS: tuple[Any, ...] = (SecretStr, SecretBytes, *filter(None, [getattr(pydantic, "Secret", None)]))
_TRANSPARENT: list[Any] = [
    typing.Final,
    typing.ClassVar,
    *(getattr(typing_extensions, name, None) for name in ("Required", "NotRequired", "ReadOnly")),
    *(getattr(typing, name, None) for name in ("Required", "NotRequired", "ReadOnly")),
]


_SELF = tuple(filter(None, (typing_extensions.Self, getattr(typing, "Self", None))))


class _Rest(NamedTuple):
    """The rest of an alias that is a path into nested data."""

    path: tuple[str | int, ...]
    type: Any


def shapes(types_: Iterable[Any]) -> list[Shape]:
    """Return the alternatives of the types, each type once, unions and aliases resolved; at least a `Leaf`.

    None is not an alternative: it only says that the value can be left out.
    """
    members = {id(each): each for type_ in types_ for each in _alternatives(type_)}
    return [shape for each in members.values() for shape in _shapes(each)] or [Leaf()]


def has_secret(alternatives: Iterable[Shape]) -> bool:
    """Return True if one of the alternatives is a secret."""
    return any(isinstance(shape, Secret) for shape in alternatives)


def members_of(value: Any) -> Mapping[Any, Any] | None:
    """Return what a mapping, a model or a dataclass holds, by key or name; None for any other value."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return {**vars(value), **(value.model_extra or {})}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return None


def _alternatives(type_: Any) -> Iterator[Any]:
    """Yield the members of unions, and what aliases, annotations and type variables stand for."""
    todo, seen = [type_], 0
    while todo and seen < 1000:  # an alias can refer to itself
        each = todo.pop(0)
        seen += 1
        inner = _resolved(each)
        if inner is None:
            if each is not None and each is not type(None):
                yield each
        else:
            todo[:0] = inner


def _resolved(type_: Any) -> list[Any] | None:
    """Return what the type stands for, or None if it stands for itself."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Union or origin is types.UnionType:
        return list(arguments)
    if origin is typing.Annotated:
        if any(_is_json(each) for each in type_.__metadata__):
            return None
        return [arguments[0]]
    if origin in _TRANSPARENT and arguments:
        return [arguments[0]]
    alias = type_ if origin is None else origin
    if type(alias).__name__ == "TypeAliasType":
        value = _evaluated(alias.__value__, alias.__module__)
        return [_substituted(value, dict(zip(alias.__type_params__, arguments, strict=False)))]
    if isinstance(type_, typing.TypeVar):
        return [type_.__bound__] if type_.__bound__ is not None else list(type_.__constraints__) or None
    if isinstance(type_, dataclasses.InitVar):
        return [type_.type]
    supertype = getattr(type_, "__supertype__", None)  # NewType
    return None if supertype is None else [supertype]


def _is_json(metadata: Any) -> bool:
    return metadata is pydantic.Json or isinstance(metadata, pydantic.Json)


def _shapes(type_: Any) -> list[Shape]:
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return [JsonText(arguments[0])]
    if isinstance(type_, _Rest):
        return [_rest(type_)]
    base = origin or type_
    if not isinstance(base, type):
        return [Leaf()]
    if issubclass(base, SECRETS):
        return [Secret()]
    if issubclass(base, BaseModel):
        return _of_model(base)
    if dataclasses.is_dataclass(base) or typing_extensions.is_typeddict(base):
        return [_fields_of(base, arguments)]
    if issubclass(base, tuple) and hasattr(base, "_fields"):
        fields = _fields_of(base, arguments)
        return [fields, Items(tuple(each for types_ in fields.names.values() for each in types_))]
    if issubclass(base, collections.abc.Mapping):
        return [Values(*arguments)] if len(arguments) == 2 else [Values(Any, Any)]
    if issubclass(base, collections.abc.Iterable) and not issubclass(base, (str, bytes, bytearray)):
        return [Items(tuple(each for each in arguments if each is not Ellipsis) or (Any,))]
    return [Leaf()]


def _rest(rest: _Rest) -> Shape:
    head, *tail = rest.path
    inner = _Rest(tuple(tail), rest.type) if tail else rest.type
    return Fields({head: (inner,)}, (head,)) if isinstance(head, str) else Items((inner,))


def _of_model(model: type[BaseModel]) -> list[Shape]:
    # A model might have been defined before the types it names; for most models this does nothing.
    with contextlib.suppress(Exception):
        model.model_rebuild(raise_errors=False)
    if issubclass(model, RootModel):
        return shapes([_annotation(model.model_fields["root"], model)])
    found: list[Shape] = [_fields(model.model_fields, model)]
    if model.model_config.get("extra") == "allow":
        extra = _type_hints(model).get("__pydantic_extra__", Any)
        found.extend(each for each in shapes([extra]) if isinstance(each, Values))
    return found


def spelling(name: str, field: FieldInfo) -> tuple[str | int, ...]:
    """Return the path at which pydantic misses a field that is not given: its first alias, or its name."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0] if alias.choices else None
    return tuple(alias.path) if isinstance(alias, AliasPath) else (alias or name,)


def _fields(fields: Mapping[str, FieldInfo], owner: type) -> Fields:
    """Return the types of each field by every name under which it can be given, including all aliases."""
    names: dict[str, tuple[Any, ...]] = {}
    for name, field in fields.items():
        annotation = _annotation(field, owner)
        for path in _paths(name, field):
            inner = _Rest(path[1:], annotation) if len(path) > 1 else annotation
            names[str(path[0])] = (*names.get(str(path[0]), ()), inner)
    return Fields(names, tuple(dict.fromkeys(str(spelling(*each)[0]) for each in fields.items())))


def _paths(name: str, field: FieldInfo) -> Iterator[tuple[str | int, ...]]:
    yield (name,)
    for alias in (field.alias, field.validation_alias):
        for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            if isinstance(each, AliasPath):
                yield tuple(each.path)
            elif each is not None and each != name:
                yield (each,)


def _annotation(field: FieldInfo, owner: type) -> Any:
    annotation: Any = field.annotation
    if isinstance(annotation, (str, typing.ForwardRef)):
        annotation = _evaluated(annotation, owner.__module__)
    annotation = _with_owner(annotation, owner)
    # The metadata says whether a string of JSON is expected.
    json = any(_is_json(each) for each in field.metadata)
    return typing.Annotated[annotation, pydantic.Json] if json else annotation


def _fields_of(owner: Any, arguments: tuple[Any, ...]) -> Fields:
    fields = getattr(owner, "__pydantic_fields__", None)
    if isinstance(fields, dict) and fields:
        return _fields(fields, owner)
    bound = dict(zip(getattr(owner, "__parameters__", ()), arguments, strict=False))
    hints = {name: _substituted(each, bound) for name, each in _type_hints(owner).items()}
    if dataclasses.is_dataclass(owner) or typing_extensions.is_typeddict(owner):
        return _fields({name: _field_of(name, each, owner) for name, each in hints.items()}, owner)
    return Fields({name: (each,) for name, each in hints.items()}, tuple(hints))


def _field_of(name: str, type_: Any, owner: Any) -> FieldInfo:
    """Return a field of which pydantic keeps no record: its alias is its own, or by its class's config."""
    while typing.get_args(type_) and typing.get_origin(type_) in _TRANSPARENT:
        type_ = typing.get_args(type_)[0]
    default = getattr(getattr(owner, "__dataclass_fields__", {}).get(name), "default", None)
    if isinstance(default, FieldInfo):
        field = FieldInfo.from_annotated_attribute(type_, default)
    else:
        field = FieldInfo.from_annotation(type_)
    generator = getattr(owner, "__pydantic_config__", {}).get("alias_generator")
    if field.alias is None and field.validation_alias is None and generator is not None:
        if callable(generator):
            field.validation_alias = generator(name)
        else:  # an AliasGenerator
            alias, for_validation, _ = generator.generate_aliases(name)
            field.validation_alias = for_validation or alias
    return field


def _with_owner(type_: Any, owner: type) -> Any:
    """Return the type with the class that it belongs to in place of `Self`."""
    if any(type_ is each for each in _SELF):
        return owner
    arguments = typing.get_args(type_)
    changed = tuple(_with_owner(each, owner) for each in arguments)
    if all(one is other for one, other in zip(arguments, changed, strict=True)):
        return type_
    origin = typing.get_origin(type_)
    if origin is typing.Union or origin is types.UnionType:
        return typing.Union[changed]  # noqa: UP007  (of a tuple)
    if origin is typing.Annotated:
        return typing.Annotated[(changed[0], *type_.__metadata__)]
    return origin[changed] if origin is not None else type_


def _substituted(type_: Any, bound: Mapping[Any, Any]) -> Any:
    if type_ in bound:
        return bound[type_]
    parameters = getattr(type_, "__parameters__", ())
    return type_[tuple(bound.get(each, each) for each in parameters)] if bound and parameters else type_


def _evaluated(type_: Any, module: str) -> Any:
    """Return the type with the strings in it evaluated; a recursive alias refers to itself by a string."""
    holder = types.SimpleNamespace(__annotations__={"type": type_})
    try:
        names = vars(sys.modules[module])
        return typing_extensions.get_type_hints(holder, names, include_extras=True)["type"]
    except Exception:  # noqa: BLE001  (annotations are plugin code)
        return type_


def _type_hints(owner: Any) -> dict[str, Any]:
    try:
        return typing_extensions.get_type_hints(owner, include_extras=True)
    except Exception:  # noqa: BLE001  (annotations are plugin code)
        return {}
