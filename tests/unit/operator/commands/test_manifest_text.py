"""How a text becomes documents, and in which words one that kubectl would not read is refused.

That kubectl does read it so is tested against kubectl, in tests/integration.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.commands.manifest_text import Part, UnreadableText, read_text


def read(text: str) -> list[Part]:
    return list(read_text(text))


def fault(text: str) -> UnreadableText:
    with pytest.raises(UnreadableText) as refused:
        read(text)
    return refused.value


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        (
            "%YAML 1.2\n---\na: b\n",
            1,
            "a directive such as %YAML or %TAG, which kubectl does not read; remove the",
        ),
        (
            "a: b\n---\n%TAG ! x:\n---\nc: d\n",
            3,
            "a directive such as %YAML or %TAG, which kubectl does not read",
        ),
        (
            "a: b\n--- {c: d}\n",
            2,
            "has text after ---, which kubectl does not read; begin the document on the next",
        ),
        (
            "a: b\n...\nc: d\n",
            3,
            "is after the end of its document, where kubectl ignores it; begin each document",
        ),
        ('a: "b\\/c"', 1, "has the escape \\/, which kubectl does not read; write /"),
        ("a: [b?c]", 1, "has a question mark in an unquoted text inside [] or {}; quote it"),
        ('a: "\\x7f"', 1, "has a control character in a text; remove it"),
        ('{"a": "\\u0080"}', 1, "has a control character in a text; remove it"),
        ("a: !!int b", 1, "has a value that its tag does not fit; remove the tag"),
        ("a: !!bool [b]\nc: !!null d", 2, "has a value that its tag does not fit; remove the tag"),
        ("a: !!binary '*'", 1, "has a value that its tag does not fit; remove the tag"),
        ("a: *b", 1, "refers to an anchor that is not there"),
        ("a: &b [*b]", 1, "refers to itself"),
        ("a: b\n<<: c", 2, "merges (<<) something that is not a mapping"),
        ("18446744073709551615: a", 1, "has a key that is too large a number; quote it"),
        ("[a]: b", 1, "has a key that is not text"),
        ("1: a\n'1': b", 2, "repeats a key"),
        ('{"a": 1, "a": 2}', 1, "repeats a key"),
        ("a: .inf", 1, "has a number that is not finite"),
        ('{"a": 1e999}', 1, "has a number that is not finite"),
        ("a: \x00", 1, "has a character that YAML does not allow"),
        ("a: 'b", 2, "found unexpected end of stream"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, detail: str) -> None:
    refused = fault(text)
    assert (refused.line, detail in refused.detail) == (line, True), refused.detail


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1\n---\n\n---\nb: 2\n", [(1, {"a": 1}, 1), (3, {"b": 2}, 5)]),
        ("# c\n---\na: 1\n", [(1, {"a": 1}, 3)]),
        ("---\n---\na: 1\n", [(2, {"a": 1}, 3)]),
        ("a: 1\r\n---\r\nb: 2\r\n", [(1, {"a": 1}, 1), (2, {"b": 2}, 3)]),
        ('{"a": 1}\n{"b": 2}', [(1, {"a": 1}, 1), (2, {"b": 2}, 2)]),
        ('{"a": 1}\n---\nb: 2', [(1, {"a": 1}, 1), (2, {"b": 2}, 3)]),
        ('{"a": 1,}', [(1, {"a": 1}, 1)]),
        ('{"a": "\\ud800"}', [(1, {"a": "\ufffd"}, 1)]),
        ("a: &x 1\nb: &x 2\nc: *x", [(1, {"a": 1, "b": 2, "c": 2}, 1)]),
        ("a: {b: 1, <<: {b: 2}}", [(1, {"a": {"b": 2}}, 1)]),
        ("1.5: a\n1e10: b\n.inf: c\nyes: d", [(1, {"1.5": "a", "1e+10": "b", ".inf": "c", "true": "d"}, 1)]),
        ("a: !!map b\nc: !!str [d]\ne: ! 1", [(1, {"a": "b", "c": ["d"], "e": "1"}, 1)]),
        ("# nothing\n", []),
        ("", []),
    ],
)
def test_documents_have_numbers_values_and_lines(text: str, documents: list[Any]) -> None:
    assert [(part.number, part.value, part.line()) for part in read(text)] == documents


def test_lines_are_those_of_the_whole_text() -> None:
    _, part = read("a: 1\n---\n# c\nb:\n  c:\n  - d\n  - e: 1\n")
    assert [part.line(path) for path in ((), ("b",), ("b", "c", 1), ("b", "c", 1, "e"), ("b", "x"))] == [
        4,
        4,
        7,
        7,
        4,
    ]


def test_a_fault_has_the_number_of_its_document() -> None:
    for text in ("a: 1\n---\n---\nb: [", "a: 1\n---\n---x\n", '{"a": 1}{"b": 2}{"c"'):
        assert fault(text).document == 3


PIECES = st.sampled_from(
    [
        *(
            "a",
            "b: c",
            "\n",
            "\n  ",
            "- ",
            "? ",
            ": ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&x ",
            "*x",
            "<<: ",
            "!!int ",
        ),
        *(
            "!!bool ",
            "!!map ",
            "!!seq ",
            "!!null ",
            "!!str ",
            "!!binary ",
            "!!timestamp ",
            "! ",
            "!x ",
            "!!merge ",
        ),
        *(
            "'",
            '"',
            "|",
            ">-",
            "%",
            "#",
            "---\n",
            "...\n",
            "1",
            ".5",
            ".inf",
            "~",
            "\\ud800",
            "\\",
            "\t",
            "\r",
        ),
        *("\x00", "\u2028", "\ufeff", '{"a": ', '"b"'),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UnreadableText):
        for part in read_text(text):
            json.dumps(part.value)
            assert part.line(("a", 0)) is not None
