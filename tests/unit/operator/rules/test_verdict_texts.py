"""What a verdict says in the words of a plugin holds nothing that came from a Secret or a ConfigMap."""

from __future__ import annotations

import json

import pytest

from floe_core.host.protocol import ConfigFault, Verdict
from floe_operator.rules.scrub import NOTHING, REDACTED, Scrubber, without_values
from floe_operator.rules.verdict_texts import scrubbed
from tests.support.calls import calls_in
from tests.support.scrubbing import scrubber_of

SECRET = "hunter2canary"


def fault(**texts: str) -> ConfigFault:
    return ConfigFault(field="a", **{"message": "Input should be 'x'", "type": "literal_error", **texts})


def told(given: ConfigFault, secrets: Scrubber, values: tuple[str, ...] = ()) -> ConfigFault:
    [done] = scrubbed(Verdict(reason="ValidationFailed", faults=(given,)), secrets, values).faults
    return done


def test_what_a_validator_said_is_scrubbed_of_secrets_and_of_values_from_config_maps() -> None:
    done = told(fault(plugin_text=f"no {SECRET} at jdbc:internal"), scrubber_of(SECRET), ("jdbc:internal",))
    assert done.plugin_text == f"no {REDACTED} at {REDACTED}"


def test_a_message_that_quotes_a_secret_gives_way_to_one_that_quotes_nothing() -> None:
    done = told(fault(message=f"Input should be {SECRET}", quoted=SECRET), scrubber_of(SECRET))
    assert SECRET not in done.model_dump_json()
    assert done.message == "Input does not satisfy a rule of the plugin"
    assert done.type == "value_error"


@pytest.mark.parametrize("secrets", [NOTHING, scrubber_of("another secret"), scrubber_of("pin")])
def test_a_message_that_quotes_the_schema_stays(secrets: Scrubber) -> None:
    done = told(fault(quoted="'production' or 'development'"), secrets, ("production",))
    assert done.message == "Input should be 'x'"


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ("internal-host", "at internal-host:5432", f"at {REDACTED}:5432"),
        ("two\n words", "has two words", f"has {REDACTED}"),
        ('say "hello"', json.dumps({"a": 'say "hello"'}), f'{{"a": "{REDACTED}"}}'),
        ("tab\tand \\ more", repr("tab and \\ more"), f"'{REDACTED}'"),
        ("short", "it is short", "it is short"),
        ("internal", "an internally used word", f"an {REDACTED}ly used word"),
    ],
)
def test_a_value_is_found_as_a_whole_in_the_forms_in_which_programs_print_it(
    value: str, text: str, left: str
) -> None:
    assert without_values([text, "harmless"], [value]) == [left, "harmless"]


def test_many_values_do_not_multiply_the_work() -> None:
    values = [f"value-number-{number}" for number in range(50_000)]
    texts = [f"text {number} with value-number-777." for number in range(50)]
    calls, done = calls_in(lambda: without_values(texts, values), "call")
    assert done[7] == f"text 7 with {REDACTED}."
    assert calls < 5 * len(values)  # not for each text
