"""Sentences name classes that stand in somebody's code, and none that are made of a value."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from floe_core._class_names import class_name, error_name

VALUE = "hunter2canary"


class Known(Exception):
    class Inner(Exception):
        pass


def local() -> type[Exception]:
    class Local(Known):
        pass

    return Local


def made_of(value: str, *bases: type, **members: object) -> type[Any]:
    return type(value, bases or (ValueError,), members)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KeyError, "KeyError"),
        (ModuleType, "module"),
        (json.JSONDecodeError, "JSONDecodeError"),
        (Known, "Known"),
        (Known.Inner, "Inner"),
        (local(), "Local"),
        (made_of(VALUE), "ValueError"),
        (made_of(VALUE, Known), "Known"),
        (made_of(VALUE, __module__="json"), "ValueError"),
        (made_of(VALUE, __module__=5), "ValueError"),
        (made_of("Known", __module__=__name__), "ValueError"),
        (made_of(VALUE, made_of(f"another {VALUE}", OSError)), "OSError"),
    ],
)
def test_a_class_is_named_by_what_stands_in_code(kind: type[Any], name: str) -> None:
    assert class_name(kind) == name


def test_a_metaclass_cannot_give_a_class_another_name() -> None:
    class Named(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            return VALUE

        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise KeyError

    assert class_name(Named(VALUE, (KeyError,), {})) == "KeyError"


def test_an_exception_of_a_module_that_could_not_be_imported_keeps_its_name() -> None:
    module = ModuleType("failing")
    code = f"class Refused(OSError): pass\nclass_of = type({VALUE!r}, (Refused,), {{}})\n"
    with pytest.raises(OSError, match=r"^$") as raised:
        exec(f"{code}raise Refused", vars(module))
    assert "failing" not in sys.modules
    assert error_name(raised.value) == "Refused"
    with pytest.raises(OSError, match=r"^$") as raised:
        exec("raise class_of", vars(module))
    assert error_name(raised.value) == "Refused"
