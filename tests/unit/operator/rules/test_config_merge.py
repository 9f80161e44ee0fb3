"""spec.configFrom and spec.config become one configuration, or a fault that quotes none of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules.config_merge import (
    LARGEST_CONFIG,
    Absent,
    Contents,
    Denied,
    ResolvedConfig,
    SourceObject,
    nests_deeper,
    referenced,
    resolve,
)
from floe_operator.rules.facts import ConfigSourceFault
from floe_operator.rules.resource import FloePluginSpec

CANARY = "canary-value"


def secret(key: str = "k", path: str | None = None, *, name: str = "s", **more: Any) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key, **more}, **({"path": path} if path else {})}


def config_map(key: str = "k", path: str | None = None, *, name: str = "m", **more: Any) -> dict[str, Any]:
    return {"configMapKeyRef": {"name": name, "key": key, **more}, **({"path": path} if path else {})}


def resolved(
    *sources: Mapping[str, Any],
    config: dict[str, Any] | None = None,
    s: Contents | None = None,
    m: Contents | None = None,
) -> ResolvedConfig | ConfigSourceFault:
    spec = FloePluginSpec.model_validate(
        {"type": "dbt", "name": "a", "config": config, "configFrom": list(sources)}
    )
    there = {SourceObject("Secret", "s"): s or {}, SourceObject("ConfigMap", "m"): m or {}}
    return resolve(spec, {source: there[source] for source in referenced(spec)})


def config_of(outcome: ResolvedConfig | ConfigSourceFault) -> dict[str, Any]:
    assert isinstance(outcome, ResolvedConfig), outcome
    return outcome.config


MERGED: dict[str, tuple[ResolvedConfig | ConfigSourceFault, dict[str, Any]]] = {
    "nothing": (resolved(), {}),
    "config alone": (resolved(config={"a": {"b": 1}}), {"a": {"b": 1}}),
    "mappings merge deeply": (
        resolved(secret(), config={"a": {"c": 2}}, s={"k": b"a: {b: 1, c: 1}"}),
        {"a": {"b": 1, "c": 2}},
    ),
    "lists are replaced": (resolved(secret(), config={"a": [3]}, s={"k": b"a: [1, 2]"}), {"a": [3]}),
    "later sources override earlier sources": (
        resolved(secret(), config_map(), s={"k": b"a: 1\nb: 1"}, m={"k": b"a: 2"}),
        {"a": 2, "b": 1},
    ),
    "config overrides all sources": (
        resolved(secret(path="a"), config={"a": "c"}, s={"k": b"s"}),
        {"a": "c"},
    ),
    "a path is created": (resolved(secret(path="a.b.c"), s={"k": b"x"}), {"a": {"b": {"c": "x"}}}),
    "a path gives the text unchanged": (resolved(secret(path="a"), s={"k": b"007\n"}), {"a": "007\n"}),
    "root YAML gives types": (resolved(config_map(), m={"k": b"a: 007\nb: yes"}), {"a": 7, "b": True}),
    "a later mapping overrides a scalar at the root": (
        resolved(secret(), config_map(), s={"k": b"a: 1"}, m={"k": b"a: {b: 2}"}),
        {"a": {"b": 2}},
    ),
    "optional and missing": (resolved(secret(optional=True), s=Absent()), {}),
    "optional and without the key": (resolved(config_map(optional=True), m={"other": b""}), {}),
    "empty YAML": (resolved(secret(), config={"a": 1}, s={"k": b""}), {"a": 1}),
}


@pytest.mark.parametrize(("outcome", "config"), MERGED.values(), ids=MERGED)
def test_sources_merge_in_order_and_config_wins(
    outcome: ResolvedConfig | ConfigSourceFault, config: dict[str, Any]
) -> None:
    assert config_of(outcome) == config


value = CANARY.encode()
FAULTS = {
    "no Secret": (resolved(secret(), s=Absent()), "SecretNotFound", "Secret s"),
    "no ConfigMap": (resolved(config_map(), m=Absent()), "ConfigMapNotFound", "ConfigMap m"),
    "no key in the Secret": (resolved(secret(), s={"other": value}), "SecretKeyMissing", "no key k"),
    "no key in the ConfigMap": (resolved(config_map(), m={}), "ConfigMapKeyMissing", "no key k"),
    "forbidden, though optional": (
        resolved(secret(optional=True), s=Denied("missing permission: get secrets")),
        "Forbidden",
        "get secrets",
    ),
    "not UTF-8": (resolved(secret(path="a"), s={"k": value + b"\xff"}), "NotText", "the key k of Secret s"),
    "not YAML": (resolved(secret(), s={"k": b"a: [" + value}), "NotAMapping", "the key k of Secret s"),
    "a list": (resolved(secret(), s={"k": b"- " + value}), "NotAMapping", "Secret s"),
    "a tag": (resolved(secret(), s={"k": b"a: !!python/name:os.system " + value}), "NotAMapping", "Secret s"),
    "an alias": (resolved(secret(), s={"k": b"a: &x " + value + b"\nb: *x"}), "NotAMapping", "Secret s"),
    "too large": (resolved(secret(), s={"k": b"a: '" + value * 30_000 + b"'"}), "NotAMapping", "Secret s"),
    "a path through a scalar": (
        resolved(config_map(), secret(path="a.b"), m={"k": b"a: " + value}, s={"k": value}),
        "PathConflict",
        "a.b",
    ),
    "a path through a list": (
        resolved(config_map(), secret(path="a.b"), m={"k": b"a: [1]"}, s={"k": value}),
        "PathConflict",
        "leads through a",
    ),
}


@pytest.mark.parametrize(("outcome", "reason", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_the_source_and_never_its_content(
    outcome: ResolvedConfig | ConfigSourceFault, reason: str, says: str
) -> None:
    assert isinstance(outcome, ConfigSourceFault)
    assert outcome.reason == reason
    assert says in outcome.message
    assert outcome.entry == (1 if reason == "PathConflict" else 0)
    assert outcome.text == f"spec.configFrom[{outcome.entry}]: {outcome.message}"
    assert CANARY not in repr(outcome)


def test_the_total_size_of_all_sources_is_bounded() -> None:
    half = b"x" * (LARGEST_CONFIG // 2)
    outcome = resolved(
        config_map("a", "a"), config_map("b", "b"), config_map("c", "c"), m={"a": half, "b": half, "c": b"x"}
    )
    assert isinstance(outcome, ConfigSourceFault)
    assert (outcome.reason, outcome.entry) == ("NotAMapping", 2)


def test_values_from_a_secret_are_known_as_secrets_and_are_not_plain() -> None:
    outcome = resolved(
        secret(),
        secret("p", "login.password"),
        config_map(),
        config={"login": {"user": "ada"}},
        s={"k": b"token: t0ken\nports: [8080, {x: 1.5}]\ntls: true", "p": b"pass"},
        m={"k": b"mode: fast"},
    )
    assert isinstance(outcome, ResolvedConfig)
    assert set(outcome.secrets) == {"t0ken", "8080", "1.5", "pass"}
    assert outcome.plain == {"mode": "fast", "login": {"user": "ada"}}


@pytest.mark.parametrize("number", ["0x" + "f" * 4000, "1" * 5000, "0b" + "1" * 20_000])
def test_a_number_that_is_too_large_is_a_text_like_any_other(number: str) -> None:
    outcome = resolved(secret(), s={"k": f"a: {number}".encode()})
    assert config_of(outcome) == {"a": number}
    assert isinstance(outcome, ResolvedConfig)
    assert outcome.secrets == (number,)
    assert json.loads(json.dumps(outcome.config)) == outcome.config


def test_the_repr_of_a_resolved_configuration_shows_no_values() -> None:
    outcome = resolved(secret(path="a"), config={"b": CANARY}, s={"k": value})
    assert CANARY not in repr(outcome)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_spec_config_alone_resolves_to_itself_and_is_not_changed(config: dict[str, Any]) -> None:
    before = copy.deepcopy(config)
    assert config_of(resolved(config=config)) == before
    assert config == before


def depth_of(found: object) -> int:
    inner = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(json_values, st.integers(0, 6))
def test_nesting_is_measured_in_mappings_and_lists(found: object, levels: int) -> None:
    assert nests_deeper(found, levels) == (depth_of(found) > levels)


def test_nesting_is_measured_without_recursion() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert nests_deeper(deep, 64)
