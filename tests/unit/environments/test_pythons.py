"""Which Pythons the tests run on: only those that run; promised Pythons that are missing are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from environments.declared import REPOSITORY, promised_pythons
from environments.pythons import find, versions_to_try

OWN = (sys.version_info[0], sys.version_info[1])


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the only one on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_each_promised_python_and_the_next_version_are_tried() -> None:
    versions = versions_to_try()
    assert versions[:-1] == promised_pythons()
    assert versions[-1] == (versions[-2][0], versions[-2][1] + 1)


def test_the_promised_pythons_match_requires_python_and_the_readme() -> None:
    oldest, *_, newest = (f"{major}.{minor}" for major, minor in promised_pythons())
    assert f'requires-python = ">={oldest}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert f"Python {oldest} to {newest}" in (REPOSITORY / "README.md").read_text()


def test_the_running_python_is_found_even_if_it_is_not_on_path(programs: Path) -> None:
    found = find(OWN)
    assert found is not None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"Python {OWN[0]}.{OWN[1]}.")


def test_a_python_that_does_not_run_or_has_another_version_is_not_found(programs: Path) -> None:
    program(programs / "python3.97", "echo 'pyenv: python3.97: command not found' >&2; exit 127")
    program(programs / "python3.98", f'exec "{sys.executable}" "$@"')
    (programs / "python3.99").symlink_to(programs / "nowhere")
    program(programs / "python3.96", r"printf '\377'")
    program(programs / "python3.95", "echo 3.95 /nowhere/python")
    assert [find((3, minor)) for minor in range(95, 100)] == [None] * 5


def test_a_shim_that_does_not_run_does_not_hide_pyenvs_versions(programs: Path, tmp_path: Path) -> None:
    root = tmp_path / "pyenv"
    program(programs / "pyenv", f"echo {root}")
    program(programs / "python3.97", "exit 127")
    for version in ("3.97.9", "3.97.13", "3.97.13t", "pypy3.97-7.3.17"):
        python = root / "versions" / version / "bin" / "python3.97"
        program(python, f"echo 3.97 {python}")
    assert find((3, 97)) == root / "versions" / "3.97.13" / "bin" / "python3.97"


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("false", 0), ("", 0)])
def test_a_promised_python_that_is_missing_is_named_and_fails_in_ci(
    tmp_path: Path, ci: str, code: int
) -> None:
    promise = '[project]\nname = "x"\nclassifiers = ["Programming Language :: Python :: 3.98"]\n'
    (tmp_path / "pyproject.toml").write_text(promise)
    program = f"""if True:
        import pathlib, sys
        from environments import __main__, declared
        declared.FLOE_CORE = pathlib.Path({str(tmp_path / "pyproject.toml")!r})
        sys.exit(__main__.main(["test", "lowest"]))
    """
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PYTHONPATH"] = str(REPOSITORY / "tools" / "environments")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, **({"CI": ci} if ci else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    missing = re.findall(
        r"Python (3\.\d+)(?: \(not promised\))? was not tried: this machine has none", done.stdout
    )
    assert missing == ["3.98", "3.99"]
