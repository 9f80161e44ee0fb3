"""The three output formats of `validate`."""

from __future__ import annotations

import json

from floe_operator.commands.findings import (
    Finding,
    Place,
    Tally,
    as_github,
    as_json,
    as_text,
    as_warning,
    in_order,
)
from floe_operator.rules.sentences import dotted

FINDING = Finding(
    Place("apps/a.yaml", 2, 7, "floe", "dbt-a"), "spec.name", "NotInstalled", "it is not; install it"
)


def test_text_has_a_line_for_each_finding_that_editors_can_follow() -> None:
    assert as_text([FINDING]) == (
        "apps/a.yaml:7: document 2, floe/dbt-a: spec.name: it is not; install it [NotInstalled]"
    )


def test_text_leaves_out_unknown_parts() -> None:
    finding = Finding(Place("a.yaml", 1), "", "InvalidYAML", "it cannot be read")
    assert as_text([finding]) == "a.yaml: document 1: it cannot be read [InvalidYAML]"


def test_json_has_every_part_of_a_finding() -> None:
    answer = json.loads(as_json([FINDING], Tally(3, 2)))
    assert answer == {
        "valid": False,
        "files": 3,
        "plugins": 2,
        "findings": [
            {
                "file": "apps/a.yaml",
                "document": 2,
                "line": 7,
                "namespace": "floe",
                "name": "dbt-a",
                "path": "spec.name",
                "rule": "NotInstalled",
                "message": "it is not; install it",
            }
        ],
        "warnings": [],
    }


def test_json_without_findings_is_valid() -> None:
    assert json.loads(as_json([], Tally(1, 1))) == {
        "valid": True,
        "files": 1,
        "plugins": 1,
        "findings": [],
        "warnings": [],
    }


def test_github_gets_a_workflow_command_for_each_finding() -> None:
    assert as_github([FINDING]) == (
        "::error file=apps/a.yaml,line=7,title=NotInstalled::"
        "document 2, floe/dbt-a: spec.name: it is not; install it"
    )


def test_a_warning_is_none_of_the_findings_in_any_format() -> None:
    place = Place("a.yaml", 1, 5, "", "dbt-a")
    warning = Finding(place, "spec.configFrom[0]", "HasNoEffect", "spec.configFrom[0] has no effect")
    assert as_warning(warning) == "a.yaml:5: document 1, dbt-a: spec.configFrom[0] has no effect"
    assert as_github([], [warning]) == (
        "::warning file=a.yaml,line=5,title=HasNoEffect::"
        "document 1, dbt-a: spec.configFrom[0]: spec.configFrom[0] has no effect"
    )
    answer = json.loads(as_json([], Tally(1, 1), [warning]))
    assert (answer["valid"], answer["findings"]) == (True, [])
    assert [each["rule"] for each in answer["warnings"]] == ["HasNoEffect"]


def test_a_workflow_command_cannot_be_broken_out_of() -> None:
    finding = Finding(Place("a,b:c%\n.yaml", 1), "", "R", "50 %\r\n::error::x")
    assert as_github([finding]) == (
        "::error file=a%2Cb%3Ac%25%0A.yaml,line=1,title=R::document 1: 50 %25%0D%0A::error::x"
    )


def test_findings_are_in_the_order_of_the_files_and_appear_once() -> None:
    late, early = Finding(Place("b", 1, 1), "", "R", ""), Finding(Place("a", 2, 9), "", "R", "")
    earlier = Finding(Place("a", 2, None), "", "R", "")
    assert in_order([late, early, late, earlier]) == [earlier, early, late]


def test_a_path_is_written_as_in_the_manifest() -> None:
    assert dotted(("spec", "configFrom", 0, "path")) == "spec.configFrom[0].path"


def test_a_name_that_a_terminal_or_a_log_would_obey_is_shown_escaped() -> None:
    place = Place("a\n.yaml", 1, 2, "", "compute-x\x1b[31m\n::error::pwn\r")
    text = as_text([Finding(place, "metadata.\u202ename", "FieldValueInvalid", "it is wrong: é")])
    assert text.isprintable()
    assert "compute-x\\x1b[31m\\n::error::pwn\\r" in text
    assert "it is wrong: é" in text
