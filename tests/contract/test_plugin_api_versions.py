"""Which plugin API versions are compatible with a platform, frozen as plugin-api.md defines it."""

from __future__ import annotations

import pytest

from floe_core.version_compat import FLOE_PLUGIN_API_MIN_VERSION, FLOE_PLUGIN_API_VERSION, is_compatible
from tests.contract.signatures import signature


def test_the_platform_offers_plugin_api_1_0() -> None:
    assert (FLOE_PLUGIN_API_VERSION, FLOE_PLUGIN_API_MIN_VERSION) == ("1.0", "1.0")


def test_is_compatible_takes_positional_and_keyword_arguments() -> None:
    assert signature(is_compatible) == "(plugin_api_version: str, platform_api_version: str) -> bool"


@pytest.mark.parametrize(
    ("plugin", "platform", "expected"),
    [
        ("1.0", "1.0", True),
        ("1.0", "1.1", True),
        ("1.1", "1.0", False),
        ("1.9", "1.10", True),
        ("1.10", "1.9", False),
        ("2.0", "1.0", False),
        ("1.0", "2.0", False),
        ("0.9", "1.0", False),
        ("0.0", "0.0", True),
        ("10.0", "10.0", True),
    ],
)
def test_a_plugin_is_compatible_if_its_major_is_equal_and_its_minor_not_newer(
    plugin: str, platform: str, expected: bool
) -> None:
    assert is_compatible(plugin, platform) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.0.0",
        "v1.0",
        "1.x",
        "-1.0",
        "1.-1",
        " 1.0",
        "1.0\n",
        "1. 0",
        "1_0.0",
        "\u0661.\u0660",
        "1.0a1",
    ],
)
@pytest.mark.parametrize("side", ["plugin", "platform"])
def test_a_version_that_is_not_x_y_raises_a_value_error_that_shows_it(text: str, side: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is checked below
        is_compatible(text, "1.0") if side == "plugin" else is_compatible("1.0", text)

    assert repr(text) in str(refused.value)
