"""`floe-operator schema --all` with many plugins, some of them awkward: none spoils another's documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from floe_core.plugin_types import PluginType
from floe_operator.commands.common_patterns import common_pattern
from tests.support.distributions import Environment, plugin_distribution
from tests.support.go_tools import conforming, kubeconform, output_of
from tests.support.operator import manifest
from tests.support.pattern_strategies import random_patterns

BEFORE = """
import enum
from typing import Annotated, Any, Literal, Optional
from pydantic import ConfigDict, WithJsonSchema

class Size(enum.Enum):
    SMALL = "s"
    LITTLE = "s"
    LARGE = "l"

class Node(BaseModel):
    model_config = ConfigDict(extra="forbid")
    value: int = 0
    children: "list[Node]" = []
    other: "Optional[Node]" = None

def written(schema):
    return Annotated[str, WithJsonSchema(schema)]
"""
OWN = """a: int = 0
@classmethod
def model_json_schema(cls, *given, **more): return {{"properties": {{"a": {{"$ref": "{}"}}}}}}
"""
MANY = 500
USABLE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "recursive": (
        "root: Node = Node()",
        {"root": {"children": [{"other": {"value": 1}}]}},
        {"root": {"children": [{"other": {"value": "a"}}]}},
    ),
    "texts": (
        r'a: int = Field(0, title="\x1b[2J*/", description="\x00\x9b31m */ \u202e <!-- ${{ x }}")',
        {"a": 1},
        {"a": "b"},
    ),
    "large": (
        "".join(f'f{number}: int = Field(0, description="{"x" * 1000}")\n' for number in range(2000)),
        {"f7": 1},
        {"f7": "a"},
    ),
    "names": (
        r'a: int = Field(0, alias="$ref")' + "\n" + r'b: int = Field(0, alias="a/b~c%d\n")',
        {"$ref": 1, "a/b~c%d\n": 2},
        {"$ref": "x"},
    ),
    "enums": (
        "size: Size = Size.SMALL\nlevel: Literal[Size.SMALL, 's'] = 's'\ndata: Literal[b'x', 'x'] = 'x'",
        {"size": "s", "level": "s", "data": "x"},
        {"size": "m"},
    ),
    "patterned": (
        'a: str = Field("", pattern=r"^\\p{L}+$")\nb: dict[Annotated[str, Field(pattern="(?i)a")], int] = {}',
        {"a": "é", "b": {"A": 1}},
        {"a": 1},
    ),
}
UNUSABLE: dict[str, tuple[str, str]] = {
    "itself": (OWN.format("#/properties/a"), "none of its definitions"),
    "elsewhere": (OWN.format("https://example.com/x.json"), "example.com"),
    "nonsense": ('a: written({"type": "strng"}) = ""', "properties/a/type"),
    "raising": (
        "a: int = 0\n@classmethod\ndef __get_pydantic_json_schema__(cls, *given): raise RuntimeError('no')",
        "RuntimeError",
    ),
    "huge": (
        "".join(f'f{number}: int = Field(0, description="{"x" * 1000}")\n' for number in range(5000)),
        "too large for a message",
    ),
    "deep": (
        'a: written(__import__("functools").reduce(lambda s, _: {"items": s}, range(900), {})) = ""',
        "nested too deeply",
    ),
}


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return a folder with the schemas of all these plugins, and how the command ended."""
    folder = tmp_path_factory.mktemp("many")
    environment = Environment.create(folder / "venv")
    environment.add(
        *(plugin_distribution(name, before=BEFORE, config=row[0]) for name, row in USABLE.items()),
        *(plugin_distribution(name, before=BEFORE, config=row[0]) for name, row in UNUSABLE.items()),
        *(
            plugin_distribution(f"p{number}", PluginType.DBT, config="size: int = 1\nlevel: str = ''")
            for number in range(MANY)
        ),
    )
    outcome = subprocess.run(
        [sys.executable, "-m", "floe_operator", "schema", "--all", "--dir", "schemas"],
        env={**os.environ, "FLOE_PLUGIN_PYTHON": str(environment.python)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return folder, outcome


def test_plugins_without_a_usable_schema_are_named_and_the_others_written(
    schemas: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, outcome = schemas
    assert outcome.returncode == 1
    told = {line for line in outcome.stderr.splitlines() if "has no schema" in line}
    for name, (_, said) in UNUSABLE.items():
        assert any(f"compute/{name} has no schema" in line and said in line for line in told), (name, told)
    assert len(told) == len(UNUSABLE)
    written = {file.stem for file in (folder / "schemas" / "floe.dev").iterdir()}
    assert written == {
        "floeplugin_v1alpha1",
        *(f"compute-{name}" for name in USABLE),
        *(f"dbt-p{number}" for number in range(MANY)),
    }


def test_kubeconform_checks_the_documents_of_all_the_others(
    schemas: tuple[Path, subprocess.CompletedProcess[str]], request: pytest.FixtureRequest
) -> None:
    folder, _ = schemas
    manifests = folder / "manifests"
    manifests.mkdir()
    expected: dict[str, bool] = {}
    for name, (_, good, bad) in USABLE.items():
        expected |= {f"{name}-good": True, f"{name}-bad": False}
        _write(manifests / f"{name}-good.json", "compute", name, good)
        _write(manifests / f"{name}-bad.json", "compute", name, bad)
    for number in range(0, MANY, 50):
        expected[f"p{number}"] = number != 0
        _write(manifests / f"p{number}.json", "dbt", f"p{number}", {"size": 1 if number else "many"})
    _write(manifests / "unusable.json", "compute", "raising", {"anything": 1})
    expected["unusable"] = True
    found, said = conforming(request.config, folder, "manifests")
    assert found == expected, said


def _write(file: Path, plugin_type: str, name: str, config: dict[str, Any]) -> None:
    file.write_text(json.dumps(manifest(plugin_type, name, config=config)))


def test_kubeconform_compiles_every_common_pattern(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    found = [common_pattern(each) for each in random_patterns(seed=1, number=5000)]
    folder = tmp_path_factory.mktemp("patterns")
    fields = {str(number): {"pattern": each} for number, each in enumerate(filter(None, found))}
    assert len(fields) > 500
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": fields}
    (folder / "schema.json").write_text(json.dumps(schema))
    (folder / "a.json").write_text(json.dumps({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}))
    program = kubeconform(request.config)
    code, said = output_of(program, "-schema-location", "schema.json", "a.json", cwd=folder)
    assert code == 0, said
