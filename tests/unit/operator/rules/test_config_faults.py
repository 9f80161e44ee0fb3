"""Where a configuration fault is, what is wrong and how to fix it, in the same words everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import ConfigFault
from floe_operator.rules.config_faults import ExplainedFault, explain
from floe_operator.rules.facts import Hidden
from floe_operator.rules.resource import FloePluginSpec

SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
SETTINGS = {"configMapKeyRef": {"name": "c", "key": "settings.yaml"}}
SCHEMA = {
    "properties": {
        "bucket": {"type": "string"},
        "max_attempts": {"type": "integer"},
        "pool": {"$ref": "#/$defs/Pool"},
        "pools": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Pool"}, {"type": "null"}]}},
        "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Pool"}},
    },
    "$defs": {"Pool": {"properties": {"size": {}, "password": {}, "next": {"$ref": "#/$defs/Pool"}}}},
}


def explained(
    field: str,
    kind: str = "value_error",
    message: str = "Input is wrong",
    *,
    sources: tuple[dict[str, Any], ...] = (),
    config: dict[str, Any] | None = None,
    hidden: tuple[int, ...] = (),
    **more: Any,
) -> ExplainedFault:
    spec = FloePluginSpec.model_validate(
        {"type": "dbt", "name": "a", "config": config, "configFrom": list(sources)}
    )
    no_effect = [Hidden(entry, (None,)) for entry in hidden]
    return explain(ConfigFault(field=field, message=message, type=kind, **more), spec, SCHEMA, no_effect)


def at(path: str) -> dict[str, Any]:
    return {**SECRET, "path": path}


@pytest.mark.parametrize(
    ("field", "sources", "config", "place"),
    [
        ("bucket", (), {"bucket": 1}, "spec.config.bucket"),
        ("", (), {"bucket": 1}, "spec.config"),
        ("bucket", (SECRET,), {"bucket": 1}, "spec.config.bucket"),
        ("bucket", (SECRET,), {"pool": {}}, "bucket (from spec.configFrom[0])"),
        ("pool.size", (SECRET,), {"pool": {}}, "spec.config.pool.size"),
        ("bucket", (SECRET, SETTINGS), {}, "bucket (from spec.configFrom)"),
        ("bucket", (SETTINGS, at("bucket")), {}, "bucket (from spec.configFrom[1])"),
        ("bucket", (at("bucket"), at("bucket")), {}, "bucket (from spec.configFrom[1])"),
        ("pool", (at("pool.size"),), {}, "pool (from spec.configFrom[0])"),
        ("pool.size.x", (at("pool.size"),), {}, "pool.size.x (from spec.configFrom[0])"),
        ("by_name.*", (at("by_name.mine"),), {}, "by_name.* (from spec.configFrom[0])"),
        ("by_name.*.size", (SETTINGS,), {"by_name": {"a": {"size": 1}}}, "spec.config.by_name.*.size"),
        ("pools.0.size", (SETTINGS,), {"pools": [{"size": 1}]}, "spec.config.pools.0.size"),
        (
            "pools.1.password",
            (at("pools[1].password"),),
            {"pools": [{}, {}]},
            "pools.1.password (from spec.configFrom[0])",
        ),
        ("pools.0.password", (at("pools[1].password"),), {"pools": [{}, {}]}, "spec.config.pools.0.password"),
        ("pools.1", (at("pools[1].password"),), {"pools": [{}, {}]}, "spec.config.pools.1"),
        ("pools.*.password", (at("pools[1].password"),), {}, "pools.*.password (from spec.configFrom[0])"),
        ("bucket", (at("pool"),), {}, "spec.config.bucket"),
        ("", (at("pool"),), {}, "the configuration (from spec.configFrom[0])"),
        ("", (SETTINGS, at("pool")), {}, "the configuration (from spec.configFrom)"),
        ("", (SETTINGS,), {"bucket": 1}, "spec.config"),
    ],
)
def test_a_fault_is_placed_in_the_part_that_provided_the_value(
    field: str, sources: tuple[dict[str, Any], ...], config: dict[str, Any], place: str
) -> None:
    assert explained(field, sources=sources, config=config).place == place


def test_a_missing_field_is_placed_in_spec_config() -> None:
    assert explained("bucket", "missing", sources=(SETTINGS,)).place == "spec.config.bucket"


@pytest.mark.parametrize(
    ("kind", "message", "clause"),
    [
        ("missing", "Field required", "X is required"),
        ("extra_forbidden", "Extra inputs are not permitted", "X is not a field of the plugin's schema"),
        ("plaintext_secret", "", "X is a secret in plain text"),
        ("int_type", "Input should be a valid integer", "X must be a valid integer"),
        (
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
            "X must be a valid integer",
        ),
        (
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
            "X must be a valid integer, got a number with a fractional part",
        ),
        ("string_too_short", "String should have at least 2 characters", "X must have at least 2 characters"),
        (
            "decimal_max_digits",
            "Decimal input should have no more than 1 digit in total",
            "X must have no more than 1 digit in total",
        ),
        (
            "value_error",
            "Input does not satisfy a rule of the plugin",
            "X does not satisfy a rule of the plugin",
        ),
        ("too_deep", "Input is nested deeper than 64 levels", "X is nested deeper than 64 levels"),
        ("invalid_key", "Keys should be strings", "X: keys should be strings"),
        ("url_scheme", "URL scheme should be 'https'", "X: URL scheme should be 'https'"),
        (
            "union_tag_not_found",
            "Unable to extract tag using discriminator 'kind'",
            "X: unable to extract tag using discriminator 'kind'",
        ),
        ("strange", "", "X is not valid"),
    ],
)
def test_a_rule_continues_the_sentence_after_its_place(kind: str, message: str, clause: str) -> None:
    assert explained("bucket", kind, message).said_of("X").startswith(clause)


@pytest.mark.parametrize(
    ("field", "mend"),
    [
        ("buckett", "did you mean bucket?"),
        ("pool.sise", "did you mean size?"),
        ("pool.next.passwort", "did you mean password?"),
        ("pools.3.siz", "did you mean size?"),
        ("by_name.*.sizes", "did you mean size?"),
        ("pool.zzz", "use next, password or size"),
        ("*", "use bucket, by_name, max_attempts, pool or pools"),
        ("bucket.zzz", "remove it"),
    ],
)
def test_the_fix_for_an_unknown_field_suggests_the_known_fields(field: str, mend: str) -> None:
    assert explained(field, "extra_forbidden").mend == mend


@pytest.mark.parametrize(
    ("kind", "sources", "mend"),
    [
        ("missing", (SETTINGS,), "set it in spec.config or through spec.configFrom"),
        ("int_type", (), "correct it"),
        ("int_type", (SETTINGS,), "correct what spec.configFrom[0] refers to"),
        ("int_type", (SETTINGS, SECRET), "correct what spec.configFrom refers to"),
    ],
)
def test_every_fault_says_how_to_fix_it(kind: str, sources: tuple[dict[str, Any], ...], mend: str) -> None:
    assert explained("bucket", kind, sources=sources).mend == mend


BY_SECRET = "put it into a Secret and refer to it by spec.configFrom"


@pytest.mark.parametrize(
    ("field", "kind", "secrets", "mend"),
    [
        ("token", "missing", ["token"], f"{BY_SECRET}, path: token"),
        ("pool.password", "missing", ["pool.password"], f"{BY_SECRET}, path: pool.password"),
        ("pools.0.password", "missing", ["pools.0.password"], f"{BY_SECRET}, path: pools[0].password"),
        (
            "tokens",
            "missing",
            ["tokens.0"],
            (
                "set it in spec.config, and put tokens[0] into a Secret and refer to it by spec.configFrom, "
                "path: tokens[0], with null in its place in spec.config"
            ),
        ),
        (
            "pools",
            "too_short",
            ["pools.2.password"],
            (
                "correct it, and put pools[2].password into a Secret and refer to it by spec.configFrom, "
                "path: pools[2].password"
            ),
        ),
        ("by_name.*.password", "missing", ["by_name.*.password"], BY_SECRET),
        ("api-token", "missing", ["api-token"], BY_SECRET),
        (
            "pool",
            "missing",
            ["pool.password"],
            (
                "set it in spec.config, and put pool.password into a Secret and refer to it by "
                "spec.configFrom, path: pool.password"
            ),
        ),
        (
            "pool",
            "missing",
            ["pool.password", "pool.next.password"],
            (
                "set it in spec.config, and put pool.password and pool.next.password into a Secret and "
                "refer to it by spec.configFrom, path: pool.password and pool.next.password"
            ),
        ),
        ("token", "string_type", ["token"], f"{BY_SECRET}, path: token"),
        (
            "pool",
            "model_type",
            ["pool.password"],
            (
                "correct it, and put pool.password into a Secret and refer to it by spec.configFrom, "
                "path: pool.password"
            ),
        ),
        (
            "pool.passwort",
            "extra_forbidden",
            ["pool.password", "pool.next.password"],
            (
                "did you mean password? It is a secret: rotate it, put the new value into a Secret and refer "
                "to it by spec.configFrom, path: pool.password"
            ),
        ),
        (
            "pol",
            "extra_forbidden",
            ["token", "pool.password"],
            (
                "did you mean pool? It holds a secret: rotate it, put the new value into a Secret and refer "
                "to it by spec.configFrom, path: pool.password"
            ),
        ),
        ("buckett", "extra_forbidden", ["token", "bucket_token"], "did you mean bucket?"),
        ("zzz", "extra_forbidden", ["token"], "use bucket, by_name, max_attempts, pool or pools"),
        (
            "token",
            "plaintext_secret",
            ["token"],
            "rotate it, put the new value into a Secret and refer to it by spec.configFrom, path: token",
        ),
    ],
)
def test_no_advice_leads_a_secret_into_spec_config(
    field: str, kind: str, secrets: list[str], mend: str
) -> None:
    assert explained(field, kind, secrets=secrets).mend == mend


def test_a_secret_that_came_from_a_source_is_corrected_there() -> None:
    fault = explained(
        "pool.password", "string_type", sources=(at("pool.password"),), secrets=["pool.password"]
    )
    assert fault.mend == "correct what spec.configFrom[0] refers to"


def test_a_missing_secret_has_no_place_in_spec_config() -> None:
    assert explained("pool.password", "missing", secrets=["pool.password"]).place == "pool.password"
    assert explained("pool", "missing", secrets=["pool.password"]).place == "spec.config.pool"


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("names are in lower case", "X does not satisfy the rule: names are in lower case"),
        ("Use lower case.", "X does not satisfy the rule: Use lower case"),
        ("", "X does not satisfy the rule"),
        ("x" * 400, f"X does not satisfy the rule: {'x' * 317}…"),
    ],
)
def test_what_a_validator_said_follows_the_rule(text: str, clause: str) -> None:
    fault = explained("bucket", message="Input does not satisfy the rule", plugin_text=text)
    assert fault.said_of("X") == clause


@pytest.mark.parametrize(
    ("field", "sources", "config", "place", "mend"),
    [
        (
            "bukket",
            (at("bukket"),),
            {"pool": {}},
            "bukket (from spec.configFrom[0])",
            "did you mean bucket?",
        ),
        ("*", (SECRET,), {"bucket": "x"}, "* (from spec.configFrom[0])", None),
        (
            "pool.*",
            (SETTINGS, SECRET, at("a")),
            {"pool": {"size": 1}},
            "pool.* (from spec.configFrom[1])",
            None,
        ),
        ("*", (SECRET, SECRET), {"bucket": "x"}, "* (from spec.configFrom)", None),
        ("*", (SETTINGS,), {"bucket": "x"}, "spec.config.*", None),
        ("*", (SECRET,), {"my bucket": "x"}, "spec.config.*", None),
        ("pools.0.*", (SECRET,), {"pools": [{"a b": 1}]}, "spec.config.pools.0.*", None),
    ],
)
def test_an_unknown_name_is_blamed_on_whoever_gave_it(
    field: str, sources: tuple[dict[str, Any], ...], config: dict[str, Any], place: str, mend: str | None
) -> None:
    schema_secrets = ["bucket", "pool.password"]
    fault = explained(field, "extra_forbidden", sources=sources, config=config, secrets=schema_secrets)
    assert fault.place == place
    assert mend is None or fault.mend == mend


def test_a_null_that_keeps_the_place_of_an_item_is_not_to_blame() -> None:
    own = {"pools": [None, {"size": 1}]}
    item = explained(
        "pools.0", "string_too_short", sources=(at("pools[0]"),), config=own, secrets=["pools.0"]
    )
    assert (item.part, item.mend) == (("spec", "configFrom", 0), "correct what spec.configFrom[0] refers to")
    assert explained("pools.1.size", sources=(at("pools[0]"),), config=own).part == ("spec", "config")


def test_an_entry_without_effect_is_not_to_blame() -> None:
    first = explained("bucket", "string_type", sources=(at("bucket"), SETTINGS))
    assert first.part == ("spec", "configFrom", 0)
    second = explained("bucket", "string_type", sources=(at("bucket"), SETTINGS), hidden=(0,))
    assert second.part == ("spec", "configFrom", 1)


@pytest.mark.parametrize(
    ("field", "kind", "path", "mend"),
    [
        ("pool.password", "missing", "pool.password", "create what spec.configFrom[0] refers to"),
        ("bucket", "string_type", "bucket.name", "end the path of spec.configFrom[0] at it"),
        (
            "pool",
            "model_type",
            "pool",
            "extend the path of spec.configFrom[0], or leave it out and make the content a YAML mapping",
        ),
        ("max_attempts", "int_parsing", "max_attempts", "correct what spec.configFrom[0] refers to"),
    ],
)
def test_what_no_content_of_the_source_can_mend_is_mended_in_the_entry(
    field: str, kind: str, path: str, mend: str
) -> None:
    assert explained(field, kind, sources=(at(path),), secrets=[field]).mend == mend
