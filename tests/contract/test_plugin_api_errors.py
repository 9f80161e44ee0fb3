"""The errors, frozen as plugin-api.md defines them: their parameters, attributes and messages."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from floe_core import plugin_errors
from floe_core.plugin_types import PluginType
from tests.contract.signatures import parameters

# Error class, its positional parameters, arguments for an example, and what its message must name.
ERRORS: list[tuple[str, str, tuple[Any, ...], list[str]]] = [
    (
        "PluginNotFoundError",
        "(plugin_type, name)",
        (PluginType.COMPUTE, "duckdb"),
        ["COMPUTE:duckdb"],
    ),
    (
        "PluginIncompatibleError",
        "(name, required, platform)",
        ("COMPUTE:duckdb", "2.0", "1.0"),
        ["COMPUTE:duckdb", "2.0", "1.0"],
    ),
    (
        "PluginConfigurationError",
        "(name, errors)",
        ("COMPUTE:duckdb", [{"field": "pool.size", "message": "must be an integer", "type": "int_type"}]),
        ["COMPUTE:duckdb", "pool.size", "must be an integer"],
    ),
    (
        "PluginStartupError",
        "(plugin_type, name, cause=None)",
        (PluginType.COMPUTE, "duckdb", OSError("no such file")),
        ["COMPUTE:duckdb", "no such file"],
    ),
    (
        "DuplicatePluginError",
        "(plugin_type, name)",
        (PluginType.COMPUTE, "duckdb"),
        ["COMPUTE:duckdb"],
    ),
    (
        "CircularDependencyError",
        "(cycle)",
        (["a", "b", "a"],),
        ["a", "b"],
    ),
    (
        "MissingDependencyError",
        "(plugin_name, missing_dependencies)",
        ("COMPUTE:duckdb", ["local", "vault"]),
        ["COMPUTE:duckdb", "local", "vault"],
    ),
]
ERROR_NAMES = [row[0] for row in ERRORS]


@pytest.mark.parametrize(("name", "expected", "arguments", "named"), ERRORS, ids=ERROR_NAMES)
def test_an_error_has_the_parameters_and_the_message_of_the_contract(
    name: str, expected: str, arguments: tuple[Any, ...], named: list[str]
) -> None:
    cls = getattr(plugin_errors, name)

    # Our own additions are optional and keyword-only, so published callers keep working.
    assert parameters(cls, without_keyword_only=True) == expected
    error = cls(*arguments)
    assert isinstance(error, plugin_errors.PluginError)
    for text in named:
        assert text in str(error)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("PluginNotFoundError", {"plugin_type": PluginType.COMPUTE, "name": "duckdb"}),
        (
            "PluginIncompatibleError",
            {"name": "COMPUTE:duckdb", "required_version": "2.0", "platform_version": "1.0"},
        ),
        (
            "PluginConfigurationError",
            {
                "name": "COMPUTE:duckdb",
                "errors": [{"field": "pool.size", "message": "must be an integer", "type": "int_type"}],
            },
        ),
        ("PluginStartupError", {"plugin_type": PluginType.COMPUTE, "name": "duckdb"}),
        ("DuplicatePluginError", {"plugin_type": PluginType.COMPUTE, "name": "duckdb"}),
        ("CircularDependencyError", {"cycle": ["a", "b", "a"]}),
        (
            "MissingDependencyError",
            {"plugin_name": "COMPUTE:duckdb", "missing_dependencies": ["local", "vault"]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_has_its_arguments_as_attributes(name: str, attributes: dict[str, Any]) -> None:
    arguments = next(row[2] for row in ERRORS if row[0] == name)
    error = getattr(plugin_errors, name)(*arguments)

    assert {attribute: getattr(error, attribute) for attribute in attributes} == attributes


def test_a_startup_error_keeps_its_cause() -> None:
    cause = OSError("no such file")

    error = plugin_errors.PluginStartupError(PluginType.COMPUTE, "duckdb", cause=cause)

    assert error.cause is cause
    assert error.__cause__ is cause
    assert plugin_errors.PluginStartupError(PluginType.COMPUTE, "duckdb").cause is None


def test_every_error_of_the_module_is_a_plugin_error() -> None:
    found = [value for value in vars(plugin_errors).values() if isinstance(value, type)]
    errors = [value for value in found if issubclass(value, BaseException)]

    assert all(issubclass(error, plugin_errors.PluginError) for error in errors)
    assert plugin_errors.PluginError.__bases__ == (Exception,)


@pytest.mark.parametrize(("name", "_signature", "arguments", "_named"), ERRORS, ids=ERROR_NAMES)
def test_errors_can_be_passed_between_processes(
    name: str, _signature: str, arguments: tuple[Any, ...], _named: list[str]
) -> None:
    error = getattr(plugin_errors, name)(*arguments)
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert set(vars(arrived)) == set(vars(error))
