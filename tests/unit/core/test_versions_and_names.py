"""Versions, names, types and the import itself: the small rules that everything else relies on."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import floe_core
from floe_core.plugin_types import PluginType, normalize_name
from floe_core.version_compat import is_compatible

# Cases that the contract tests do not cover.
WRONG = ["1.", ".1", "01.0", "1.00", "1.0 ", "one.two", "1,0", "1" * 5000 + ".0", "\ud800"]


@pytest.mark.parametrize("text", [*WRONG, None, 1.0, b"1.0", ["1.0"]])
def test_a_version_that_is_not_x_y_is_an_error_that_shows_the_text(text: object) -> None:
    for arguments in [(text, "1.0"), ("1.0", text)]:
        with pytest.raises(ValueError, match=r"X\.Y") as caught:
            is_compatible(*arguments)  # type: ignore[arg-type]
        assert repr(text)[:20] in str(caught.value)
        assert len(str(caught.value)) < 200


versions = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))


@given(versions, versions)
def test_compatibility_compares_numbers(plugin: tuple[int, int], platform: tuple[int, int]) -> None:
    expected = plugin[0] == platform[0] and plugin[1] <= platform[1]
    assert is_compatible("{}.{}".format(*plugin), "{}.{}".format(*platform)) is expected


@given(st.text(alphabet="abAB09-_.", max_size=20))
def test_names_are_normalised_as_packaging_does(name: str) -> None:
    from packaging.utils import canonicalize_name

    assert normalize_name(name) == canonicalize_name(name)
    assert normalize_name(normalize_name(name)) == normalize_name(name)


@pytest.mark.parametrize("member", PluginType)
def test_a_type_is_found_by_its_group_and_its_slug(member: PluginType) -> None:
    assert PluginType.from_entry_point_group(member.entry_point_group) is member
    assert PluginType.from_slug(member.slug) is member


def test_the_error_for_an_unknown_group_lists_the_valid_groups() -> None:
    with pytest.raises(ValueError, match="Unknown entry point group") as caught:
        PluginType.from_entry_point_group("floe.nothing")
    assert all(group in str(caught.value) for group in PluginType.all_entry_point_groups())


def test_every_public_name_is_available_from_the_package() -> None:
    assert [name for name in floe_core.__all__ if not hasattr(floe_core, name)] == []
    assert set(floe_core.__all__) <= set(dir(floe_core))
    assert not hasattr(floe_core, "NothingOfTheSort")


@pytest.mark.parametrize(
    ("code", "not_imported"),
    [
        (
            "import floe_core",
            {"pydantic", "structlog", "packaging", "importlib.metadata", "typing", "inspect"},
        ),
        ("import floe_core; floe_core.get_registry()", {"pydantic", "packaging", "importlib.metadata"}),
    ],
)
def test_importing_and_discovering_load_no_heavy_modules(code: str, not_imported: set[str]) -> None:
    script = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not_imported & set(done.stdout.split()) == set()
