"""A secret is removed from a plugin's text in every form in which programs print it."""

from __future__ import annotations

import pytest

from tests.support.scrubbing import scrubber_of
from tests.support.secret_forms import BY_DESIGN_NOT, FOUND, Form, reveals


def _scrubbed(secret: str, text: str) -> str:
    return scrubber_of(secret).scrub(text)


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_a_printed_secret_is_removed(form: Form) -> None:
    secret = form.secret()
    scrubbed = _scrubbed(secret, form.printed(secret))
    assert not reveals(form, secret, scrubbed), scrubbed


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_a_printed_secret_is_removed_from_other_text(form: Form) -> None:
    secret = form.secret()
    text = f"cannot connect to the warehouse ({form.printed(secret)}), trying again in a minute"
    scrubbed = _scrubbed(secret, text)
    assert not reveals(form, secret, scrubbed), scrubbed
    # A neighbouring letter can be the one that stands there in the secret, too.
    assert scrubbed.startswith("cannot connect to the ware")
    assert scrubbed.endswith("ying again in a minute")


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_what_looks_like_another_secret_stays(form: Form) -> None:
    text = form.printed(form.secret())
    scrubbed = _scrubbed("another-secret-7f3a9c51", text)
    assert scrubbed == text


@pytest.mark.parametrize("form", BY_DESIGN_NOT, ids=str)
def test_what_is_not_looked_for_stays(form: Form) -> None:
    secret = form.secret()
    text = form.printed(secret)
    assert _scrubbed(secret, text) == text


@pytest.mark.parametrize("form", FOUND, ids=str)
def test_a_secret_is_removed_as_often_as_it_is_printed(form: Form) -> None:
    secret = form.secret()
    printed = form.printed(secret)
    scrubbed = _scrubbed(secret, f"first {printed} - second {printed} - third {printed}")
    assert not reveals(form, secret, scrubbed), scrubbed
