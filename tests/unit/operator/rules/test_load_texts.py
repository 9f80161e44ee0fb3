"""What a plugin says when it is imported holds no secret of another plugin in the same process."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import Description
from floe_operator.rules.load_states import Described, LoadFault
from floe_operator.rules.load_texts import scrubbed
from floe_operator.rules.scrub import REDACTED
from tests.support.scrubbing import scrubber_of

SECRET = "duckdb-hunter2"
SCRUB = scrubber_of(SECRET).scrub


def described(**fields: Any) -> Description:
    plain = {"declared_name": "duckdb", "version": "1.0.0", "floe_api_version": "1.0", "takes_config": True}
    outcome = scrubbed(Described(Description(**{**plain, **fields})), SCRUB)
    assert isinstance(outcome, Described)
    return outcome.description


@pytest.mark.parametrize("field", ["declared_name", "version", "floe_api_version", "description"])
def test_what_a_plugin_declares_is_scrubbed(field: str) -> None:
    assert getattr(described(**{field: f"it is {SECRET}!"}), field) == f"it is {REDACTED}!"


def test_names_and_versions_stay_even_if_a_secret_is_equal() -> None:
    kept = scrubbed(
        Described(
            Description(
                declared_name="Duckdb_Hunter2",
                version="1.2.3rc1",
                floe_api_version="1.0",
                takes_config=False,
                dependencies=("duckdb-hunter2", "compute/duckdb-hunter2", "1.2.3rc1 beta"),
            )
        ),
        scrubber_of(SECRET, "1.2.3rc1 beta", "1.2.3rc1").scrub,
    )
    assert isinstance(kept, Described)
    assert kept.description.declared_name == "Duckdb_Hunter2"
    assert kept.description.version == "1.2.3rc1"
    assert kept.description.dependencies == ("duckdb-hunter2", "compute/duckdb-hunter2", REDACTED)


def test_the_texts_of_a_schema_are_scrubbed_and_its_structure_stays() -> None:
    inner = {"type": "string", "default": SECRET, "examples": [{SECRET: SECRET}], "title": f"of {SECRET}"}
    schema = {"$ref": f"#/$defs/{SECRET}", "$defs": {SECRET: inner, "default": {"const": SECRET}}}
    told = described(config_schema=schema).config_schema
    assert told == {
        "$ref": f"#/$defs/{SECRET}",
        "$defs": {
            SECRET: {
                "type": "string",
                "default": REDACTED,
                "examples": [{REDACTED: REDACTED}],
                "title": f"of {REDACTED}",
            },
            "default": {"const": REDACTED},
        },
    }


def test_of_an_import_error_the_plugins_words_are_scrubbed_and_ours_stay() -> None:
    message = f"Cannot load compute/{SECRET}: it needs {SECRET}_lib, which is not installed"
    fault = LoadFault("ImportFailed", message, f"no {SECRET}", quoted=f"{SECRET}_lib")
    told = scrubbed(fault, SCRUB)
    assert isinstance(told, LoadFault)
    assert told.message == f"Cannot load compute/{SECRET}: it needs {REDACTED}_lib, which is not installed"
    assert told.plugin_text == f"no {REDACTED}"
