"""spec.configFrom and spec.config become one configuration, or a fault that quotes none of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
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
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.resource import FloePluginSpec

CANARY = "canary-value"
value = CANARY.encode()


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
    "a byte order mark is no part of the text": (
        resolved(secret(path="a"), s={"k": b"\xef\xbb\xbfpass"}),
        {"a": "pass"},
    ),
    "nor of the YAML": (resolved(secret(), s={"k": b"\xef\xbb\xbfa: 1"}), {"a": 1}),
    "only marks at the start are taken off": (
        resolved(secret(path="a"), s={"k": b"\xef\xbb\xbf\xef\xbb\xbfp\xef\xbb\xbf"}),
        {"a": "p\ufeff"},
    ),
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
    "UTF-16, little endian": (
        resolved(secret(path="a"), s={"k": b"\xff\xfe" + CANARY.encode("utf-16-le")}),
        "NotText",
        "the key k of Secret s is not UTF-8 text: it looks like UTF-16; store it as UTF-8 text",
    ),
    "UTF-16, big endian": (
        resolved(config_map(), m={"k": b"\xfe\xff" + CANARY.encode("utf-16-be")}),
        "NotText",
        "the key k of ConfigMap m is not UTF-8 text: it looks like UTF-16; store it as UTF-8 text",
    ),
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


def test_values_from_a_secret_are_known_as_secrets_and_only_their_paths_are_plain() -> None:
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
    assert outcome.plain == {"mode": "fast", "login": {"user": "ada", "password": None}}


def test_a_secret_is_known_without_the_byte_order_mark_before_it() -> None:
    outcome = resolved(
        secret("p", "password"), secret(), s={"p": b"\xef\xbb\xbfp4ss", "k": b"\xef\xbb\xbftoken: t0ken"}
    )
    assert isinstance(outcome, ResolvedConfig)
    assert outcome.secrets == ("p4ss", "t0ken")


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


FEEDS = "feeds: [{url: a}, {url: b}]"
INTO_LISTS: dict[str, tuple[ResolvedConfig | ConfigSourceFault, dict[str, Any]]] = {
    "of spec.config, after it was merged": (
        resolved(
            secret(path="feeds[1].auth.token"),
            config={"feeds": [{"url": "a"}, {"url": "b", "auth": {"user": "u"}}]},
            s={"k": b"x"},
        ),
        {"feeds": [{"url": "a"}, {"url": "b", "auth": {"user": "u", "token": "x"}}]},
    ),
    "and what follows the last index is created": (
        resolved(secret(path="a.b[0].c.d"), config={"a": {"b": [{}]}}, s={"k": b"x"}),
        {"a": {"b": [{"c": {"d": "x"}}]}},
    ),
    "of an earlier entry": (
        resolved(config_map(), secret(path="feeds[0].token"), m={"k": FEEDS.encode()}, s={"k": b"x"}),
        {"feeds": [{"url": "a", "token": "x"}, {"url": "b"}]},
    ),
    "of a later entry": (
        resolved(secret(path="feeds[0].token"), config_map(), m={"k": FEEDS.encode()}, s={"k": b"x"}),
        {"feeds": [{"url": "a", "token": "x"}, {"url": "b"}]},
    ),
    "that replaced another list": (
        resolved(
            config_map("old"),
            secret(path="feeds[1].token"),
            config_map(),
            m={"old": b"feeds: [{url: old}]", "k": FEEDS.encode()},
            s={"k": b"x"},
        ),
        {"feeds": [{"url": "a"}, {"url": "b", "token": "x"}]},
    ),
    "in a list": (
        resolved(secret(path="a[0][1].b"), config={"a": [[{}, {"c": 1}], []]}, s={"k": b"x"}),
        {"a": [[{}, {"c": 1, "b": "x"}], []]},
    ),
    "for several entries": (
        resolved(
            secret("k", "a[1].b.c"),
            secret("l", "a[0].b"),
            secret("m", "a[1].b.d"),
            config={"a": [{}, {}]},
            s={"k": b"x", "l": b"y", "m": b"z"},
        ),
        {"a": [{"b": "y"}, {"b": {"c": "x", "d": "z"}}]},
    ),
    "where an earlier entry put another value": (
        resolved(
            secret("k", "a[0].b.c"),
            secret("l", "a[0].b"),
            config={"a": [{}]},
            s={"k": b"x", "l": b"y"},
        ),
        {"a": [{"b": "y"}]},
    ),
    "whose value an earlier entry gave": (
        resolved(config_map(), secret(path="a[0]"), m={"k": b"a: [old, 1]"}, s={"k": b"x"}),
        {"a": ["x", 1]},
    ),
    "whose place a null in spec.config keeps": (
        resolved(
            secret(path="a[0]"), secret("l", "a[2]"), config={"a": [None, 1, None]}, s={"k": b"x", "l": b"y"}
        ),
        {"a": ["x", 1, "y"]},
    ),
    "but not over an item of spec.config": (
        resolved(secret(path="a[0]"), config={"a": ["own"]}, s={"k": b"x"}),
        {"a": ["own"]},
    ),
    "but not over a value of a later entry": (
        resolved(secret(path="a[0].b"), config_map(), m={"k": b"a: [{b: later}]"}, s={"k": b"x"}),
        {"a": [{"b": "later"}]},
    ),
    "but not over a value of spec.config": (
        resolved(secret(path="a[0].b"), config={"a": [{"b": None}]}, s={"k": b"x"}),
        {"a": [{"b": None}]},
    ),
    "but not over a mapping of spec.config": (
        resolved(secret(path="a[0].b"), config={"a": [{"b": {}}]}, s={"k": b"x"}),
        {"a": [{"b": {}}]},
    ),
    "unless the source is optional and missing": (
        resolved(secret(path="a[0].b", optional=True), s=Absent()),
        {},
    ),
}


@pytest.mark.parametrize(("outcome", "config"), INTO_LISTS.values(), ids=INTO_LISTS)
def test_a_path_with_an_index_puts_the_value_into_the_list_that_is_there_in_the_end(
    outcome: ResolvedConfig | ConfigSourceFault, config: dict[str, Any]
) -> None:
    assert config_of(outcome) == config


NO_LIST = {
    "nothing": (
        resolved(secret(path="a.b[0].c"), config={"a": {}}, s={"k": value}),
        (
            "path a.b[0].c needs a list at a.b, where nothing is; "
            "correct the path, or give the list in spec.config"
        ),
    ),
    "text": (
        resolved(secret(path="a[0].c"), config={"a": CANARY}, s={"k": value}),
        "path a[0].c needs a list at a, which is not a list; correct the path, or make it one",
    ),
    "a mapping": (
        resolved(secret(path="a[0].c"), config={"a": {"0": {}}}, s={"k": value}),
        "path a[0].c needs a list at a, which is not a list; correct the path, or make it one",
    ),
    "a list of one": (
        resolved(secret(path="a[2].c"), config={"a": [{}]}, s={"k": value}),
        "path a[2].c needs 3 items at a, which has 1; correct the path, or add what is missing",
    ),
    "an empty list": (
        resolved(config_map(), secret(path="a[0]"), m={"k": b"a: []"}, s={"k": value}),
        (
            "path a[0] needs 1 item at a, which has none; "
            "correct the path, or add what is missing (null keeps the place of an item)"
        ),
    ),
    "a list in a list": (
        resolved(secret(path="a[0][1]"), config={"a": [[1]]}, s={"k": value}),
        (
            "path a[0][1] needs 2 items at a[0], which has 1; "
            "correct the path, or add what is missing (null keeps the place of an item)"
        ),
    ),
    "a list in a Secret, whose length is not told": (
        resolved(secret("l"), secret(path="a[4]"), s={"k": value, "l": b"a: [" + value + b"]"}),
        (
            "path a[4] needs 5 items at a, which has fewer; "
            "correct the path, or add what is missing (null keeps the place of an item)"
        ),
    ),
    "an item that is no mapping": (
        resolved(secret(path="a[0].b"), config={"a": [CANARY]}, s={"k": value}),
        "path a[0].b leads through a[0], which is not a mapping; correct the path, or make it one",
    ),
    "text in an item": (
        resolved(secret(path="a[0].b.c"), config={"a": [{"b": CANARY}]}, s={"k": value}),
        "path a[0].b.c leads through a[0].b, which is not a mapping; correct the path, or make it one",
    ),
    "text that an earlier entry put there": (
        resolved(
            secret("l", "a[0].b"), secret(path="a[0].b.c"), config={"a": [{}]}, s={"k": value, "l": value}
        ),
        "path a[0].b.c leads through a[0].b, which is not a mapping; correct the path, or make it one",
    ),
}


@pytest.mark.parametrize(("outcome", "message"), NO_LIST.values(), ids=NO_LIST)
def test_a_path_into_a_list_that_is_not_there_is_a_conflict(
    outcome: ResolvedConfig | ConfigSourceFault, message: str
) -> None:
    assert isinstance(outcome, ConfigSourceFault)
    assert (outcome.reason, outcome.message) == ("PathConflict", message)
    assert CANARY not in repr(outcome)


def test_a_list_is_plain_without_the_secrets_in_its_items() -> None:
    outcome = resolved(
        secret(path="feeds[1].auth.token"),
        config_map(path="feeds[1].mode"),
        config={"feeds": [{"url": "a"}, {"url": "b", "auth": {}}]},
        s={"k": b"t0ken"},
        m={"k": b"fast"},
    )
    assert isinstance(outcome, ResolvedConfig)
    assert outcome.plain == {"feeds": [{"url": "a"}, {"url": "b", "auth": {"token": None}, "mode": "fast"}]}
    assert outcome.secrets == ("t0ken",)


def test_what_a_config_map_puts_into_a_list_of_a_secret_is_plain_at_its_place() -> None:
    outcome = resolved(
        secret(),
        config_map(path="a[2].b"),
        config_map("l", "a[1]"),
        s={"k": b"a: [{x: 1}, {x: 2}, {x: 3}]"},
        m={"k": b"plain", "l": b"text"},
    )
    assert isinstance(outcome, ResolvedConfig)
    assert outcome.config == {"a": [{"x": 1}, "text", {"x": 3, "b": "plain"}]}
    assert outcome.plain == {"a": [None, "text", {"b": "plain"}]}


def test_a_secret_that_replaces_a_value_of_a_config_map_leaves_that_value_plain() -> None:
    outcome = resolved(config_map(), secret(path="a[0].b"), m={"k": b"a: [{b: leaked}]"}, s={"k": b"x"})
    assert isinstance(outcome, ResolvedConfig)
    assert (outcome.config, outcome.plain) == ({"a": [{"b": "x"}]}, {"a": [{"b": "leaked"}]})


def test_putting_values_into_the_lists_of_spec_config_does_not_change_it() -> None:
    own = {"a": [{"b": [{"c": {}}]}], "x": {"y": [{}]}}
    before = copy.deepcopy(own)
    outcome = resolved(
        secret(path="a[0].b[0].c.d"),
        config_map(path="a[0].e"),
        secret(path="x.y[0].z"),
        config=own,
        s={"k": b"s"},
        m={"k": b"m"},
    )
    assert config_of(outcome) == {
        "a": [{"b": [{"c": {"d": "s"}}], "e": "m"}],
        "x": {"y": [{"z": "s"}]},
    }
    assert isinstance(outcome, ResolvedConfig)
    assert outcome.plain == {"a": [{"b": [{"c": {"d": None}}], "e": "m"}], "x": {"y": [{"z": None}]}}
    assert own == before


HIDDEN: dict[str, tuple[ResolvedConfig | ConfigSourceFault, list[Hidden]]] = {
    "nothing": (resolved(secret(path="a"), config={"b": 1}, s={"k": b"x"}), []),
    "a path that spec.config sets": (
        resolved(secret(path="a.b"), config={"a": {"b": None}}, s={"k": b"x"}),
        [Hidden(0, (None,), "a.b")],
    ),
    "a path below a value of spec.config": (
        resolved(secret(path="feeds.auth.token"), config={"feeds": []}, s={"k": b"x"}),
        [Hidden(0, (None,), "feeds")],
    ),
    "a path above a mapping of spec.config": (
        resolved(secret(path="a"), config={"a": {"b": 1}}, s={"k": b"x"}),
        [Hidden(0, (None,), "a")],
    ),
    "a path beside a value of spec.config": (
        resolved(secret(path="a.b"), config={"a": {"c": 1}}, s={"k": b"x"}),
        [],
    ),
    "the same path again": (
        resolved(secret("k", "a"), secret("l", "a"), s={"k": b"x", "l": b"x"}),
        [Hidden(0, (1,), "a")],
    ),
    "the same path again, but optional and missing": (
        resolved(secret("k", "a"), secret("l", "a", optional=True), s={"k": b"x"}),
        [],
    ),
    "each by the next": (
        resolved(secret("k", "a"), secret("l", "a"), config={"a": 1}, s={"k": b"x", "l": b"y"}),
        [Hidden(0, (1,), "a"), Hidden(1, (None,), "a")],
    ),
    "a mapping, key by key": (
        resolved(
            secret(),
            config_map(),
            config={"a": 1, "c": {"d": {"e": 1}}},
            s={"k": b"a: 1\nb: [1]\nc: {d: text}"},
            m={"k": b"b: []"},
        ),
        [Hidden(0, (None, 1))],
    ),
    "a mapping of which something is left": (
        resolved(config_map(), config={"a": 1}, m={"k": b"a: 1\nb: {c: 1}"}),
        [],
    ),
    "a mapping of which an empty mapping is left": (
        resolved(config_map(), config={"a": 1}, m={"k": b"a: 1\nb: {}"}),
        [],
    ),
    "a mapping below a value that replaces it": (
        resolved(config_map(), config={"b": "text"}, m={"k": b"b: {c: {}, d: {e: 1}}"}),
        [Hidden(0, (None,))],
    ),
    "an empty mapping": (resolved(config_map(), config={"a": 1}, m={"k": b"{}"}), []),
    "a path into a list whose value spec.config sets": (
        resolved(secret(path="a[0].b"), config={"a": [{"b": "x"}]}, s={"k": b"x"}),
        [Hidden(0, (None,), "a[0].b")],
    ),
    "a path into a list whose value a later entry sets": (
        resolved(secret(path="a[0].b"), config_map(), s={"k": b"x"}, m={"k": b"a: [{b: 1}]"}),
        [Hidden(0, (1,), "a[0].b")],
    ),
    "a path into a list again, and above": (
        resolved(
            secret("k", "a[0].b.c"),
            secret("k", "a[0].b.c"),
            secret("k", "a[0].b"),
            config={"a": [{}]},
            s={"k": b"x"},
        ),
        [Hidden(0, (1,), "a[0].b.c"), Hidden(1, (2,), "a[0].b")],
    ),
    "a list that another entry puts something into": (
        resolved(config_map(), secret(path="a[0]"), m={"k": b"a: [old]"}, s={"k": b"x"}),
        [],
    ),
}


@pytest.mark.parametrize(("outcome", "hidden"), HIDDEN.values(), ids=HIDDEN)
def test_an_entry_of_which_nothing_is_left_is_hidden_by_what_replaced_it(
    outcome: ResolvedConfig | ConfigSourceFault, hidden: list[Hidden]
) -> None:
    assert isinstance(outcome, ResolvedConfig), outcome
    assert list(outcome.hidden) == hidden


def marked(mark: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a mapping whose every value is the mark, and whose lists keep an item that no path leads to."""
    keys = st.sampled_from("ab")
    leaf: st.SearchStrategy[Any] = st.just(mark)
    return st.dictionaries(
        keys,
        st.recursive(
            leaf,
            lambda inner: (
                st.lists(inner, max_size=2).map(lambda items: [*items, *[mark] * (3 - len(items))])
                | st.dictionaries(keys, inner, min_size=1, max_size=2)
            ),
            max_leaves=6,
        ),
        max_size=2,
    )


