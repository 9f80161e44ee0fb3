"""Schemas say what the judge says: each type and value with `validate`, kubeconform and check-jsonschema."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.distributions import Environment
from tests.support.go_tools import conforming
from tests.support.operator import manifest
from tests.support.schema_matrix import ROWS, field_of, matrix_plugin

KINDS = ("taken", "refused", "converted", "let_through")
CASES = [(name, kind, value) for name, row in ROWS.items() for kind in KINDS for value in getattr(row, kind)]


@dataclass(frozen=True)
class Answers:
    """Which numbers of CASES each program accepts, and all that they printed."""

    validate: frozenset[int]
    kubeconform: frozenset[int]
    check_jsonschema: frozenset[int]
    printed: str


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Answers:
    environment = Environment.create(tmp_path_factory.mktemp("plugins") / "venv")
    environment.install(matrix_plugin())
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "manifests").mkdir()
    for number, (name, _, value) in enumerate(CASES):
        document = manifest("compute", "matrix", config={field_of(name): value})
        document["metadata"]["namespace"] = f"n{number}"
        (folder / "manifests" / f"{number}.json").write_text(json.dumps(document, ensure_ascii=False))

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)

    floe = (sys.executable, "-m", "floe_operator")
    where = ("--plugin-python", environment.python)
    written = run(*floe, "schema", "--all", "--dir", "schemas", *where)
    assert written.returncode == 0, written.stderr
    judged = run(*floe, "validate", "-f", "manifests", "--output", "json", *where)
    conforms, said = conforming(request.config, folder, "manifests")
    files = sorted((folder / "manifests").iterdir())
    checked = run(
        sys.executable, "-m", "check_jsonschema", "--schemafile", "schemas/floe.dev/compute-matrix.json",
        "--output-format", "json", "--verbose", *files,
    )  # fmt: skip
    assert len(conforms) == len(CASES), said
    everything = frozenset(range(len(CASES)))
    report = json.loads(checked.stdout)
    assert not report.get("parse_errors"), checked.stdout
    return Answers(
        everything - {_number(each["file"]) for each in json.loads(judged.stdout)["findings"]},
        frozenset(int(name) for name, is_valid in conforms.items() if is_valid),
        everything - {_number(each["filename"]) for each in report["errors"]},
        said + checked.stdout + checked.stderr,
    )


def _number(file: str) -> int:
    return int(Path(file).stem)


def _cases(*kinds: str) -> Iterator[Any]:
    for number, (name, kind, value) in enumerate(CASES):
        if kind in kinds:
            yield pytest.param(number, id=f"{name}-{json.dumps(value)[:40]}")


@pytest.mark.parametrize("number", list(_cases("taken")))
def test_what_the_plugin_takes_is_accepted_by_all(number: int, answers: Answers) -> None:
    assert number in answers.validate
    assert number in answers.kubeconform
    assert number in answers.check_jsonschema


@pytest.mark.parametrize("number", list(_cases("refused")))
def test_what_the_plugin_refuses_is_refused_by_all(number: int, answers: Answers) -> None:
    assert number not in answers.validate
    assert number not in answers.kubeconform
    assert number not in answers.check_jsonschema


@pytest.mark.parametrize("number", list(_cases("converted")))
def test_only_conversions_between_scalars_are_refused_by_schemas_alone(number: int, answers: Answers) -> None:
    assert number in answers.validate
    assert number not in answers.kubeconform
    assert number not in answers.check_jsonschema
    assert not isinstance(CASES[number][2], list | dict)


@pytest.mark.parametrize("number", list(_cases("let_through")))
def test_what_schemas_let_through_is_found_by_validate(number: int, answers: Answers) -> None:
    assert number not in answers.validate
    assert number in answers.kubeconform
    assert number in answers.check_jsonschema


def test_validators_print_no_secret(answers: Answers) -> None:
    assert "hunter2" not in answers.printed
    assert "70707" not in answers.printed
    assert "a secret: put it into a Secret and refer to it by configFrom" in answers.printed
