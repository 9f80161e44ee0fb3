"""The commands on awkward standard streams: odd encodings, readers that left, full disks, closed ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginType
from tests.support.distributions import Environment, plugin_distribution

TEXT = "Größe — 😀"
CONFIG = f'model_config = {{"extra": "forbid"}}\nsize: int = Field(1, description={TEXT!r})\n'
BROKEN = f"raise RuntimeError({TEXT!r})\n"
WRONG = f"""
apiVersion: floe.dev/v1alpha1
kind: FloePlugin
metadata: {{name: compute-duckdb}}
spec: {{type: compute, name: duckdb, config: {{"{TEXT}": 1}}}}
"""
LIST_JSON, SCHEMA, VALIDATE = (
    ("list", "--output", "json"),
    ("schema", "compute", "duckdb"),
    ("validate", "-f", "größe.yaml"),
)
HELP = ("schema", "--help")
COMMANDS = [
    ("list",),
    LIST_JSON,
    SCHEMA,
    VALIDATE,
    (*VALIDATE, "--output", "json"),
    (*VALIDATE, "--output", "github"),
]
ASCII = {"PYTHONIOENCODING": "ascii"}
ENCODINGS = [
    *((command, ASCII) for command in COMMANDS),
    *((command, {"PYTHONIOENCODING": "latin-1"}) for command in (LIST_JSON, VALIDATE)),
    *(
        (command, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
        for command in (SCHEMA, VALIDATE)
    ),
]


def _id(command: tuple[str, ...]) -> str:
    return " ".join(command).replace("größe", "x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a manifest and, in `venv`, an environment with two plugins."""
    folder = tmp_path_factory.mktemp("streams")
    environment = Environment.create(folder / "venv")
    environment.install(
        plugin_distribution("duckdb", PluginType.COMPUTE, config=CONFIG),
        plugin_distribution("broken", PluginType.STORAGE, source=BROKEN),
    )
    (folder / "größe.yaml").write_text(WRONG, encoding="utf-8")
    return folder


def run(
    folder: Path, *arguments: str, redirected: str = "", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell that redirects its streams."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirected}', "bash", sys.executable, "-m", "floe_operator", *arguments],
        cwd=folder,
        env=_environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )  # fmt: skip


def _environment(folder: Path, **variables: str) -> dict[str, str]:
    # argparse ignores that its help cannot be written, and with this variable only it would know.
    python = str(folder / "venv" / "bin" / "python")
    return {**os.environ, "PYTHONUNBUFFERED": "", "FLOE_PLUGIN_PYTHON": python, **variables}


@pytest.fixture(scope="module")
def usual(folder: Path) -> dict[tuple[str, ...], subprocess.CompletedProcess[bytes]]:
    """Return what each command prints usually."""
    return {command: run(folder, *command, PYTHONIOENCODING="utf-8") for command in COMMANDS}


Usual = dict[tuple[str, ...], subprocess.CompletedProcess[bytes]]


@pytest.mark.parametrize(
    ("command", "variables"),
    ENCODINGS,
    ids=[f"{_id(each[0])}-{number}" for number, each in enumerate(ENCODINGS)],
)
def test_every_encoding_shows_the_same_answer(
    command: tuple[str, ...], variables: dict[str, str], folder: Path, usual: Usual
) -> None:
    told = run(folder, *command, **variables)
    assert told.returncode == usual[command].returncode
    assert b"Traceback" not in told.stderr
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    shown = told.stdout.decode(encoding)
    is_json = "json" in command or "schema" in command
    escaped = "".join(
        each if _fits(each, "ascii" if is_json else encoding) else json.dumps(each)[1:-1]
        for each in usual[command].stdout.decode("utf-8")
    )
    assert shown == escaped
    if is_json:
        assert json.loads(told.stdout) == json.loads(usual[command].stdout)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("command", [LIST_JSON, SCHEMA, VALIDATE, HELP], ids=_id)
def test_a_full_disk_is_an_error_and_no_finding(command: tuple[str, ...], folder: Path) -> None:
    told = run(folder, *command, redirected=">/dev/full")
    last = told.stderr.decode().splitlines()[-1]
    assert (told.returncode, last) == (
        2,
        "floe-operator: cannot write to standard output: No space left on device",
    )
    assert b"Traceback" not in told.stderr
    assert b"Exception ignored" not in told.stderr


@pytest.mark.parametrize("command", [LIST_JSON, VALIDATE], ids=_id)
def test_a_closed_output_is_an_error_and_no_finding(command: tuple[str, ...], folder: Path) -> None:
    told = run(folder, *command, redirected=">&-")
    assert told.returncode == 2
    assert told.stderr.decode().splitlines()[-1] == "floe-operator: standard output is closed"


@pytest.mark.parametrize("command", [LIST_JSON, SCHEMA, VALIDATE, HELP], ids=_id)
def test_a_reader_that_left_is_no_fault(command: tuple[str, ...], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        told = subprocess.run(
            [sys.executable, "-m", "floe_operator", *command],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
    finally:
        os.close(writer)
    assert told.returncode == 141
    assert b"Traceback" not in told.stderr
    assert b"ipe" not in told.stderr


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", [("list",), VALIDATE], ids=_id)
def test_notes_that_cannot_be_printed_do_not_get_into_the_answer(
    command: tuple[str, ...], redirected: str, folder: Path, usual: Usual
) -> None:
    told = run(folder, *command, redirected=redirected)
    assert (told.returncode, told.stdout) == (usual[command].returncode, usual[command].stdout)


@pytest.mark.parametrize(
    ("redirected", "said"),
    [("<&-", "standard input is closed"), ("0>/dev/null", "cannot read standard input: Bad file descriptor")],
)
def test_a_standard_input_that_cannot_be_read_is_wrong_usage(
    redirected: str, said: str, folder: Path
) -> None:
    told = run(folder, "validate", "-f", "-", redirected=redirected)
    assert (told.returncode, told.stderr.decode()) == (2, f"floe-operator validate: {said}\n")


def test_a_folder_that_is_full_keeps_the_schemas_that_it_had(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "schema", "--all", "--dir", str(tmp_path)).returncode == 1  # storage/broken has none
    files = sorted(tmp_path.rglob("*"))
    before = {file: file.read_bytes() for file in files if file.is_file()}
    told = run(folder, "schema", "--all", "--dir", str(tmp_path), BASH_ENV=str(_limits(tmp_path)))
    assert told.returncode == 2
    assert f"cannot write to {tmp_path / 'floe.dev'}: File too large" in told.stderr.decode()
    assert {file: file.read_bytes() for file in files if file.is_file()} == before


def _limits(folder: Path) -> Path:
    """Return a file that limits what a shell's children can write to one file; it stands for a full disk."""
    limits = folder.with_name("limits.sh")
    limits.write_text("trap '' XFSZ\nulimit -f 4\n")
    return limits


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_an_answer_that_is_cut_short_is_an_error(unbuffered: str) -> None:
    """A non-blocking pipe takes as much as fits; so does an unbuffered stream with a slow reader."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    code = (
        "import sys\n"
        "from floe_operator.commands.standard_streams import answer, guarded\n"
        "sys.exit(guarded(lambda: answer('x' * 1_000_000) or 0))"
    )
    try:
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
        os.close(reader)
    assert told.returncode == 2
    assert b"cannot write to standard output" in told.stderr