def marks_in(value: object) -> set[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return {str(value)} if inner is None else {mark for each in inner for mark in marks_in(each)}


PATHS = ["a", "a.b", "b.a", "a[0]", "l[0].a", "l[0].b", "l[0].b.c", "l[1][1]"]
LIST = {"l": [{"a": "mark-own"}, ["mark-own"] * 3, "mark-own"]}
marked_sources = st.tuples(
    *(st.one_of(marked(f"mark-{n}"), st.sampled_from(PATHS)) for n in range(3)),
    marked("mark-own").map(lambda own: own | LIST),
)


@given(marked_sources)
def test_exactly_the_entries_whose_values_are_all_gone_are_hidden(
    drawn: tuple[dict[str, Any] | str, dict[str, Any] | str, dict[str, Any] | str, dict[str, Any]],
) -> None:
    *sources, own = drawn
    given = [
        (f"k{n}", f"mark-{n}" if isinstance(each, str) else json.dumps(each))
        for n, each in enumerate(sources)
    ]
    outcome = resolved(
        *(secret(f"k{n}", each if isinstance(each, str) else None) for n, each in enumerate(sources)),
        config=own,
        s={key: content.encode() for key, content in given},
    )
    assume(isinstance(outcome, ResolvedConfig))
    assert isinstance(outcome, ResolvedConfig)
    left = marks_in(outcome.config)
    gone = [n for n, each in enumerate(sources) if each and f"mark-{n}" not in left]
    assert [each.entry for each in outcome.hidden] == gone


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
