"""Names classes in sentences about plugins without quoting values."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# Those of the class itself: a metaclass can have others.
_NAME, _QUALNAME, _MODULE = (type.__dict__[each] for each in ("__name__", "__qualname__", "__module__"))
_MADE_AT_RUN_TIME = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: a class that is not a part of the interpreter or an extension module."""


def class_name(kind: type) -> str:
    """Return the name of a class, or of its nearest base whose name stands in the code of a module.

    A class that is made while a program runs can be named after anything, such as a password.
    """
    return _name(kind, {})


def error_name(error: BaseException) -> str:
    """Return the name of an exception's class as `class_name` does, although its module may not be imported.

    The import system drops a module that raises while it is imported.
    """
    frames = traceback.walk_tb(error.__traceback__)
    return _name(type(error), {frame.f_globals.get("__name__"): frame.f_globals for frame, _ in frames})


def _name(kind: type, modules: Mapping[Any, Mapping[str, Any]]) -> str:
    return next((_NAME.__get__(each) for each in type.mro(kind) if _stands_in_code(each, modules)), "object")


def _stands_in_code(kind: type, modules: Mapping[Any, Mapping[str, Any]]) -> bool:
    if not kind.__flags__ & _MADE_AT_RUN_TIME:
        return True
    path = str(_QUALNAME.__get__(kind))
    around, _, name = path.rpartition(".")
    if name != _NAME.__get__(kind):
        return False
    if around.endswith("<locals>"):
        return True  # only the statement `class` gives such a name
    module = _MODULE.__get__(kind)
    if not isinstance(module, str):
        return False
    home = sys.modules.get(module)
    members = vars(home) if isinstance(home, ModuleType) else modules.get(module, {})
    found: Any = None
    for name in path.split("."):
        found = members.get(name)
        members = vars(found) if isinstance(found, type) else {}
    return found is kind
