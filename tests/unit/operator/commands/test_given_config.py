"""What is known about a configuration if its Secrets are not, and which faults are certain anyway."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import ConfigFault
from floe_operator.commands.given_config import GivenConfig, config_maps, given_config, without
from floe_operator.commands.manifests import read_manifests
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.resource import FloePluginSpec

SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
CONFIG_MAP = {"configMapKeyRef": {"name": "c", "key": "k"}}


def given(*sources: dict[str, Any], namespace: str = "", files: str = "", **config: Any) -> Any:
    spec = FloePluginSpec.model_validate(
        {"type": "dbt", "name": "a", "config": config, "configFrom": list(sources)}
    )
    known = config_maps(read_manifests(["-"], stdin=files.encode).documents)
    return given_config(spec, namespace, known)


def config_map(data: str, *, namespace: str = "", name: str = "c", field: str = "data") -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{where}}}\n{field}: {data}\n"


def fault(field: str, kind: str) -> ConfigFault:
    return ConfigFault(field=field, message="", type=kind)


@pytest.mark.parametrize(
    ("field", "kind", "stands"),
    [
        ("a.b", "missing", False),
        ("a.b", "int_parsing", False),
        ("a.b.c", "string_type", False),
        ("a.c", "missing", True),
        ("a.bc", "missing", True),
        ("b", "int_parsing", True),
        ("a", "value_error", False),
        ("", "value_error", False),
        ("a", "extra_forbidden", True),
        ("*.b", "missing", False),
    ],
)
def test_a_fault_at_below_or_because_of_an_unknown_path_is_not_certain(
    field: str, kind: str, stands: bool
) -> None:
    assert given({**SECRET, "path": "a.b"}).is_certain(fault(field, kind)) is stands


@pytest.mark.parametrize(
    ("field", "kind", "stands"),
    [
        ("a", "missing", False),
        ("a", "int_parsing", True),
        ("", "value_error", False),
        ("a", "extra_forbidden", True),
    ],
)
def test_with_an_unknown_mapping_at_the_root_no_field_is_certainly_missing(
    field: str, kind: str, stands: bool
) -> None:
    assert given(SECRET).is_certain(fault(field, kind)) is stands


def test_the_mappings_on_the_way_to_an_unknown_value_exist() -> None:
    found = given({**SECRET, "path": "a.b.c"}, x=1)
    assert (found.config, found.plain) == ({"a": {"b": {}}, "x": 1}, {"x": 1, "a": {"b": {"c": None}}})


def test_a_value_in_spec_config_at_an_unknown_path_counts() -> None:
    assert given({**SECRET, "path": "a"}, a="mine").config == {"a": "mine"}


@pytest.mark.parametrize(
    ("field", "kind", "stands"),
    [
        ("feeds.1.auth.token", "missing", False),
        ("feeds.1.auth.token", "string_too_short", False),
        ("feeds.1.auth", "value_error", False),
        ("feeds.1.auth.user", "missing", True),
        ("feeds.0.auth.token", "missing", True),
        ("feeds.1.auth.token", "extra_forbidden", False),
    ],
)
def test_a_fault_at_an_unknown_value_in_a_list_is_not_certain(field: str, kind: str, stands: bool) -> None:
    found = given({**SECRET, "path": "feeds[1].auth.token"}, feeds=[{}, {"url": "u"}])
    assert found.config == {"feeds": [{}, {"url": "u", "auth": {}}]}
    assert found.shape == {"feeds": [{}, {"url": "u", "auth": {"token": "{}"}}]}
    assert found.plain == {"feeds": [{}, {"url": "u", "auth": {"token": None}}]}
    assert found.is_certain(fault(field, kind)) is stands


def test_a_field_that_an_item_of_a_list_does_not_have_is_about_the_unknown_value() -> None:
    found = given({**SECRET, "path": "feeds[1].tokn"}, feeds=[{}, {}])
    assert found.is_about_unknown(fault("feeds.1.tokn", "extra_forbidden"))
    assert not found.is_about_unknown(fault("feeds.0.tokn", "extra_forbidden"))


def test_an_unknown_item_does_not_move_the_others() -> None:
    found = given(CONFIG_MAP, {**SECRET, "path": "a[0]"}, files=config_map("{k: 'a: [b, c]'}"))
    assert found.config == {"a": [None, "c"]}


def test_a_list_that_unknown_content_may_contain_is_not_missing() -> None:
    into_list = {**CONFIG_MAP, "path": "feeds[1].token"}
    found = given(SECRET, into_list, files=config_map("{k: v}"))
    assert (found.config, found.plain) == ({}, {"feeds": [None, {"token": "v"}]})
    found = given(SECRET, into_list, files=config_map("{k: v}"), feeds=[])
    assert isinstance(found, ConfigSourceFault)
    assert found.message.startswith("path feeds[1].token needs 2 items at feeds, which has none")


def at(source: dict[str, Any], path: str, **more: Any) -> dict[str, Any]:
    ((kind, reference),) = source.items()
    return {kind: {**reference, **more}, "path": path}


@pytest.mark.parametrize(
    ("sources", "files", "config", "hidden"),
    [
        ([at(SECRET, "a")], "", {"a": 1}, [Hidden(0, (None,), "a")]),
        ([at(SECRET, "a", optional=True)], "", {"a": 1}, [Hidden(0, (None,), "a")]),
        ([at(SECRET, "a.b")], "", {"a": {"c": 1}}, []),
        ([at(SECRET, "a[0].b")], "", {"a": [{"b": 1}]}, [Hidden(0, (None,), "a[0].b")]),
        ([SECRET], "", {"a": 1}, []),
        ([CONFIG_MAP], "{k: 'a: 1'}", {"a": 2}, [Hidden(0, (None,))]),
        ([CONFIG_MAP, at(SECRET, "a")], "{k: 'a: 1'}", {}, [Hidden(0, (1,))]),
        ([CONFIG_MAP, at(SECRET, "a", optional=True)], "{k: 'a: 1'}", {}, []),
        (
            [CONFIG_MAP, at(SECRET, "a", optional=True)],
            "{k: 'a: 1'}",
            {"a": 2},
            [Hidden(0, (1,)), Hidden(1, (None,), "a")],
        ),
        ([at(SECRET, "a[0].b"), CONFIG_MAP], "{k: 'a: [{b: 1}]'}", {}, [Hidden(0, (1,), "a[0].b")]),
        ([at(SECRET, "a[0].b"), CONFIG_MAP, SECRET], "{k: 'a: [{b: 1}]'}", {}, []),
    ],
)
def test_a_source_is_hidden_if_it_has_no_effect_whatever_the_unknown_values_are(
    sources: list[dict[str, Any]], files: str, config: dict[str, Any], hidden: list[Hidden]
) -> None:
    found = given(*sources, files=config_map(files) if files else "", **config)
    assert list(found.hidden) == hidden


def test_a_fault_in_a_value_that_replaces_an_unknown_value_is_certain() -> None:
    found = given(at(SECRET, "feeds"), feeds=[{"url": 1}])
    assert found.config == {"feeds": [{"url": 1}]}
    assert found.is_certain(fault("feeds.0.url", "string_type"))


def test_a_config_map_among_the_files_is_merged() -> None:
    found = given(CONFIG_MAP, files=config_map('{k: "a: 1\\nb: {c: 2}"}'), b={"d": 3})
    assert found.config == found.plain == {"a": 1, "b": {"c": 2, "d": 3}}
    assert found.is_certain(fault("z", "missing"))


@pytest.mark.parametrize(
    ("field", "data"), [("data", '{k: "\\ufeffhello"}'), ("binaryData", "{k: 77u/aGVsbG8=}")]
)
def test_a_byte_order_mark_in_a_config_map_is_ignored(field: str, data: str) -> None:
    found = given({**CONFIG_MAP, "path": "p"}, files=config_map(data, field=field))
    assert found.config == {"p": "hello"}


def test_the_binary_data_of_a_config_map_counts_too() -> None:
    found = given({**CONFIG_MAP, "path": "p"}, files=config_map("{k: aGVsbG8=}", field="binaryData"))
    assert found.config == {"p": "hello"}


def test_a_value_from_a_missing_config_map_is_still_plain() -> None:
    assert given({**CONFIG_MAP, "path": "password"}).plain.keys() == {"password"}


@pytest.mark.parametrize(
    ("own", "there", "known"),
    [("", "", True), ("a", "a", True), ("a", "", True), ("", "a", True), ("a", "b", False)],
)
def test_config_maps_are_not_taken_from_another_namespace(own: str, there: str, known: bool) -> None:
    found = given({**CONFIG_MAP, "path": "p"}, namespace=own, files=config_map("{k: v}", namespace=there))
    assert (found.config == {"p": "v"}) is known


def test_a_reference_that_could_mean_two_config_maps_is_unknown() -> None:
    files = config_map("{k: v}", namespace="a") + config_map("{k: w}", namespace="b")
    found = given({**CONFIG_MAP, "path": "p"}, files=files)
    assert (found.config, found.unknown) == ({}, (("p",),))


@pytest.mark.parametrize("data", ["[a]", "{k: 1}", "text"])
def test_a_config_map_that_the_api_server_would_refuse_is_unknown(data: str) -> None:
    assert given({**CONFIG_MAP, "path": "p"}, files=config_map(data)).unknown == (("p",),)


@pytest.mark.parametrize(
    ("sources", "data", "reason"),
    [
        ([CONFIG_MAP], "{other: v}", "ConfigMapKeyMissing"),
        ([CONFIG_MAP], "{k: text}", "NotAMapping"),
        ([CONFIG_MAP], "{k: 'a: &b 1'}", "NotAMapping"),
        ([{**CONFIG_MAP, "path": "a"}, {**SECRET, "path": "a.b"}], "{k: v}", "PathConflict"),
        ([CONFIG_MAP, {**SECRET, "path": "a[0].b"}], "{k: 'a: {}'}", "PathConflict"),
    ],
)
def test_a_source_that_cannot_be_merged_is_a_fault(
    sources: list[dict[str, Any]], data: str, reason: str
) -> None:
    found = given(*sources, files=config_map(data))
    assert isinstance(found, ConfigSourceFault)
    assert found.reason == reason


def test_an_optional_key_that_a_known_config_map_lacks_is_ignored() -> None:
    optional = {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}
    found = given(optional, files=config_map("{other: v}"), a=1)
    assert (found.config, found.unknown_root) == ({"a": 1}, False)


def test_the_repr_contains_no_value() -> None:
    found = given({**CONFIG_MAP, "path": "p"}, files=config_map("{k: hunter2}"), a="hunter2")
    assert isinstance(found, GivenConfig)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("paths", "rest"),
    [
        (["a"], {"b": [{"c": 1, "d": 2}]}),
        (["b.0.c"], {"a": {"x": 1, "y": 2}, "b": [{"d": 2}]}),
        (["a.*", "b.*.d"], {"a": {}, "b": [{"c": 1}]}),
        (["b.0"], {"a": {"x": 1, "y": 2}, "b": [None]}),
        (["z.y"], {"a": {"x": 1, "y": 2}, "b": [{"c": 1, "d": 2}]}),
    ],
)
def test_without_removes_the_values_at_the_paths(paths: list[str], rest: dict[str, Any]) -> None:
    whole = {"a": {"x": 1, "y": 2}, "b": [{"c": 1, "d": 2}]}
    assert without(whole, paths) == rest
