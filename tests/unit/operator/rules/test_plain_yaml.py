"""YAML from a ConfigMap or Secret: only JSON types, and no message that quotes any of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules.plain_yaml import NotPlain, parse_mapping

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=("C", "Z"))),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("C", "Z")), max_size=5), children, max_size=3
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("a: 1", {"a": 1}),
        ("a: {b: [1, 2.5, true, null, text]}", {"a": {"b": [1, 2.5, True, None, "text"]}}),
        ("2024-01-01: x", {"2024-01-01": "x"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 2024-01-01T10:00:00Z", {"a": "2024-01-01T10:00:00Z"}),
        ("'8080': x", {"8080": "x"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 22:22:22", {"a": "22:22:22"}),
        ("a: [0o17, 09, 685_230.15]", {"a": [15, 9, 685_230.15]}),
        ("a: y", {"a": True}),
    ],
)
def test_plain_yaml_becomes_json_types(text: str, value: object) -> None:
    assert parse_mapping(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- marked", "it is not a mapping"),
        ("marked", "it is not a mapping"),
        ("a: &marked 1\nb: *marked", "line 1 has an anchor or alias"),
        ("a: !!python/object/apply:os.system [marked]", "line 1 has a tag"),
        ("ok: 1\na: !marked x", "line 2 has a tag"),
        ("1: marked", "line 1 has a key that is not text: quote it"),
        ("y: marked", "line 1 has a key that is not text: quote it"),
        ("? [marked]\n: 1", "line 1 has a key that is not text: quote it"),
        ("marked: 1\nmarked: 2", "line 2 repeats a key"),
        ("a: .inf", "line 1 has a number that is not finite"),
        ("a: marked\n---\nb: 1", "line 2 starts a second document"),
        ("a: 1\nb: }marked", "line 2 is not valid YAML"),
        ("a: \x00marked", "it is not valid YAML"),
        ("a: " + "marked" * 50_000, "it is longer than 256 KiB"),
    ],
)
def test_anything_else_is_refused_with_a_message_that_quotes_nothing(text: str, reason: str) -> None:
    with pytest.raises(NotPlain) as refused:
        parse_mapping(text)
    assert str(refused.value) == reason
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("text", ["0x" + "f" * 4000, "0o" + "7" * 5000, "0b" + "1" * 20_000, "1" * 5000])
def test_a_number_that_is_too_large_stays_text(text: str) -> None:
    assert parse_mapping(f"a: {text}") == {"a": text}


def test_a_billion_laughs_attack_is_refused_before_anything_is_built() -> None:
    bomb = "a: &a [x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
    )
    with pytest.raises(NotPlain, match="anchor"):
        parse_mapping(bomb)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("C", "Z")), min_size=1), JSON_VALUES, max_size=5
    )
)
def test_json_is_read_unchanged(value: dict[str, object]) -> None:
    assert parse_mapping(json.dumps(value, ensure_ascii=False)) == value
