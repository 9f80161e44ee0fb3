"""Has settings models take the values they are given, and nothing else, while a configuration is validated.

A model that derives from `pydantic_settings.BaseSettings` fills itself from the environment, a .env file and
other sources of its own, at any depth of a schema. These belong to the process that validates, not to whoever
wrote the configuration. Outside of a validation, settings models are what they always were.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_MARK = "__asks_floe_core__"
"""The attribute of a taught constructor that holds its variable, which all copies of this module share."""
_teaching = threading.Lock()


@contextmanager
def only_given(schema: type[BaseModel], config: Mapping[Any, Any]) -> Iterator[None]:
    """Run a block that validates `config`; settings models in it have no source but what they are given.

    What the schema's own code reads (a default that its module computes, `os.environ` in a validator) stays,
    and so do the sources of settings that a validator constructs without a value, if their class does not
    occur in the schema.
    """
    base = getattr(sys.modules.get("pydantic_settings"), "BaseSettings", None)
    if not isinstance(base, type):  # nobody has imported it, so there is no such model
        yield
        return
    running = _taught(base)
    token = running.set(_Validation(schema, config, base))
    try:
        yield
    finally:
        running.reset(token)


class _Validation:
    def __init__(self, schema: type[BaseModel], config: Mapping[Any, Any], base: type) -> None:
        self._schema, self._config, self._base = schema, config, base

    @functools.cached_property
    def settings(self) -> tuple[type, ...]:
        """The settings models that occur in the schema, be it as the factory of a default."""
        parts = _parts(self._schema.__pydantic_core_schema__)
        return tuple(each for each in parts if isinstance(each, type) and self._base in each.__mro__)

    @functools.cached_property
    def keys(self) -> frozenset[Any]:
        """The keys in the configuration, at any depth."""
        return frozenset(key for each in _parts(self._config) if isinstance(each, Mapping) for key in each)


def _parts(whole: Any) -> Iterator[Any]:
    todo, seen = [whole], set()
    while todo:
        each = todo.pop()
        yield each
        if isinstance(each, (Mapping, list, tuple)) and id(each) not in seen:
            seen.add(id(each))
            todo.extend(each.values() if isinstance(each, Mapping) else each)


def _taught(base: type) -> ContextVar[_Validation | None]:
    """Return the variable that the constructor of BaseSettings asks, and have it ask if it does not yet."""
    with _teaching:
        constructor = vars(base)["__init__"]
        if not hasattr(constructor, _MARK):
            constructor = _asking(base)
            setattr(constructor, _MARK, ContextVar[Any]("floe_core_validation", default=None))
            base.__init__ = constructor  # type: ignore[misc]
        variable: ContextVar[_Validation | None] = getattr(constructor, _MARK)
        return variable


def _asking(base: Any) -> Any:
    original = vars(base)["__init__"]
    _, *others = inspect.signature(original).parameters.values()
    options = frozenset(each.name for each in others if each.kind is not each.VAR_KEYWORD)

    @functools.wraps(original)
    def __init__(self: Any, /, *arguments: Any, **values: Any) -> None:  # noqa: N807
        running: _Validation | None = getattr(__init__, _MARK).get()
        if running is None or (values.keys() <= options and not isinstance(self, running.settings)):
            original(self, *arguments, **values)
            return
        # An option that the configuration gives is a key like any other; else the author chooses a source.
        chosen = options & values.keys()
        if chosen:
            chosen -= running.keys
        super(base, self).__init__(**{key: value for key, value in values.items() if key not in chosen})

    return __init__
