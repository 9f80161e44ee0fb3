"""Plain YAML scalars mean what they mean to kubectl and the API server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules.yaml_values import number

# As `kubectl -o json` shows them.
NUMBERS: dict[str, Any] = {
    "0": 0,
    "-0": 0,
    "-0.0": 0,
    "007": 7,
    "09": 9,
    "0o17": 15,
    "0O17": 15,
    "0x1F": 31,
    "+0x1F": 31,
    "-0b11": -3,
    "1_000": 1000,
    "685_230.15": 685_230.15,
    ".5": 0.5,
    "5.": 5,
    "1.0": 1,
    "1e3": 1000,
    "1e-400": 0,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "9223372036854775808": 9_223_372_036_854_776_000,
    "0xffffffffffffffff": 18_446_744_073_709_552_000,
    "07777777777777777777777777777777777777": 7.777777777777778e36,
    "123456789012345678901": 123_456_789_012_345_680_000,
    "1e21": 1e21,
}
TEXTS = [
    "",
    "0x",
    "0b2",
    "0o8x",
    "0xffffffffffffffffff",
    "_1",
    "1.2.3",
    "12:30",
    "1e400",
    "1" * 5000,
    "٣",
    ".",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_read_as_the_api_server_stores_it(text: str) -> None:
    found = number(text)
    assert (found, type(found)) == (NUMBERS[text], type(NUMBERS[text]))


@pytest.mark.parametrize("text", TEXTS)
def test_a_scalar_that_is_not_a_64_bit_number_is_text(text: str) -> None:
    assert number(text) is None


@given(st.integers(-(2**63), 2**63 - 1))
def test_64_bit_integers_are_exact(whole: int) -> None:
    assert number(str(whole)) == whole


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_other_numbers_are_read_as_doubles(double: float) -> None:
    found = number(repr(double))
    assert found is not None
    assert float(found) == double
