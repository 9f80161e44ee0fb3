"""What a printed secret gives away is recognized, and nothing else."""

from __future__ import annotations

import base64
from collections import Counter

import pytest

from tests.support.secret_forms import BY_DESIGN_NOT, FORMS, FOUND, Form, reveals


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_a_printed_secret_reveals_itself_and_no_other(form: Form) -> None:
    secret, other = form.secret(), form.secret()
    printed = form.printed(secret)
    assert reveals(form, secret, f"before {printed} after")
    assert reveals(form, secret, f"before {' '.join(printed.split())} after")
    assert not reveals(form, secret, form.printed(other))
    assert not reveals(form, secret, "before [redacted] after")


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_half_of_a_printed_secret_reveals_it_too(form: Form) -> None:
    secret = form.secret()
    printed = form.printed(secret)
    halves = printed[: len(printed) // 2], printed[len(printed) // 2 :]
    assert any(reveals(form, secret, half) for half in halves)


def test_less_than_a_piece_reveals_nothing() -> None:
    raw = Form("raw", lambda: base64.b64encode(b"0123456789").decode(), str)
    assert not reveals(raw, "swordfish-77", "swordfi and sh-77")


def test_each_form_has_a_name_of_its_own() -> None:
    assert not [name for name, count in Counter(map(str, FORMS)).items() if count > 1]


def test_there_is_a_reason_for_what_is_not_looked_for() -> None:
    assert all(form.by_design_not for form in BY_DESIGN_NOT)
    assert not any(form.by_design_not for form in FOUND)
