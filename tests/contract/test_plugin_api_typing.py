"""What mypy --strict reports for plugins written against the contract, which includes the published types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = Path(__file__).parent / "typing_cases"
MARK = re.compile(r"  # type: ignore\[(?P<codes>[a-z, -]+)\]")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, set[str]]]:
    """Return mypy's error codes by file and line, for both files without the marks in `rejected`."""
    folder = tmp_path_factory.mktemp("typing")
    for case in CASES.glob("*.py"):
        (folder / case.name).write_text(MARK.sub("", case.read_text()))
    arguments = ["--strict", "--python-version=3.10", "--no-error-summary", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *arguments, f"--config-file={REPOSITORY / 'pyproject.toml'}"]
    done = subprocess.run(
        [*command, f"--cache-dir={folder / 'cache'}", *sorted(map(str, folder.glob("*.py")))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr

    found: dict[str, dict[int, set[str]]] = {case.name: {} for case in CASES.glob("*.py")}
    for path, line, code in re.findall(r"^(.+?):(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE):
        found.setdefault(Path(path).name, {}).setdefault(int(line), set()).add(code)
    return found


def test_a_plugin_of_each_kind_is_accepted(verdict: dict[str, dict[int, set[str]]]) -> None:
    assert verdict["accepted.py"] == {}


def test_every_line_that_breaks_the_contract_is_rejected(verdict: dict[str, dict[int, set[str]]]) -> None:
    marked = {
        number: set(mark["codes"].split(", "))
        for number, line in enumerate((CASES / "rejected.py").read_text().splitlines(), start=1)
        if (mark := MARK.search(line))
    }

    assert marked
    assert verdict["rejected.py"] == marked


def test_floe_core_itself_has_no_type_error_that_a_plugin_author_would_see(
    verdict: dict[str, dict[int, set[str]]],
) -> None:
    assert set(verdict) == {"accepted.py", "rejected.py"}
