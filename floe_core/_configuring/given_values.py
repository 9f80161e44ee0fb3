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
from typing import Any

_MARK = "__asks_floe_core__"
"""The attribute of a taught constructor that holds its variable, which all copies of this module share."""
_teaching = threading.Lock()


@contextmanager
def only_given(config: Mapping[Any, Any]) -> Iterator[None]:
    """Run a block that validates `config`; no settings model made in it has a source but what it is given.

    What a module computed when it was imported, such as a default, and what the schema's own code reads from
    `os.environ` stay as they are.
    """
    base = settings_base()
    if base is None:
        yield
        return
    running = _taught(base)
    token = running.set(_Given(config))
    try:
        yield
    finally:
        running.reset(token)


def settings_base() -> type | None:
    """Return BaseSettings, or None if nobody has imported it, so that there is no such model."""
    base = getattr(sys.modules.get("pydantic_settings"), "BaseSettings", None)
    return base if isinstance(base, type) else None


class _Given:
    def __init__(self, config: Mapping[Any, Any]) -> None:
        self._config = config

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


def _taught(base: type) -> ContextVar[_Given | None]:
    """Return the variable that the constructor of BaseSettings asks, and have it ask if it does not yet."""
    with _teaching:
        constructor = vars(base)["__init__"]
        if not hasattr(constructor, _MARK):
            constructor = _asking(base)
            setattr(constructor, _MARK, ContextVar[Any]("floe_core_validation", default=None))
            base.__init__ = constructor  # type: ignore[misc]
        variable: ContextVar[_Given | None] = getattr(constructor, _MARK)
        return variable


def _asking(base: Any) -> Any:
    original = vars(base)["__init__"]
    _, *others = inspect.signature(original).parameters.values()
    options = frozenset(each.name for each in others if each.kind is not each.VAR_KEYWORD)

    @functools.wraps(original)
    def __init__(self: Any, /, *arguments: Any, **values: Any) -> None:  # noqa: N807
        running: _Given | None = getattr(__init__, _MARK).get()
        if running is None:
            original(self, *arguments, **values)
            return
        # An option that the configuration gives is a key like any other; else the author chooses a source.
        chosen = options & values.keys()
        if chosen:
            chosen -= running.keys
        super(base, self).__init__(**{key: value for key, value in values.items() if key not in chosen})

    return __init__
