"""What is said about a plugin that is loaded all the same."""

from __future__ import annotations

import pytest

from floe_operator.rules.conditions import MESSAGE_BYTES
from tests.unit.operator.rules.facts_builder import condition, described, judged


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({}, "The plugin is loaded"),
        (
            {"declared_name": "Key_Cloak"},
            'it calls itself "Key_Cloak", but the name of its entry point is used',
        ),
        ({"declared_name": "KeyCloak"}, "The plugin is loaded"),
        (
            {"version": "0.0.9"},
            (
                'it declares version "0.0.9", but floe-identity-keycloak 0.1.0 is installed: '
                "its author must make the two equal"
            ),
        ),
        ({"version": "0.1"}, "The plugin is loaded"),
        ({"version": "newest"}, "The plugin is loaded"),
        ({"version": "1" * 10_000}, "The plugin is loaded"),
        ({"warnings": ("it is odd: mend it",)}, "it is odd: mend it"),
        (
            {"declared_name": "other", "warnings": ("it is odd: mend it", "its startup() is async: mend it")},
            (
                'it calls itself "other", but the name of its entry point is used; it is odd: mend it; '
                "its startup() is async: mend it"
            ),
        ),
    ],
)
def test_loaded_says_in_one_sentence_what_is_odd_about_the_plugin(
    declared: dict[str, object], message: str
) -> None:
    shown = condition(judged(loading=described(**declared)), "Loaded")
    assert (shown.status, shown.reason) == ("True", "Loaded")
    assert shown.message == (message if "loaded" in message else f"The plugin is loaded; {message}")


def test_many_warnings_are_cut_where_the_message_ends() -> None:
    shown = condition(judged(loading=described(warnings=("it is odd: mend it",) * 1_000)), "Loaded").message
    assert len(shown.encode()) <= MESSAGE_BYTES
    assert shown.endswith("…")
