"""No form and no piece of a secret is left in a plugin's text, and the rest of the text stays."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from floe_core.secret_pieces import PIECE
from floe_operator.rules.scrub import NOTHING, REDACTED, SHORTEST, WITHHELD
from tests.support.calls import calls_in
from tests.support.scrubbing import scrubber_of

# Each adds fewer characters before or after the secret than a piece has.
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(_bytes(text)),
    "repr of a dictionary": lambda text: repr({"": text}),
    "repr of a repr": lambda text: repr(repr(text)),
    "json": json.dumps,
    "json as it is": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "repr in json": lambda text: json.dumps(repr(text)),
    "json in a repr": lambda text: repr(json.dumps(text)),
    "json for html": lambda text: json.dumps(text).replace("<", "\\u003c").replace("&", "\\u0026"),
    "json of php": lambda text: json.dumps(text).replace("/", "\\/"),
    "shell": shlex.quote,
    "html": html.escape,
    "html text": lambda text: html.escape(text, quote=False),
    "percent": lambda text: quote(text, safe="", errors="replace"),
    "percent, slashes": lambda text: quote(text, errors="replace"),
    "query": lambda text: urlencode({"word": text}, errors="replace"),
    "form, slashes": lambda text: quote_plus(text, safe="/", errors="replace"),
    "hex": lambda text: _bytes(text).hex(),
    "HEX": lambda text: _bytes(text).hex().upper(),
    "base64": lambda text: base64.b64encode(_bytes(text)).decode(),
    "basic": lambda text: base64.b64encode(_bytes(f"user:{text}")).decode(),
    "basic of another": lambda text: base64.b64encode(_bytes(f"me:{text}")).decode(),
    "basic of a third": lambda text: base64.b64encode(_bytes(f"you:{text}")).decode(),
    "mime": lambda text: base64.encodebytes(_bytes(text)).decode(),
    "url-safe": lambda text: base64.urlsafe_b64encode(_bytes(text)).decode(),
    "white space collapsed": lambda text: " ".join(text.split()),
    "its lines": lambda text: "\n".join(text.splitlines()),
    "cut short": lambda text: text[: len(text) * 2 // 3],
}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# Often characters that the forms treat differently.
_CHARACTERS = st.one_of(
    st.sampled_from("aZ09 \t\n\r\\\"'<>&/%+=~$§é€😀\u2028\x00\x7f"), st.characters(max_codepoint=0x2FFF)
)
# What is neither white space nor a control character.
_VISIBLE = st.sampled_from("aZ09\"'<>&/%+=~$§é€😀")
SECRETS = st.tuples(_VISIBLE, st.text(_CHARACTERS, min_size=SHORTEST, max_size=58), _VISIBLE).map("".join)


@settings(max_examples=500)
@given(secret=SECRETS, form=st.sampled_from(sorted(FORMS)))
@example(secret='it\'s/a "secret" <&> 100%', form="shell")
@example(secret="hunter", form="basic")
@example(secret="0" * 57 + "four", form="mime")
@example(secret="a\u2028b\u2028c\u2028d\u2028e\u2028f", form="white space collapsed")
def test_no_form_leaves_a_piece_of_a_secret(secret: str, form: str) -> None:
    scrubbed = scrubber_of(secret).scrub(FORMS[form](secret))
    if scrubbed == WITHHELD:
        return
    left = [line.strip() for part in scrubbed.split(REDACTED) for line in part.splitlines()]
    assert not [part for part in left if len(part) >= PIECE]


@given(secret=st.text("abcdefgh0123456789", min_size=PIECE, max_size=200), data=st.data())
def test_a_piece_of_eight_characters_is_removed_wherever_it_is(secret: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(secret) - PIECE))
    end = data.draw(st.integers(start + PIECE, len(secret)))
    assert scrubber_of(secret).scrub(f"<{secret[start:end]}>") == f"<{REDACTED}>"


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_text_without_a_secret_stays_unchanged(text: str) -> None:
    scrubbed = scrubber_of("\ue000" * 12).scrub(text)
    assert scrubbed == (text if text.strip() else "")
    assert NOTHING.scrub(text) == scrubbed


def test_the_words_around_a_secret_stay() -> None:
    scrubber = scrubber_of("hunter2-hunter2", "sesame")
    assert scrubber.scrub("login me:hunter2-hunter2@db failed, sesame?") == (
        f"login me:{REDACTED}@db failed, {REDACTED}?"
    )


@pytest.mark.parametrize(
    "secret", ["12345", "7", "#!$%&", " *****\n", "€", "#!$\n%&*+", "a long line\nabc\nanother long line"]
)
def test_a_secret_too_short_to_be_found_withholds_the_whole_text(secret: str) -> None:
    scrubber = scrubber_of("long-enough-to-be-found", secret)
    assert scrubber.scrub("anything") == WITHHELD
    assert scrubber.scrub(" ") == ""


@pytest.mark.parametrize("secret", ["key: long-enough\n---\n}\n", "\n", "   "])
def test_a_secret_line_that_reveals_nothing_withholds_nothing(secret: str) -> None:
    assert scrubber_of(secret).scrub("all is well") == "all is well"


PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n".format(
    "\n".join(f"{n:064x}" for n in range(20))
)


@pytest.mark.parametrize(
    "secret",
    [
        json.dumps({"type": "service_account", "certificate": PEM}, indent=2),
        f'KEY="{PEM}"',
        f"KEY={json.dumps(PEM)}\nUSER=floe-loader\n",
        PEM + PEM,
    ],
)
def test_what_is_left_of_the_lines_around_a_key_withholds_nothing(secret: str) -> None:
    scrubber = scrubber_of(secret)
    assert scrubber.scrub("connection refused, BEGIN PRIVATE KEY") == "connection refused, BEGIN PRIVATE KEY"
    assert scrubber.scrub(f"it is {15:064x}") == f"it is {REDACTED}"


def test_of_a_long_secret_the_words_beside_what_was_printed_of_it_stay() -> None:
    key = base64.b64encode(bytes(range(256)) * 4).decode()
    scrubber = scrubber_of(key)
    assert (
        scrubber.scrub(f"cannot parse key: {key[100:160]} at line 3")
        == f"cannot parse key: {REDACTED} at line 3"
    )
    for length in range(23, 40):
        for start in range(100, 120):
            assert key[start : start + length] not in scrubber.scrub(f"a {key[start : start + length]} b")


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN A-----\n" * 20_000,
        "\n".join(f"user-{n}:{n * n:x}" for n in range(20_000)),
        "a b " * 100_000,
    ],
)
def test_a_large_secret_takes_little_work_for_each_of_its_lines(secret: str) -> None:
    calls, _ = calls_in(lambda: scrubber_of(secret))
    assert calls < 3_000_000


def test_a_text_with_more_in_it_than_anybody_prints_is_withheld() -> None:
    text = "x"
    while len(text) < 60_000:
        text = base64.b64encode(f"{text}%41&amp;\\x41{text}".encode()).decode()
    assert scrubber_of("hunter2-hunter2").scrub(text[:60_000]) in (text[:60_000], WITHHELD)
