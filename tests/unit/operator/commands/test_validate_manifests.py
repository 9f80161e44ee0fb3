"""What `validate` reads, and what it reports about a FloePlugin before it asks any plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from floe_operator.commands.findings import Finding, in_order
from floe_operator.commands.manifest_rules import is_floe_plugin, manifest_findings
from floe_operator.commands.manifests import STDIN, Manifests, UsageError, read_manifests
from floe_operator.rules.crd import CEL, openapi_schema
from tests.support.manifest_table import BAD, GOOD, GOOD_HEAD, plugin, source, spec


def read(text: str) -> Manifests:
    return read_manifests(["-"], stdin=text.encode)


def judged(text: str) -> list[Finding]:
    found = read(text)
    plugins = [document for document in found.documents if is_floe_plugin(document)]
    return in_order([*found.findings, *(one for each in plugins for one in manifest_findings(each))])


@pytest.mark.parametrize("what", GOOD)
def test_a_manifest_that_the_api_server_accepts_has_no_findings(what: str) -> None:
    assert judged(GOOD[what]) == []


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_reported_with_its_path_and_rule(what: str) -> None:
    text, path, rule = BAD[what]
    assert [(finding.path, finding.rule) for finding in judged(text)] == [(path, rule)]


@pytest.mark.parametrize("what", BAD)
def test_a_finding_says_what_to_do(what: str) -> None:
    for finding in judged(BAD[what][0]):
        assert ";" in finding.message or finding.message.startswith("it must ")
        assert "\n" not in finding.message


def test_a_manifest_can_break_every_cel_rule_that_is_not_about_updates() -> None:
    said = {finding.message for text, _, _ in BAD.values() for finding in judged(text)}
    for rule in _cel_rules(openapi_schema()):
        found = any(message.startswith(rule["message"]) for message in said)
        assert found is ("oldSelf" not in rule["rule"]), rule


def _cel_rules(schema: Any) -> Iterator[Mapping[str, str]]:
    if isinstance(schema, Mapping):
        yield from schema.get(CEL, ())
        for inner in schema.values():
            yield from _cel_rules(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _cel_rules(inner)


def test_the_names_of_an_object_and_its_plugin_are_judged_together() -> None:
    found = judged(plugin("compute", "Duck_DB", called="compute-Duck_DB"))
    assert {finding.path: finding.message.rpartition("; ")[2] for finding in found} == {
        "metadata.name": "write spec.type, a hyphen and spec.name, in lower case",
        "spec.name": "write duck-db",
    }


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (spec("configform: []"), "did you mean configFrom?"),
        (source("{secret_key_ref: {name: a, key: b}}"), "did you mean secretKeyRef?"),
        (plugin("catalogue", "a"), "did you mean catalog?"),
        (plugin("telemetry_backend", "a", called="telemetry-backend-a"), "did you mean telemetry-backend?"),
        (plugin("dbt", "My_Plugin", called="dbt-my-plugin"), "; write my-plugin"),
        (plugin("dbt", "core", called="core"), "name this object dbt-core"),
    ],
)
def test_a_typo_is_answered_with_the_right_word(text: str, advice: str) -> None:
    assert any(advice in finding.message for finding in judged(text))


def test_no_message_quotes_a_value() -> None:
    mark = "hunter2hunter2"
    texts = [
        spec(f"config: {mark}"),
        spec(f"config: [{mark}]"),
        spec(f"version: [{mark}]"),
        spec(f"version: {mark * 30}"),
        source(f"{{secretKeyRef: {{name: '{mark}!', key: '{mark}!'}}, path: '{mark}!'}}"),
        source(mark),
        spec(f"config: {{password: *{mark}}}"),
        spec(f"config: {{password: '{mark}}}"),
        f"{GOOD_HEAD}spec: {mark}\n",
        f"a: &{mark} 1\nb: &{mark} *{mark}\n",
        f"a: %{mark}\nb: @{mark}\n",
    ]
    for text in texts:
        findings = judged(text)
        assert findings
        assert all(mark not in finding.message for finding in findings)


def test_documents_are_numbered_and_empty_documents_count() -> None:
    text = f"---\n{spec()}---\n---\n{plugin('dbt', 'core', called='core')}"
    (finding,) = judged(text)
    assert (finding.place.file, finding.place.document, finding.place.line) == (STDIN, 3, 10)


def test_a_finding_has_the_line_of_its_field() -> None:
    text = f"{GOOD_HEAD}spec:\n  type: identity\n  name: keycloak\n  configFrom:\n  - path: a\n    key: b\n"
    lines = {finding.path: finding.place.line for finding in judged(text)}
    assert lines == {"spec.configFrom[0].key": 9, "spec.configFrom[0]": 8}


def test_a_missing_field_has_the_line_of_its_parent() -> None:
    (finding,) = judged(f"{GOOD_HEAD}spec:\n  type: identity\n")
    assert (finding.path, finding.place.line) == ("spec.name", 4)


def test_the_documents_before_a_yaml_error_are_checked() -> None:
    findings = judged(f"{plugin('dbt', 'core', called='core')}---\na: [\n")
    assert [(finding.rule, finding.place.document) for finding in findings] == [
        ("FieldValueInvalid", 1),
        ("InvalidYAML", 2),
    ]


ITEM = {"metadata": {"name": "a"}, "spec": {"type": "dbt", "name": "a"}}
WHOLE = {"apiVersion": "floe.dev/v1alpha1", "kind": "FloePlugin", **ITEM}


@pytest.mark.parametrize(
    ("version", "kind", "item"),
    [
        ("v1", "List", WHOLE),
        ("floe.dev/v1alpha1", "FloePluginList", WHOLE),
        ("floe.dev/v1alpha1", "FloePluginList", ITEM),
    ],
)
def test_the_items_of_a_list_are_checked(version: str, kind: str, item: dict[str, Any]) -> None:
    (finding,) = judged(json.dumps({"apiVersion": version, "kind": kind, "items": [item]}))
    assert (finding.path, finding.place.name) == ("metadata.name", "a")


@pytest.mark.parametrize(
    ("around", "path", "said"),
    [
        ({"kind": "List", "items": [WHOLE]}, "kind", "write apiVersion: v1 and kind: List"),
        ({"apiVersion": "v1", "kind": "OtherList", "items": [WHOLE]}, "kind", "write apiVersion: v1"),
        ({"apiVersion": "v1", "kind": "List", "items": [WHOLE, None]}, "items[1]", "remove it"),
        (
            {"apiVersion": "v1", "kind": "List", "items": [{"kind": "List", "items": [WHOLE, WHOLE]}]},
            "items",
            "move its items out of it",
        ),
    ],
)
def test_a_list_that_kubectl_refuses_is_reported_once(around: Any, path: str, said: str) -> None:
    of_lists = [finding for finding in judged(json.dumps(around)) if not finding.place.name]
    assert [finding.path for finding in of_lists] == [path]
    assert said in of_lists[0].message


def test_other_kinds_and_documents_that_are_not_objects_are_ignored() -> None:
    text = "kind: Secret\nstringData: {a: b}\n---\n- a\n---\ntext\n---\nreplicas: 3\n---\nkind: [a]\n"
    assert judged(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 5_000,
        "a: &a [*a]",
        "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2_000)),
        "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
        "\x00",
        "a: 1\n\ta: 2",
        "a: 1\na: 2",
        "? [a]\n: b",
    ],
    ids=[
        "deep lists",
        "deep mappings",
        "self-reference",
        "chain",
        "bomb",
        "NUL",
        "tab",
        "repeated key",
        "key",
    ],
)
def test_hostile_yaml_is_a_finding(text: str) -> None:
    assert [finding.rule for finding in judged(text)] == ["InvalidYAML"]


def test_a_file_that_is_not_utf_8_is_a_finding_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: b\nc: \xe9\n")
    (finding,) = read_manifests([str(tmp_path)]).findings
    assert (finding.rule, finding.place.line) == ("NotText", 2)


def test_a_folder_is_read_with_everything_below_it_except_hidden_files(tmp_path: Path) -> None:
    for name in ("b/c.yml", "a.yaml", "d.json", "b/e.txt", ".git/f.yaml", "b/.hidden.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"kind": "Other"}')
    found = read_manifests([str(tmp_path), str(tmp_path / "a.yaml")])
    names = [str(Path(document.file).relative_to(tmp_path)) for document in found.documents]
    assert (names, found.files) == (["a.yaml", "b/c.yml", "d.json"], 3)


def test_a_file_that_is_given_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / ".manifest").write_text(spec())
    assert read_manifests([str(tmp_path / ".manifest")]).files == 1


def test_a_file_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.yaml does not exist"):
        read_manifests([str(tmp_path / "nothing.yaml")])


def test_findings_in_json_have_lines_even_if_it_contains_tabs(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n\t"kind": "FloePlugin",\n\t"apiVersion": "floe.dev/v1"\n}')
    (document,) = read_manifests([str(path)]).documents
    (finding,) = manifest_findings(document)
    assert (finding.path, finding.place.line) == ("apiVersion", 3)


@pytest.mark.parametrize(
    "text",
    ["{", '{"a": [}', '{"a": 1, "a": 2}', "[" * 100_000, f'{{"a": {"1" * 5000}}}', '{"a": 1}{"b": 2}{'],
)
def test_bad_json_is_a_finding(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    assert [finding.rule for finding in read_manifests([str(tmp_path)]).findings] == ["InvalidJSON"]


def test_the_message_on_a_json_file_is_about_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"kind": "A"\n "b": 1}')
    (finding,) = read_manifests([str(tmp_path)]).findings
    assert finding.place.line == 2
    assert finding.message == "cannot read the document: expecting ',' delimiter; fix the JSON"


def test_each_document_of_a_stream_of_json_has_its_number_and_line() -> None:
    bad = json.dumps({**WHOLE, "specs": 1}, indent=1)
    findings = judged(f"{bad}\n{bad}{bad}")
    assert [(one.place.document, one.place.line) for one in findings if one.path == "specs"] == [
        (1, 11),
        (2, 23),
        (3, 34),
    ]
